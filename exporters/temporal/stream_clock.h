#pragma once
// The wall clock, guarded against steps. A stream that believed a clock set ahead would mark time
// as done that has not passed, and count nothing of it, silently. So while the wall clock differs
// from what the monotonic one leads to expect by more than 5 s, the expected time goes on and is
// marked as not trusted: the stream moves nothing by it. After 5 minutes the new time is believed
// (a machine that was suspended, a clock that was wrong before). One thread.
//
//   const StreamTime now = clock.Read(scrape.clock());

#include <cstdint>
#include <optional>

#include "common/base/clock.h"

namespace sidecar::temporal {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kMinuteUs = 60 * kSecondUs;

struct StreamTime {
  std::int64_t us = 0;  // Unix microseconds
  Mono mono{};
  bool trusted = true;
};

// The time at `mono`, as it went on since.
constexpr std::int64_t UsAt(const StreamTime& time, Mono mono) {
  return time.us + std::chrono::duration_cast<std::chrono::microseconds>(mono - time.mono).count();
}

class StreamClock {
 public:
  StreamTime Read(const Clock& clock);

 private:
  struct Reference {
    std::int64_t us;
    Mono mono;
  };
  std::optional<Reference> reference_;
  std::optional<Mono> doubted_since_;
};

}  // namespace sidecar::temporal
