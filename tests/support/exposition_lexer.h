#pragma once
// The words of an exposition, for exposition_parser.cc: names, numbers, label sets and escapes,
// read as strictly as the specifications have them. Stateless but for the cursor.
//
//   LineCursor cursor(line);
//   const std::string_view name = cursor.Until("{ ");

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace sidecar {

using ParsedLabels = std::vector<std::pair<std::string, std::string>>;

inline auto Bad(std::string message) { return Fail(Errc::kParse, std::move(message)); }
inline std::string InQuotes(std::string_view text) { return "'" + std::string(text) + "'"; }

bool IsUtf8Text(std::string_view text);
std::size_t Characters(std::string_view utf8);
bool IsName(std::string_view text, bool colon);
Result<double> ParseValue(std::string_view text);
Result<std::string> UnescapeHelp(std::string_view text, bool quotes);

// One line, eaten from the front.
class LineCursor {
 public:
  explicit LineCursor(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  bool Take(std::string_view what);
  std::string_view Until(std::string_view stops);
  std::string_view Rest() { return std::exchange(text_, {}); }
  Result<ParsedLabels> Labels();  // after the opening brace

 private:
  Result<std::string> String();  // after the opening quote

  std::string_view text_;
};

}  // namespace sidecar
