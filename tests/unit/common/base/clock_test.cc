#include "common/base/clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/fake_clock.h"

namespace sidecar {
namespace {

TEST(SystemClock, ReturnsFalseFromAWaitWhoseTimeHasPassed) {
  const auto clock = MakeSystemClock();
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock(mutex);
  EXPECT_FALSE(clock->WaitUntil(lock, changed, clock->mono() - Millis(1)));
  EXPECT_TRUE(lock.owns_lock());
}

TEST(SystemClock, WakesAWaiterThatIsNotified) {
  const auto clock = MakeSystemClock();
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::jthread notifier([&] {
    const std::scoped_lock lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  while (!done && clock->WaitUntil(lock, changed, Mono::max())) {
  }
  EXPECT_TRUE(done);
}

TEST(SystemClock, EndsASleepWhenStopIsAsked) {
  const auto clock = MakeSystemClock();
  for (const Mono at : {Mono::max(), clock->mono() + std::chrono::hours(1)}) {
    std::stop_source stop;
    bool slept = true;
    std::jthread sleeper([&] { slept = clock->SleepUntil(at, stop.get_token()); });
    stop.request_stop();
    sleeper.join();
    EXPECT_FALSE(slept);
  }
}

TEST(SystemClock, SleepsNoLongerOnceTheTimeHasPassed) {
  const auto clock = MakeSystemClock();
  EXPECT_TRUE(clock->SleepUntil(clock->mono() - Millis(1), {}));
}

TEST(FakeClock, StandsUntilItIsMoved) {
  FakeClock clock;
  const Mono mono = clock.mono();
  const Wall wall = clock.wall();
  EXPECT_EQ(clock.mono(), mono);
  clock.Advance(Millis(250));
  EXPECT_EQ(clock.mono() - mono, Millis(250));
  EXPECT_EQ(clock.wall() - wall, Millis(250));
  clock.StepWall(Millis(-1'000));
  EXPECT_EQ(clock.mono() - mono, Millis(250));
  EXPECT_EQ(clock.wall() - wall, Millis(-750));
}

TEST(FakeClock, WakesSleepersWhoseTimeHasComeOnly) {
  FakeClock clock;
  const Mono start = clock.mono();
  std::atomic<int> awake = 0;
  std::stop_source stop;
  std::jthread early([&] { awake += clock.SleepUntil(start + Millis(10), {}) ? 1 : 0; });
  std::jthread late(
      [&] { awake += clock.SleepUntil(start + Millis(20), stop.get_token()) ? 1 : 100; });
  ASSERT_TRUE(clock.AwaitBlocked(2));
  clock.Advance(Millis(10));
  early.join();
  EXPECT_EQ(awake, 1);
  ASSERT_TRUE(clock.AwaitBlockedUntil(start + Millis(20)));
  stop.request_stop();
  late.join();
  EXPECT_EQ(awake, 101);
}

TEST(FakeClock, WakesWaitersOfManyThreadsAcrossManySteps) {
  FakeClock clock;
  constexpr int kThreads = 4;
  constexpr int kSteps = 200;
  std::atomic<int> done = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, end = clock.mono() + Millis(kSteps)] {
      for (Mono at = clock.mono() + Millis(1); at <= end; at += Millis(1)) {
        std::mutex mutex;  // gone right after the wait: Advance must not touch it then
        std::condition_variable changed;
        std::unique_lock lock(mutex);
        while (clock.WaitUntil(lock, changed, at)) {
        }
      }
      ++done;
    });
  }
  for (int i = 0; i < kSteps; ++i) clock.Advance(Millis(1));
  threads.clear();
  EXPECT_EQ(done, kThreads);
}

}  // namespace
}  // namespace sidecar
