#include "common/metrics/utf8.h"

#include <cstdint>
#include <cstring>

namespace sidecar {
namespace {

constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080U;

std::uint64_t Load8(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool Continues(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

// The length of the character that `text` starts with, 0 if that is not one. Overlong forms,
// surrogates and what lies beyond U+10FFFF are none.
std::size_t CharacterSize(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!Continues(byte(i))) return 0;
  }
  const unsigned char second = byte(1);
  const bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                   (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return bad ? 0 : size;
}

bool IsAscii(std::string_view text) {
  if (text.size() < 8) {
    unsigned char all = 0;
    for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
    return all < 0x80;
  }
  std::uint64_t all = Load8(text.data() + text.size() - 8);
  for (std::size_t i = 0; i + 8 <= text.size(); i += 8) all |= Load8(text.data() + i);
  return (all & kHighBits) == 0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  if (IsAscii(text)) return true;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string ToUtf8(std::string_view text) {
  std::string valid;
  bool replaced = false;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    if (size != 0) {
      valid.append(text.substr(0, size));
    } else if (!replaced) {
      valid.append("\xEF\xBF\xBD");
    }
    replaced = size == 0;
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return valid;
}

std::string EscapeInvalid(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string valid;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    if (size != 0) {
      valid.append(text.substr(0, size));
    } else {
      const auto byte = static_cast<unsigned char>(text.front());
      valid.append("\\x").append({kHex[byte / 16], kHex[byte % 16]});
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return valid;
}

std::size_t CodePoints(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += Continues(static_cast<unsigned char>(c)) ? 0 : 1;
  return count;
}

}  // namespace sidecar
