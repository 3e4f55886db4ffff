#pragma once
// What a query gives, row by row. A row is borrowed from libpq for the time of one call, so that a
// result of any length costs no memory; the reader says when it has enough. One thread.
//
//   class Count final : public RowReader {
//     Result<> Begin(std::span<const Column>) override { return {}; }
//     Result<> Row(std::span<const Cell>) override { return ++rows_, Result<>(); }
//   };

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::postgres {

struct Column {
  std::string_view name;
  std::uint32_t type;  // its OID: pg_type.dat
};

// As text in the server's encoding: not always valid UTF-8. None: NULL.
using Cell = std::optional<std::string_view>;

class RowReader {
 public:
  virtual ~RowReader() = default;
  // Once, before the first row, also when there will be none. An error ends the query and is what
  // Session::Query returns; likewise below.
  virtual Result<> Begin(std::span<const Column> columns) = 0;
  virtual Result<> Row(std::span<const Cell> cells) = 0;
};

}  // namespace sidecar::postgres
