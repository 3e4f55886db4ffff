#pragma once
// Protobuf's times as nanoseconds. Pure.
//
//   run.start_ns = UnixNanos(row.start_time());

#include <algorithm>
#include <cstdint>

#include "google/protobuf/well_known.pb.h"

namespace sidecar::temporal {

// 292 years, as many as 64 bits hold.
inline constexpr std::int64_t kMostSeconds = 9'223'372'035;

// 0 for what is before 1970: Go's zero time stands for "none".
inline std::int64_t UnixNanos(const google::protobuf::Timestamp& time) {
  if (time.seconds() < 0 || time.seconds() > kMostSeconds) return 0;
  return time.seconds() * 1'000'000'000 + std::clamp(time.nanos(), 0, 999'999'999);
}

// Negative when the seconds or the nanos are; cut at 292 years.
inline std::int64_t Nanos(const google::protobuf::Duration& duration) {
  const std::int64_t seconds = std::clamp(duration.seconds(), -kMostSeconds, kMostSeconds);
  return seconds * 1'000'000'000 + std::clamp(duration.nanos(), -999'999'999, 999'999'999);
}

}  // namespace sidecar::temporal
