#include "common/metrics/output.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

namespace sidecar {
namespace {

constexpr std::uint64_t kLow = 0x0101'0101'0101'0101U;
constexpr std::uint64_t kHigh = 0x8080'8080'8080'8080U;

// Whether one of the eight bytes is `c`.
bool Has(std::uint64_t word, char c) {
  const std::uint64_t x = word ^ (kLow * static_cast<unsigned char>(c));
  return ((x - kLow) & ~x & kHigh) != 0;
}

char* PutEscapedBytes(char* out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\' || c == '\n' || (c == '"' && quotes)) *out++ = '\\';
    *out++ = c == '\n' ? 'n' : c;
  }
  return out;
}

}  // namespace

Output::Output(const Write& write)
    : write_(write), data_(std::make_unique_for_overwrite<char[]>(kPiece)), capacity_(kPiece) {}

void Output::Append(std::string_view text) { Commit(PutText(Reserve(text.size()), text)); }

void Output::Make(std::size_t size) {
  Send();
  if (size <= capacity_) return;
  data_ = std::make_unique_for_overwrite<char[]>(size);
  capacity_ = size;
}

void Output::Send() {
  for (std::size_t at = 0; at < size_ && !failed(); at += kPiece) {
    sent_ = write_({data_.get() + at, std::min(kPiece, size_ - at)});
  }
  size_ = 0;
}

Result<> Output::Finish() {
  Send();
  return std::move(sent_);
}

char* PutText(char* out, std::string_view text) {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* PutNumber(char* out, double value) {
  constexpr double kExact = 9'007'199'254'740'992;  // 2^53
  if (std::fabs(value) < kExact) {
    const auto whole = static_cast<std::int64_t>(value);
    if (static_cast<double>(whole) == value && (whole != 0 || !std::signbit(value))) {
      return std::to_chars(out, out + kNumberSize, whole).ptr;
    }
  } else if (std::isnan(value)) {
    return PutText(out, "NaN");
  } else if (std::isinf(value)) {
    return PutText(out, value > 0 ? "+Inf" : "-Inf");
  }
  return std::to_chars(out, out + kNumberSize, value).ptr;
}

char* PutBound(char* out, double value) {
  if (!std::isfinite(value)) return PutNumber(out, value);
  // %g, as Go has it: 100000.0, but 1e+06.
  char* const end = std::to_chars(out, out + kNumberSize, value, std::chars_format::general).ptr;
  const bool whole = std::none_of(out, end, [](char c) { return c == '.' || c == 'e'; });
  return whole ? PutText(end, ".0") : end;
}

char* PutSeconds(char* out, std::int64_t milliseconds) {
  if (milliseconds < 0) *out++ = '-';
  const std::uint64_t size = milliseconds < 0 ? 0 - static_cast<std::uint64_t>(milliseconds)
                                              : static_cast<std::uint64_t>(milliseconds);
  out = std::to_chars(out, out + kNumberSize, size / 1000).ptr;
  *out++ = '.';
  const std::uint64_t rest = size % 1000;
  for (const std::uint64_t digit : {rest / 100, rest / 10 % 10, rest % 10}) {
    *out++ = static_cast<char>('0' + digit);
  }
  return out;
}

char* PutEscaped(char* out, std::string_view text, bool quotes) {
  // Most strings need no escape: eight bytes at a time are looked at and copied.
  while (text.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    if (Has(word, '\\') || Has(word, '\n') || (quotes && Has(word, '"'))) {
      out = PutEscapedBytes(out, text.substr(0, 8), quotes);
    } else {
      std::memcpy(out, &word, sizeof word);
      out += sizeof word;
    }
    text.remove_prefix(8);
  }
  return PutEscapedBytes(out, text, quotes);
}

}  // namespace sidecar
