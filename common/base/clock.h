#pragma once
// The time, injected. Thread-safe. A test's FakeClock wakes its sleepers when the test moves it, so
// no test sleeps.
//
//   while (!done && clock.WaitUntil(lock, changed, deadline)) {}

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>

namespace sidecar {

using Millis = std::chrono::milliseconds;
using Mono = std::chrono::steady_clock::time_point;
using Wall = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Mono mono() const = 0;
  virtual Wall wall() const = 0;
  // False if stopped before `at`.
  virtual bool SleepUntil(Mono at, std::stop_token stop) const = 0;
  // Waits for a notification of `changed`; false once `at` has passed. May return early, so loop on
  // the condition. Mono::max() waits for ever.
  virtual bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                         Mono at) const = 0;
};

std::unique_ptr<Clock> MakeSystemClock();

}  // namespace sidecar
