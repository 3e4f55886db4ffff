#include "exporters/temporal/call_budget.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <future>

#include "tests/support/fake_clock.h"

namespace sidecar::temporal {
namespace {

class CallBudgetTest : public testing::Test {
 protected:
  Scrape WithTime(Millis time) { return {clock_, clock_.mono() + time, stop_.get_token(), 1}; }
  bool Take(const std::string& name = "a", Bucket bucket = Bucket::kVisibility,
            Millis time = Millis(0)) {
    return budget_.Take(WithTime(time), bucket, name).has_value();
  }
  int TakeAll(const std::string& name = "a", Bucket bucket = Bucket::kVisibility) {
    int taken = 0;
    while (taken < 1'000 && Take(name, bucket)) ++taken;
    return taken;
  }
  double Value(const std::string& metric) {
    double sum = 0;
    for (const auto& family : registry_.Collect()) {
      if (family.name != metric) continue;
      for (const auto& one : family.metric) sum += one.counter.value + one.gauge.value;
    }
    return sum;
  }

  FakeClock clock_;
  std::stop_source stop_;
  prometheus::Registry registry_;
  CallBudget budget_{{.visibility = {2, 4}, .execution = {20, 20}, .total = {50, 50}},
                     std::make_shared<RpcMetrics>(registry_)};
};

TEST_F(CallBudgetTest, BurstPassesAtOnceAndThenTwoASecond) {
  EXPECT_EQ(TakeAll(), 4);
  clock_.Advance(Millis(499));
  EXPECT_EQ(TakeAll(), 0);
  clock_.Advance(Millis(1));
  EXPECT_EQ(TakeAll(), 1);
  clock_.Advance(Millis(60'000));
  EXPECT_EQ(TakeAll(), 4);
  EXPECT_EQ(Value("temporal_exporter_rate_budget_used_total"), 9 + 9) << "and of all calls";
}

TEST_F(CallBudgetTest, EveryNamespaceHasItsOwn) {
  EXPECT_EQ(TakeAll("a"), 4);
  EXPECT_EQ(TakeAll("b"), 4);
  EXPECT_EQ(TakeAll("a", Bucket::kExecution), 20);
}

TEST_F(CallBudgetTest, AllTogetherAreBoundToo) {
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += TakeAll("ns" + std::to_string(i));
  EXPECT_EQ(taken, 50);
}

TEST_F(CallBudgetTest, WaitsForItsTurnWhileThereIsTime) {
  EXPECT_EQ(TakeAll(), 4);
  auto waits =
      std::async(std::launch::async, [&] { return Take("a", Bucket::kVisibility, Millis(1'000)); });
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  clock_.Advance(Millis(500));
  EXPECT_TRUE(waits.get());
  EXPECT_DOUBLE_EQ(Value("temporal_exporter_rate_budget_wait_seconds_total"), 0.5 + 0.5);
}

TEST_F(CallBudgetTest, RefusedCallTakesNothing) {
  EXPECT_EQ(TakeAll(), 4);
  for (int i = 0; i < 10; ++i) {
    const auto turn = budget_.Take(WithTime(Millis(499)), Bucket::kVisibility, "a");
    ASSERT_FALSE(turn);
    EXPECT_EQ(turn.error().code, Errc::kLimit);
  }
  clock_.Advance(Millis(500));
  EXPECT_TRUE(Take());
  EXPECT_EQ(Value("temporal_exporter_rate_budget_refused_total"), 11);  // and TakeAll's last
}

TEST_F(CallBudgetTest, StopEndsTheWait) {
  EXPECT_EQ(TakeAll(), 4);
  auto waits = std::async(std::launch::async, [&] {
    return budget_.Take(WithTime(Millis(60'000)), Bucket::kVisibility, "a");
  });
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  stop_.request_stop();
  const auto turn = waits.get();
  ASSERT_FALSE(turn);
  EXPECT_EQ(turn.error().code, Errc::kTimeout);
}

TEST_F(CallBudgetTest, ThrottlingPausesAndHalvesTheRate) {
  budget_.Throttled(Bucket::kVisibility, "a", clock_.mono());
  EXPECT_EQ(TakeAll(), 0);
  EXPECT_EQ(TakeAll("b"), 4) << "another namespace is not concerned";
  clock_.Advance(Millis(1'250));  // a second, and a quarter of jitter at most
  EXPECT_EQ(TakeAll(), 1);
  clock_.Advance(Millis(999));
  EXPECT_LE(TakeAll(), 1);
  EXPECT_DOUBLE_EQ(Value("temporal_exporter_rate_budget_calls_per_second"), 1 + 2 + 50);
}

TEST_F(CallBudgetTest, RepeatedThrottlingPausesLongerUpToAMinuteAndATenthOfTheRate) {
  for (int i = 0; i < 50; ++i) budget_.Throttled(Bucket::kVisibility, "a", clock_.mono());
  clock_.Advance(Millis(59'000));
  EXPECT_EQ(TakeAll(), 0);
  clock_.Advance(Millis(16'000));
  EXPECT_EQ(TakeAll(), 1);
  clock_.Advance(Millis(5'000));
  EXPECT_EQ(TakeAll(), 1) << "a tenth of two a second";
}

TEST_F(CallBudgetTest, SixtyAnswersRestoreTheRate) {
  for (int i = 0; i < 10; ++i) budget_.Throttled(Bucket::kVisibility, "a", clock_.mono());
  for (int i = 0; i < 59; ++i) budget_.Answered(Bucket::kVisibility, "a");
  EXPECT_LT(Value("temporal_exporter_rate_budget_calls_per_second"), 2);
  for (int i = 0; i < 2; ++i) budget_.Answered(Bucket::kVisibility, "a");
  EXPECT_DOUBLE_EQ(Value("temporal_exporter_rate_budget_calls_per_second"), 2);
  budget_.Throttled(Bucket::kVisibility, "b", clock_.mono());
  clock_.Advance(Millis(1'250));
  EXPECT_EQ(TakeAll("b"), 1) << "a first strike pauses a second again";
}

}  // namespace
}  // namespace sidecar::temporal
