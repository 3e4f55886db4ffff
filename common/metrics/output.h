#pragma once
// Bytes on their way to a peer, in pieces of 64 KiB at most, and how both formats spell numbers and
// strings. For the encoders only; one thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/metrics/encoder.h"

namespace sidecar {

inline constexpr std::size_t kPiece = 64U << 10U;
inline constexpr std::size_t kNumberSize = 32;  // the longest double has 24 characters

class Output {
 public:
  explicit Output(const Write& write);

  // Room for `size` more; sends what is there if it does not fit.
  char* Reserve(std::size_t size) {
    if (capacity_ - size_ < size) Make(size);
    return data_.get() + size_;
  }
  void Commit(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }
  void Append(std::string_view text);
  // The peer has left: nothing more is sent, and there is no need to go on.
  bool failed() const { return !sent_.has_value(); }
  Result<> Finish();  // sends the rest

 private:
  void Make(std::size_t size);
  void Send();

  const Write& write_;
  Result<> sent_;
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

char* PutText(char* out, std::string_view text);
// The shortest form that reads back bit for bit; whole numbers without an exponent.
char* PutNumber(char* out, double value);
// As OpenMetrics wants le and quantile: "1.0", not "1".
char* PutBound(char* out, double value);
char* PutSeconds(char* out, std::int64_t milliseconds);
// A backslash before backslash, newline (as n) and, if asked for, quote. At most twice the size.
char* PutEscaped(char* out, std::string_view text, bool quotes = true);

}  // namespace sidecar
