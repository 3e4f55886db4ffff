#pragma once
// A clock that stands until the test moves it. Advance wakes who sleeps or waits for a time that
// has come. Thread-safe; outlive it with nothing that waits on it.
//
//   FakeClock clock;
//   std::jthread waiter([&] { engine.Gather({.timeout = Millis(500)}); });
//   ASSERT_TRUE(clock.AwaitBlocked(1));   // it waits now
//   clock.Advance(Millis(500));           // and now it does not

#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>

#include "common/base/clock.h"

namespace sidecar {

class FakeClock final : public Clock {
 public:
  // Not zero, so that code that subtracts stays positive. The wall clock shows 2026-01-01.
  explicit FakeClock(Mono mono = Mono(std::chrono::hours(1)),
                     Wall wall = Wall(std::chrono::seconds(1'767'225'600)));

  Mono mono() const override;
  Wall wall() const override;
  bool SleepUntil(Mono at, std::stop_token stop) const override;
  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 Mono at) const override;

  void Advance(Millis by);
  void StepWall(Millis by);  // an administrator sets the clock: mono() does not move
  // Until at least so many threads wait for a time to come (those that wait for ever, and those
  // that an Advance has woken, do not count). False after 30 real seconds: the test has failed.
  [[nodiscard]] bool AwaitBlocked(std::size_t threads) const;
  // That nobody does cannot be waited for: true if they came within so much real time.
  [[nodiscard]] bool AwaitBlockedFor(std::size_t threads, Millis real) const;
  // The same for waits that end exactly at `at`.
  [[nodiscard]] bool AwaitBlockedUntil(Mono at, std::size_t threads = 1) const;

 private:
  struct Waiter {
    std::mutex* mutex;
    std::condition_variable* changed;
    Mono at;
    int pins = 0;  // Advance is about to notify: `mutex` and `changed` must live on
  };

  template <class Counts>
  bool Await(std::size_t threads, Millis real, Counts counts) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable registered_, unpinned_;
  mutable std::list<Waiter> waiters_;
  Mono mono_;
  Wall wall_;
};

}  // namespace sidecar
