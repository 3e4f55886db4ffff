#include "common/config/values.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <utility>
#include <vector>

#include "common/base/parse.h"

namespace sidecar::config {
namespace {

using Unit = std::pair<std::string_view, std::int64_t>;
constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::int64_t kLongestMs = 36'500LL * 86'400'000LL;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsBare(char c) { return IsDigit(c) || IsAlpha(c) || c == '_' || c == '-'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

// Optimal string alignment: insert, delete, replace, swap of neighbours.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

// Length of the UTF-8 sequence that begins `text`, or 0 when it is none (overlong, surrogate, cut).
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  unsigned low = 0x80, high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  return length;
}

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  std::int64_t total = 0;
  std::int64_t previous = std::numeric_limits<std::int64_t>::max();
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t digits = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), IsDigit) - text.begin());
    const auto count = ParseNumber<std::int64_t>(text.substr(0, digits));
    text.remove_prefix(digits);
    const std::size_t letters = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), IsAlpha) - text.begin());
    const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& known) {
      return known.first == text.substr(0, letters);
    });
    text.remove_prefix(letters);
    if (!count || unit == kUnits.end() || unit->second >= previous) return std::nullopt;
    if (*count > (kLongestMs - total) / unit->second) return std::nullopt;
    total += *count * unit->second;
    previous = unit->second;
  }
  return std::chrono::milliseconds(total);
}

std::string FormatDuration(std::chrono::milliseconds value) {
  std::int64_t rest = value.count();
  if (rest <= 0) return "0s";
  std::string text;
  for (const auto& [unit, size] : kUnits) {
    if (rest >= size) text += std::to_string(rest / size) + std::string(unit);
    rest %= size;
  }
  return text;
}

std::string TomlString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04X", static_cast<unsigned>(byte));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string TomlNumber(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  std::string number(text, error == std::errc{} ? end : text);
  if (number.find_first_of(".en") == std::string::npos) number += ".0";
  return number;
}

std::string TomlKey(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), IsBare);
  return bare ? std::string(key) : TomlString(key);
}

std::string EnvironmentName(std::string_view path) {
  std::string name = "SIDECAR_";
  for (const char c : path) {
    const bool lower = c >= 'a' && c <= 'z';
    name += lower ? static_cast<char>(c - 'a' + 'A') : c == '.' || c == '-' ? '_' : c;
  }
  return name;
}

std::string Nearest(std::string_view word, std::span<const std::string> names) {
  constexpr std::size_t kLongest = 100;  // the distance is quadratic, and the word anybody's
  if (word.size() > kLongest) return {};
  const std::size_t allowed = std::max<std::size_t>(2, word.size() / 3);
  std::string nearest;
  std::size_t best = allowed + 1;
  for (const std::string& name : names) {
    if (name.size() > word.size() + allowed || word.size() > name.size() + allowed) continue;
    const std::size_t distance = EditDistance(Lowered(word), Lowered(name));
    // Two changes in a word of three letters suggest nothing.
    if (distance < best && distance * 2 <= std::max(name.size(), word.size())) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view word, std::span<const std::string> names,
                       std::string_view open, std::string_view close) {
  const std::string nearest = Nearest(word, names);
  if (nearest.empty()) return {};
  return std::string("; did you mean ").append(open).append(nearest).append(close) + '?';
}

std::string Printable(std::string_view text) {
  std::string printable;
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    // C1 controls (U+0080 to U+009F) move a terminal's cursor just as C0 do.
    const bool control =
        first < 0x20 || first == 0x7F ||
        (first == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (length == 0 || (control && first != '\t')) {
      printable += '?';
    } else {
      printable += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return printable;
}

std::size_t FindInvalidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = Utf8Length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace sidecar::config
