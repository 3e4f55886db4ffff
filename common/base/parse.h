#pragma once
// Text in pieces, without allocation or locale. Pure functions on views; the views borrow.
//
//   while (auto line = NextLine(text)) {
//     const auto key = NextField(*line);
//     const auto value = ParseNumber<double>(NextField(*line));
//     if (!value) return Fail(Errc::kParse, "not a number in " + Quoted(*line));

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace sidecar {

// Takes the next line off `rest` (without its newline); nothing when `rest` is empty.
inline std::optional<std::string_view> NextLine(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

// Takes the next field, separated by blanks and tabs, off `rest`; empty when there is none.
inline std::string_view NextField(std::string_view& rest) {
  std::size_t begin = 0;
  while (begin < rest.size() && (rest[begin] == ' ' || rest[begin] == '\t')) ++begin;
  std::size_t end = begin;
  while (end < rest.size() && rest[end] != ' ' && rest[end] != '\t') ++end;
  const std::string_view field = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return field;
}

// The whole text as a number, or nothing: no sign for unsigned, no blanks, no overflow.
template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

// Bytes from outside for an error message: in single quotes, at most 80 of them, what is not
// printable ASCII as \xHH, so that the message is UTF-8, one line, and short.
inline std::string Quoted(std::string_view bytes) {
  constexpr std::size_t kShown = 80;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "'";
  for (const char c : bytes.substr(0, kShown)) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xfU]};
    }
  }
  if (bytes.size() > kShown) text += "...";
  return text += "'";
}

}  // namespace sidecar
