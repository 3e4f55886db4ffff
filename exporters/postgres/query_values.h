#pragma once
// Cells of a result as numbers and lists, from PostgreSQL's text format. Pure functions; errors are
// kParse and say what the text was.
//
//   Result<double> size = ParseValue("0/3000148", kLsn);  // 50331976
//   auto bounds = ParseArray("{0,30,NULL}");

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "exporters/postgres/rows.h"

namespace sidecar::postgres {

// OIDs of pg_type.dat that are not written as numbers are.
inline constexpr std::uint32_t kBool = 16, kLsn = 3220;

// A finite number; a boolean is 0 or 1, a pg_lsn its bytes.
Result<double> ParseValue(std::string_view text, std::uint32_t type);

// The elements of a one-dimensional array; none: NULL.
Result<std::vector<std::optional<std::string>>> ParseArray(std::string_view text);
// Of numbers, none of them NULL.
Result<std::vector<double>> ParseNumbers(std::string_view text);

}  // namespace sidecar::postgres
