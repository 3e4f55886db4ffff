#include "exporters/host/exposition_lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace sidecar::host {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsWord(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, Lower);
}

bool NameByte(char c, bool metric) {
  return (Lower(c) >= 'a' && Lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         (metric && c == ':');
}

}  // namespace

std::string_view TakeName(std::string_view& rest, bool metric) {
  std::size_t size = 0;
  while (size < rest.size() && NameByte(rest[size], metric)) ++size;
  const std::string_view name = rest.substr(0, size);
  rest.remove_prefix(size);
  return name;
}

Result<std::string_view> TakeQuoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return Fail(Errc::kParse, "no \" before a label value");
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      const std::string_view text = rest.substr(1, i - 1);
      rest.remove_prefix(i + 1);
      return text;
    }
  }
  return Fail(Errc::kParse, "no \" after a label value");
}

Result<std::string_view> Unescape(std::string_view text, bool label,
                                  std::deque<std::string>& store) {
  if (text.find('\\') == std::string_view::npos) return text;
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char next = ++i < text.size() ? text[i] : '\0';
    if (next != '\\' && next != 'n' && !(label && next == '"')) {
      return Fail(Errc::kParse, "not an escape sequence");
    }
    plain += next == 'n' ? '\n' : next;
  }
  return store.emplace_back(std::move(plain));
}

std::optional<double> ParseValue(std::string_view text) {
  if (IsWord(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  const bool negative = text.starts_with('-');
  std::string_view number = text;
  if (negative || number.starts_with('+')) number.remove_prefix(1);
  if (IsWord(number, "inf") || IsWord(number, "infinity")) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return negative ? -kInfinity : kInfinity;
  }
  // from_chars knows more words and a sign of its own.
  if (number.empty() || (number[0] != '.' && (number[0] < '0' || number[0] > '9'))) return {};
  double value = 0;
  const char* const end = number.data() + number.size();
  const auto [stopped, error] = std::from_chars(number.data(), end, value);
  if (stopped != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(number).c_str(), nullptr);  // tells too small from too large
    if (std::isinf(value)) return std::nullopt;
  }
  return negative ? -value : value;
}

std::optional<Kind> ParseKind(std::string_view text) {
  constexpr std::pair<std::string_view, Kind> kKinds[] = {{"counter", Kind::kCounter},
                                                          {"gauge", Kind::kGauge},
                                                          {"untyped", Kind::kUnknown},
                                                          {"histogram", Kind::kHistogram},
                                                          {"summary", Kind::kSummary}};
  for (const auto& [word, kind] : kKinds) {
    if (IsWord(text, word)) return kind;
  }
  return std::nullopt;
}

}  // namespace sidecar::host
