#pragma once
// Version ranges of the collector language, and the comments that make one SQL text of several
// versions: what stands in /*!13+ ... */ is part of the text for PostgreSQL 13 and later only,
// where psql sees a comment. Pure functions.
//
//   ParseVersions("12-16");                      // {12000, 16999}
//   ExpandVersions("SELECT a /*!13+ , b */", {});  // {-12: SELECT a}, {13+: SELECT a , b}

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "exporters/postgres/query_def.h"

namespace sidecar::postgres {

// "13+", "-12", "12-16", "17"; of an extension "1.8+". Without the number behind the point a
// range holds all of them.
std::optional<Versions> ParseVersions(std::string_view text);
// It begins or ends within a major, as those of extensions do. PostgreSQL is judged by its majors.
bool HasMinors(const Versions& versions);
// "1.8" as 1008; only the first two numbers count.
std::optional<int> ParseVersion(std::string_view text);
std::string FormatVersion(int version);  // "13", "1.8"

struct VersionText {
  Versions versions;
  std::string text;
};
// The text for each range of `within` in which it is another, ascending. An error says what is
// wrong with a version comment, or that no version has any text.
Result<std::vector<VersionText>> ExpandVersions(std::string_view sql, Versions within);

}  // namespace sidecar::postgres
