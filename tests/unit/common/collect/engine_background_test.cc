#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

const Schedule kMinute{.interval = Millis(60'000)};
constexpr Millis kInterval{60'000};

// Gives the number of its run.
struct Counting {
  std::atomic<int> runs = 0;
  CollectFn fn(const std::string& name) {
    return [this, name](const Scrape&, Sink& sink) {
      PutValue(sink, name, ++runs);
      return Result<>();
    };
  }
};

// Until the run of `runs` has ended and the keeper waits for the next.
void AwaitRuns(EngineHarness& h, const std::string& name, const std::atomic<int>& runs, int times) {
  AwaitTrue([&] { return runs >= times; });
  h.AwaitState(name, "idle");
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
}

std::string Age(const std::string& name, const std::string& age) {
  return "sidecar_collector_age_seconds{exporter=\"host\",collector=\"" + name + "\"} " + age +
         "\n";
}

TEST(EngineBackground, RunsSoonAndServesTheLastResultWithItsAge) {
  EngineHarness h;
  Counting counting;
  h.Swap(Collects("b", counting.fn("b"), kMinute), Collects("z", Gives("z", 1)));
  AwaitRuns(h, "b", counting.runs, 1);
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("b_value 1\n"), HasSubstr(Age("b", "0")),
                                HasSubstr(Success("b", true)), Not(HasSubstr(Age("z", "0")))));
  h.clock.Advance(Millis(42'000));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("b_value 1\n"), HasSubstr(Age("b", "42"))));
  EXPECT_THAT(h.Gather({.collect = {"b"}}), HasSubstr("b_value 1\n"));
  h.clock.Advance(Millis(18'000));
  AwaitRuns(h, "b", counting.runs, 2);
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("b_value 2\n"), HasSubstr(Age("b", "0"))));
  EXPECT_EQ(counting.runs, 2);
  EXPECT_EQ(h.StatusOf("b").interval_seconds, 60);
}

TEST(EngineBackground, KeepsItsRhythmAndPilesNothingUp) {
  EngineHarness h;
  Counting counting;
  h.Swap(Collects("b", counting.fn("b"), kMinute));
  AwaitRuns(h, "b", counting.runs, 1);
  const Mono start = h.clock.mono();
  h.clock.Advance(5 * kInterval + Millis(10'000));  // the machine slept
  AwaitRuns(h, "b", counting.runs, 2);
  h.clock.Advance(std::chrono::duration_cast<Millis>(start + 6 * kInterval - h.clock.mono()) -
                  Millis(1'000));
  AwaitRuns(h, "b", counting.runs, 2);
  EXPECT_EQ(counting.runs, 2);
  h.clock.Advance(Millis(1'000));  // on the beat, not ten seconds late
  AwaitRuns(h, "b", counting.runs, 3);
}

// "a" every minute from now on, "b" from 400 ms later.
void RunBoth(EngineHarness& h, Counting& a, Counting& b, const Schedule& schedule) {
  h.Swap(Collects("a", a.fn("a"), kMinute));
  AwaitRuns(h, "a", a.runs, 1);
  h.clock.Advance(Millis(400));
  h.Swap(Collects("a", a.fn("a"), kMinute), Collects("b", b.fn("b"), schedule));
  AwaitRuns(h, "b", b.runs, 1);
}

TEST(EngineBackground, StartsWhatIsDueInAMomentWithWhatIsDueNow) {
  EngineHarness h;
  Counting first, second, third;
  const Mono start = h.clock.mono();
  RunBoth(h, first, second, kMinute);
  h.clock.Advance(Millis(400));
  h.Swap(Collects("a", first.fn("a"), kMinute), Collects("b", second.fn("b"), kMinute),
         Collects("c", third.fn("c"), kMinute));
  AwaitRuns(h, "c", third.runs, 1);
  for (int minute = 1; minute <= 3; ++minute) {
    h.clock.Advance(
        std::chrono::duration_cast<Millis>(start + minute * kInterval - h.clock.mono()));
    AwaitRuns(h, "a", first.runs, minute + 1);
    AwaitRuns(h, "b", second.runs, minute + 1);
    // What is due later than that has its own time, and nobody's moves.
    ASSERT_TRUE(h.clock.AwaitBlockedUntil(start + minute * kInterval + Millis(800)));
    EXPECT_EQ(third.runs, minute);
    h.clock.Advance(Millis(800));
    AwaitRuns(h, "c", third.runs, minute + 1);
  }
  EXPECT_EQ(first.runs, 4);
  EXPECT_EQ(second.runs, 4);
}

TEST(EngineBackground, StartsNothingEarlyThatMayNotGrowOlderThanItsInterval) {
  EngineHarness h;
  Counting first, second;
  Schedule exact = kMinute;
  exact.max_age = kInterval;
  const Mono start = h.clock.mono();
  RunBoth(h, first, second, exact);
  h.clock.Advance(kInterval - Millis(400));
  AwaitRuns(h, "a", first.runs, 2);
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(start + kInterval + Millis(400)));
  EXPECT_EQ(second.runs, 1);
  h.clock.Advance(Millis(400));
  AwaitRuns(h, "b", second.runs, 2);
}

TEST(EngineBackground, IsAbsentPastItsMaxAge) {
  EngineHarness h;
  Gate gate;
  gate.Open();
  h.Swap(Collects("b",
                  [&](const Scrape&, Sink& sink) {
                    gate.Pass();
                    PutValue(sink, "b", 1);
                    return Result<>();
                  },
                  {.interval = kInterval, .timeout = Millis(500'000), .max_age = Millis(90'000)}));
  gate.AwaitEntered(1);
  h.AwaitState("b", "idle");
  gate.Shut();
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(kInterval);
  gate.AwaitEntered(2);  // in flight, for long
  h.clock.Advance(Millis(30'000));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Age("b", "90")), HasSubstr("b_value 1\n")));
  h.clock.Advance(Millis(1'000));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("b", false)), Not(HasSubstr("b_value")),
                                Not(HasSubstr("age_seconds"))));
  EXPECT_EQ(h.Errors("b", "timeout"), 1);
  gate.Open();
}

TEST(EngineBackground, IsServedForThreeIntervalsWhenItsRunsFail) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  h.Swap(Collects(
      "b",
      [&](const Scrape&, Sink& sink) -> Result<> {
        if (++runs > 1) return Fail(Errc::kUnavailable, "down");
        PutValue(sink, "b", 1);
        return {};
      },
      kMinute));
  AwaitRuns(h, "b", runs, 1);
  for (int i = 2; i <= 4; ++i) {
    h.clock.Advance(kInterval);
    AwaitRuns(h, "b", runs, i);
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr("b_value 1\n"), HasSubstr(Success("b", false))));
  }
  EXPECT_EQ(h.Errors("b", "unavailable"), 3);
  h.clock.Advance(Millis(1'000));
  EXPECT_THAT(h.Gather(), AllOf(Not(HasSubstr("b_value")), HasSubstr(Success("b", false))));
  EXPECT_EQ(h.Errors("b", "unavailable"), 4);
}

TEST(EngineBackground, IsTriedAgainSoonWhileItsSourceIsAway) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  std::atomic<Errc> reason = Errc::kUnavailable;
  h.Swap(Collects(
      "b",
      [&](const Scrape&, Sink& sink) -> Result<> {
        if (++runs == 1 || runs > 3) return Fail(reason, "down");
        PutValue(sink, "b", 1);
        return {};
      },
      kMinute));
  AwaitRuns(h, "b", runs, 1);
  h.clock.Advance(kInterval / 10);
  AwaitRuns(h, "b", runs, 2);
  EXPECT_THAT(h.Gather(), HasSubstr(Success("b", true)));
  h.clock.Advance(kInterval - Millis(1'000));
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  EXPECT_EQ(runs, 2) << "its own interval again";
  h.clock.Advance(Millis(1'000));
  AwaitRuns(h, "b", runs, 3);
  reason = Errc::kParse;
  h.clock.Advance(kInterval);
  AwaitRuns(h, "b", runs, 4);
  h.clock.Advance(kInterval - Millis(1'000));
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  EXPECT_EQ(runs, 4) << "what is wrong stays wrong";
}

TEST(EngineBackground, DoesNotKeepAScrapeWaitingForItsFirstRunUnlessAsked) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects(
      "b",
      [&](const Scrape&, Sink& sink) {
        gate.Pass();
        PutValue(sink, "b", 1);
        return Result<>();
      },
      kMinute));
  gate.AwaitEntered(1);
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("b", false)), Not(HasSubstr("b_value"))));
  EXPECT_EQ(h.Errors("b", "timeout"), 0) << "it has not failed, it has just begun";
  auto once = h.GatherLater({.wait_for_background = true});
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  gate.Open();
  EXPECT_THAT(once.get(), AllOf(HasSubstr("b_value 1\n"), HasSubstr(Success("b", true)),
                                HasSubstr(Age("b", "0"))));
  EXPECT_EQ(gate.entered(), 1);
}

TEST(EngineBackground, HasItsOwnTimeoutWhereItIsWaitedFor) {
  EngineHarness h;
  h.Swap(Collects("slow",
                  [&](const Scrape& scrape, Sink& sink) -> Result<> {
                    h.clock.Advance(Millis(22'000));
                    if (scrape.LeftMs() == 0) return Fail(Errc::kTimeout, "too slow");
                    PutValue(sink, "slow", 1);
                    return {};
                  },
                  {.interval = Millis(600'000), .timeout = Millis(40'000)}));
  EXPECT_THAT(h.Gather({.wait_for_background = true}), HasSubstr("slow_value 1\n"));
}

TEST(EngineBackground, IsLeftBehindByTheKeeperWhenItHangs) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects(
             "b",
             [&](const Scrape&, Sink&) {
               gate.Pass();
               return Result<>();
             },
             kMinute),
         Collects("z", Gives("z", 1)));
  gate.AwaitEntered(1);
  const Mono deadline = h.clock.mono() + Millis(5'000);
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline));
  h.clock.Advance(Millis(5'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline + kGrace));
  h.clock.Advance(kGrace);
  h.AwaitState("b", "left behind");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(h.clock.AwaitBlocked(1));
    h.clock.Advance(kInterval);
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr("z_value 1\n"), HasSubstr(Success("b", false))));
  }
  EXPECT_EQ(gate.entered(), 1);
  gate.Open();
  h.AwaitState("b", "idle");
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(kInterval);
  gate.AwaitEntered(2);
  h.AwaitState("b", "idle");
  EXPECT_THAT(h.Gather(), HasSubstr(Success("b", true)));
}

TEST(EngineBackground, RunsTasksOnTheirIntervalAndCountsTheirErrors) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  Plan plan;
  plan.tasks.push_back({"follow",
                        {.interval = Millis(15'000), .lane = "streams"},
                        std::make_unique<FnTask>([&](const Scrape& scrape) -> Result<> {
                          EXPECT_EQ(scrape.LeftMs(), 5'000);
                          if (++runs == 2) return Fail(Errc::kDenied, "no");
                          return {};
                        })});
  h.engine->Swap(std::move(plan));
  for (int i = 1; i <= 4; ++i) {
    AwaitRuns(h, "follow", runs, i);
    h.clock.Advance(Millis(15'000));
  }
  EXPECT_EQ(h.Errors("follow", "denied"), 1);
  EXPECT_TRUE(h.StatusOf("follow").task);
  EXPECT_THAT(h.Gather(), Not(HasSubstr("success{")));
  AwaitRuns(h, "follow", runs, 5);
}

TEST(EngineBackground, LeavesATaskAloneUntilItHasSomethingToDoUnlessItFailed) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  const Mono begin = h.clock.mono();
  Plan plan;
  plan.tasks.push_back(
      {"follow",
       {.interval = Millis(1'000), .lane = "streams"},
       std::make_unique<FnTask>(
           [&](const Scrape&) -> Result<> {
             if (++runs == 2) return Fail(Errc::kUnavailable, "no");
             return {};
           },
           [&] { return runs == 1 ? begin + Millis(3'500) : begin + Millis(60'000); })});
  h.engine->Swap(std::move(plan));
  AwaitRuns(h, "follow", runs, 1);
  for (int second = 1; second <= 3; ++second) {
    ASSERT_TRUE(h.clock.AwaitBlocked(1));
    h.clock.Advance(Millis(1'000));
    ASSERT_TRUE(h.clock.AwaitBlocked(1));
    EXPECT_EQ(runs, 1) << second;
  }
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(begin + Millis(3'500))) << "nobody wakes before";
  h.clock.Advance(Millis(500));
  AwaitRuns(h, "follow", runs, 2);
  h.clock.Advance(Millis(1'000));
  AwaitRuns(h, "follow", runs, 3);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(50'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(begin + Millis(60'000)));
  EXPECT_EQ(runs, 3);
}

TEST(EngineBackground, AsksATaskWhetherItStillRestsBeforeItsThreadIsWoken) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  const Mono begin = h.clock.mono();
  Plan plan;
  plan.tasks.push_back({"follow",
                        {.interval = Millis(1'000), .lane = "streams"},
                        std::make_unique<FnTask>(
                            [&](const Scrape&) -> Result<> {
                              ++runs;
                              return {};
                            },
                            [&] { return begin + Millis(10'000); },
                            [&] { return begin + Millis(25'000); })});  // others did its work
  h.engine->Swap(std::move(plan));
  AwaitRuns(h, "follow", runs, 1);
  h.clock.Advance(Millis(10'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(begin + Millis(25'000)));
  EXPECT_EQ(runs, 1);
  h.clock.Advance(Millis(15'000));
  AwaitRuns(h, "follow", runs, 2);
}

TEST(EngineBackground, RestsNoLongerOnceATaskWasStopped) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  const Mono begin = h.clock.mono();
  Plan plan;
  plan.tasks.push_back({"follow",
                        {.interval = Millis(1'000), .timeout = Millis(500), .lane = "streams"},
                        std::make_unique<FnTask>(
                            [&](const Scrape& scrape) -> Result<> {
                              if (++runs == 2) {
                                h.clock.SleepUntil(begin + Millis(3'600'000), scrape.stop());
                              }
                              return {};
                            },
                            [&] { return begin + Millis(runs == 1 ? 10'000 : 900'000); },
                            [&] { return begin + Millis(runs == 1 ? 10'000 : 900'000); })});
  h.engine->Swap(std::move(plan));
  AwaitRuns(h, "follow", runs, 1);
  h.clock.Advance(Millis(10'000));
  AwaitTrue([&] { return runs == 2; });
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(begin + Millis(10'500)));  // who looks after it
  h.clock.Advance(Millis(500));
  h.AwaitState("follow", "idle");
  EXPECT_EQ(h.Errors("follow", "timeout"), 1);
  h.clock.Advance(Millis(500));
  AwaitRuns(h, "follow", runs, 3);
}

TEST(EngineBackground, StartsNoKeeperForForegroundMembers) {
  EngineHarness h;
  h.Swap(Collects("z", Gives("z", 1)));
  for (int i = 0; i < 3; ++i) h.Gather();
  h.clock.Advance(kInterval);
  EXPECT_FALSE(h.clock.AwaitBlockedFor(1, Millis(50)));
}

}  // namespace
}  // namespace sidecar
