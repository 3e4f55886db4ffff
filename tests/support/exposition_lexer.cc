#include "tests/support/exposition_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace sidecar {

bool IsUtf8Text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    std::uint32_t code = at(i);
    std::size_t more = 0;
    if (code >= 0xF8) return false;
    if (code >= 0xF0) {
      more = 3, code &= 0x07U;
    } else if (code >= 0xE0) {
      more = 2, code &= 0x0FU;
    } else if (code >= 0xC0) {
      more = 1, code &= 0x1FU;
    } else if (code >= 0x80) {
      return false;
    }
    if (i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if (at(i + k) >> 6U != 2) return false;
      code = (code << 6U) | (at(i + k) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += more + 1;
  }
  return true;
}

std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6U) != 2; }));
}

bool IsName(std::string_view text, bool colon) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
  };
  const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), rest);
}

Result<double> ParseValue(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return Bad("not a number: " + InQuotes(text));
  }
  return value;
}

Result<std::string> UnescapeHelp(std::string_view text, bool quotes) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quotes && text[i] == '"') return Bad("a quote in HELP is not escaped");
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char next = ++i < text.size() ? text[i] : '\0';
    if (next != '\\' && next != 'n' && !(quotes && next == '"')) return Bad("bad escape in HELP");
    out += next == 'n' ? '\n' : next;
  }
  return out;
}

bool LineCursor::Take(std::string_view what) {
  if (!text_.starts_with(what)) return false;
  text_.remove_prefix(what.size());
  return true;
}

std::string_view LineCursor::Until(std::string_view stops) {
  const std::string_view word = text_.substr(0, text_.find_first_of(stops));
  text_.remove_prefix(word.size());
  return word;
}

Result<ParsedLabels> LineCursor::Labels() {
  ParsedLabels labels;
  while (!Take("}")) {
    if (!labels.empty() && !Take(",")) return Bad("no comma between labels");
    const std::string name(Until("="));
    if (!IsName(name, false) || name == "__name__") return Bad("bad label name " + InQuotes(name));
    for (const auto& label : labels) {
      if (label.first == name) return Bad("label " + name + " twice");
    }
    if (!Take("=\"")) return Bad("no quoted value of label " + name);
    auto value = String();
    if (!value) return Fail(std::move(value.error()));
    labels.emplace_back(name, std::move(*value));
  }
  return labels;
}

Result<std::string> LineCursor::String() {
  std::string value;
  for (;;) {
    if (text_.empty()) return Bad("a label value does not end");
    if (Take("\"")) return value;
    if (Take("\\\\")) {
      value += '\\';
    } else if (Take("\\\"")) {
      value += '"';
    } else if (Take("\\n")) {
      value += '\n';
    } else if (text_[0] == '\\') {
      return Bad("unknown escape in a label value");
    } else {
      value += text_[0];
      text_.remove_prefix(1);
    }
  }
}

}  // namespace sidecar
