#include "exporters/temporal/stream_clock.h"

#include <cstdlib>

namespace sidecar::temporal {
namespace {

constexpr std::int64_t kStepUs = 5 * kSecondUs;
constexpr std::chrono::minutes kDoubt{5};

template <class Duration>
std::int64_t Micros(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

StreamTime StreamClock::Read(const Clock& clock) {
  const Mono mono = clock.mono();
  const std::int64_t wall = Micros(clock.wall().time_since_epoch());
  const std::int64_t expected =
      reference_ ? reference_->us + Micros(mono - reference_->mono) : wall;
  const bool agrees = std::llabs(wall - expected) <= kStepUs;
  if (!agrees && !doubted_since_) doubted_since_ = mono;
  if (!agrees && mono - *doubted_since_ < kDoubt) return {expected, mono, false};
  reference_ = {wall, mono};
  doubted_since_.reset();
  return {wall, mono, true};
}

}  // namespace sidecar::temporal
