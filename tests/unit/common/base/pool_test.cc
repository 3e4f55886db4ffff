#include "common/base/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>

namespace sidecar {
namespace {

TEST(Pool, RefusesWorkWhenAllThreadsAreBusy) {
  std::latch started(2);
  std::latch release(1);
  Pool pool(2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.Run([&] {
      started.count_down();
      release.wait();
    }));
  }
  started.wait();
  EXPECT_EQ(pool.busy(), 2U);
  EXPECT_FALSE(pool.Run([] { FAIL() << "must not run"; }));
  release.count_down();
}

TEST(Pool, UsesAThreadAgain) {
  std::set<std::thread::id> ids;
  Pool pool(8);
  for (int i = 0; i < 20; ++i) {
    std::latch done(1);
    ASSERT_TRUE(pool.Run([&] {
      ids.insert(std::this_thread::get_id());
      done.count_down();
    }));
    done.wait();
    while (pool.busy() != 0) std::this_thread::yield();
  }
  EXPECT_EQ(ids.size(), 1U);
}

TEST(Pool, DestroysWhatTheWorkHeldBeforeTheThreadIsFree) {
  Pool pool(1);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  ASSERT_TRUE(pool.Run([held = std::move(held)] {}));
  while (pool.busy() != 0) std::this_thread::yield();
  EXPECT_TRUE(seen.expired());
}

TEST(Pool, WaitsInItsDestructorForWhatIsRunning) {
  std::atomic<bool> finished = false;
  std::latch started(1);
  {
    Pool pool(1);
    ASSERT_TRUE(pool.Run([&] {
      started.count_down();
      for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
      finished = true;
    }));
    started.wait();
  }
  EXPECT_TRUE(finished);
}

TEST(Pool, RunsAllThatItAcceptedUnderContention) {
  std::atomic<int> accepted = 0;
  std::atomic<int> ran = 0;
  {
    Pool pool(3);
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < 500; ++n) accepted += pool.Run([&] { ++ran; }) ? 1 : 0;
      });
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(ran, accepted);
}

}  // namespace
}  // namespace sidecar
