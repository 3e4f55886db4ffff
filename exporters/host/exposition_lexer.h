#pragma once
// The tokens of text format 0.0.4, for exposition_reader.cc. Pure functions; the views borrow.
//
//   const std::string_view name = TakeName(rest, true);
//   const auto value = ParseValue(NextField(rest));

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/metrics/family.h"

namespace sidecar::host {

inline bool IsBlank(char c) { return c == ' ' || c == '\t'; }
inline std::string_view SkipBlanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

// The longest start of `rest` that could be a name, with ':' a metric's.
std::string_view TakeName(std::string_view& rest, bool metric);
// "TEXT" without its quotes, its escapes as they stand.
Result<std::string_view> TakeQuoted(std::string_view& rest);
// \\ and \n, and in a label's value \". Text without escapes stays where it is, other goes to
// `store`, whose elements do not move.
Result<std::string_view> Unescape(std::string_view text, bool label,
                                  std::deque<std::string>& store);
// As Go reads it: decimal, inf, infinity and nan in any case; too large is none, too small is 0.
std::optional<double> ParseValue(std::string_view text);
std::optional<Kind> ParseKind(std::string_view text);  // in any case, as in node_exporter

}  // namespace sidecar::host
