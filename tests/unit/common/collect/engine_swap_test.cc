#include <filesystem>

#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

const Schedule kMinute{.interval = Millis(60'000)};
const Schedule kSecond{.timeout = Millis(1'000)};

// Counts how many are inside at once, and the most there were.
struct Inside {
  std::atomic<int> now = 0, most = 0, entries = 0;
  CollectFn fn(Gate* gate) {
    return [this, gate](const Scrape&, Sink& sink) {
      const int inside = ++now;
      if (inside > most) most = inside;
      ++entries;
      if (gate != nullptr) gate->Pass();
      PutValue(sink, "x", entries);
      --now;
      return Result<>();
    };
  }
};

TEST(EngineSwap, ShowsNewScrapesTheNewPlanAndEndsRunningOnesOnTheOld) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("old", [&](const Scrape&, Sink& sink) {
    gate.Pass();
    PutValue(sink, "old", 1);
    return Result<>();
  }));
  auto running = h.GatherLater();
  gate.AwaitEntered(1);
  h.Swap(Collects("new", Gives("new", 1), {.lane = "new"}));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("new_value 1\n"), Not(HasSubstr("\"old\""))));
  gate.Open();
  EXPECT_THAT(running.get(), AllOf(HasSubstr("old_value 1\n"), Not(HasSubstr("\"new\""))));
}

TEST(EngineSwap, NeverRunsANameTwiceAtOnceAcrossGenerationsAndLanes) {
  EngineHarness h;
  Gate first, second;
  Inside inside;
  h.Swap(Collects("x", inside.fn(&first)));
  auto old = h.GatherLater();
  first.AwaitEntered(1);
  h.Swap(Collects("x", inside.fn(&second), {.lane = "other"}), Collects("z", Gives("z", 1)));
  auto fresh = h.GatherLater();
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  EXPECT_EQ(second.entered(), 0);
  second.Open();
  EXPECT_EQ(inside.entries, 1);
  first.Open();
  EXPECT_THAT(old.get(), HasSubstr("x_value 1\n"));
  EXPECT_THAT(fresh.get(), AllOf(HasSubstr("x_value 2\n"), HasSubstr("z_value 1\n")));
  EXPECT_EQ(inside.most, 1);
}

// Runs until it is asked to stop.
CollectFn Obeys(Gate& gate) {
  return [&gate](const Scrape& scrape, Sink&) {
    const std::stop_callback cut(scrape.stop(), [&gate] { gate.Open(); });
    gate.Pass();
    return Result<>();
  };
}

// It runs on without a scrape that waits for it.
void LeaveRunning(EngineHarness& h, Gate& gate, std::string fingerprint) {
  h.Swap(Collects("long", Obeys(gate), {.timeout = Millis(600'000)}, std::move(fingerprint)));
  auto scrape = h.GatherLater({.timeout = Millis(100)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(100));
  scrape.get();
}

TEST(EngineSwap, StopsWhatRunsForNobodyOfAMemberThatIsGone) {
  EngineHarness h;
  Gate gate;
  LeaveRunning(h, gate, "one");
  h.Swap(Collects("other", Gives("other", 1), kMinute));
  EXPECT_THAT(h.Gather({.wait_for_background = true}), HasSubstr("other_value 1\n"));
  EXPECT_EQ(h.Errors("long", "timeout"), 1) << "of the scrape that left";
}

TEST(EngineSwap, StopsWhatRunsForNobodyOfAMemberThatWasChanged) {
  EngineHarness h;
  Gate gate;
  LeaveRunning(h, gate, "one");
  h.Swap(Collects("long", Gives("long", 2), {}, "two"));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("long_value 2\n"), HasSubstr(Success("long", true))));
  EXPECT_EQ(h.Errors("long", "timeout"), 1);
}

TEST(EngineSwap, ServesWhatAnOlderPlanMadeForAsLongAsThatOneHad) {
  EngineHarness h;
  Gate gate;
  std::atomic<int> runs = 0;
  const auto work = [&](const Scrape&, Sink& sink) {
    PutValue(sink, "b", ++runs);
    if (runs > 1) gate.Pass();
    return Result<>();
  };
  h.Swap(Collects("b", work, {.interval = Millis(10'000), .max_age = Millis(60'000)}, "one"));
  EXPECT_THAT(h.Gather({.wait_for_background = true}), HasSubstr("b_value 1\n"));
  h.clock.Advance(Millis(55'000));
  h.Swap(Collects("b", work, {.interval = Millis(10'000), .max_age = Millis(20'000)}, "one"));
  gate.AwaitEntered(1);
  EXPECT_THAT(h.Gather(), HasSubstr("b_value 1\n"));
  gate.Open();
  h.AwaitState("b", "idle");
  EXPECT_THAT(h.Gather(), HasSubstr("b_value 2\n"));
}

TEST(EngineSwap, LetsARunGoOnWhoseMemberIsTheSame) {
  EngineHarness h;
  Gate gate;
  LeaveRunning(h, gate, "one");
  h.Swap(Collects("long", Gives("long", 2), {}, "one"));
  EXPECT_EQ(h.StatusOf("long").state, "running");
  gate.Open();
  h.AwaitState("long", "idle");
}

TEST(EngineSwap, DoesNotStartAHungMemberAgain) {
  EngineHarness h;
  Gate gate;
  Inside inside;
  h.Swap(Collects("x", inside.fn(&gate), kSecond));
  auto old = h.GatherLater();
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  const Mono deadline = h.clock.mono() + Millis(1'000);
  h.clock.Advance(Millis(1'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline + kGrace));
  h.clock.Advance(kGrace);
  old.get();
  for (int i = 0; i < 5; ++i) {
    h.Swap(Collects("x", inside.fn(nullptr)), Collects("z", Gives("z", 1)));
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("x", false)), HasSubstr("z_value 1\n")));
  }
  EXPECT_EQ(inside.entries, 1);
  gate.Open();
  h.AwaitState("x", "idle");
  EXPECT_THAT(h.Gather(), HasSubstr(Success("x", true)));
  EXPECT_EQ(inside.entries, 2);
  EXPECT_EQ(inside.most, 1);
}

TEST(EngineSwap, GivesAReasonForABackgroundMemberWhoseOldRunHangs) {
  EngineHarness h;
  Gate gate;
  Inside inside;
  h.Swap(Collects("x", inside.fn(&gate), kSecond));
  auto old = h.GatherLater();
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  const Mono deadline = h.clock.mono() + Millis(1'000);
  h.clock.Advance(Millis(1'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline + kGrace));
  h.clock.Advance(kGrace);
  old.get();
  h.Swap(Collects("x", inside.fn(nullptr), kMinute));
  EXPECT_THAT(h.Gather(), HasSubstr(Success("x", false)));
  EXPECT_THAT(h.Gather({.wait_for_background = true}), HasSubstr(Success("x", false)));
  EXPECT_EQ(h.Errors("x", "timeout"), 3);
  gate.Open();
}

TEST(EngineSwap, FailsWhatWaitedForAMemberThatIsLeftBehind) {
  EngineHarness h;
  Gate gate;
  Inside inside;
  h.Swap(Collects("x", inside.fn(&gate), kSecond));
  auto old = h.GatherLater();
  gate.AwaitEntered(1);
  h.Swap(Collects("x", inside.fn(nullptr), {.lane = "other"}));
  auto fresh = h.GatherLater();
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  const Mono deadline = h.clock.mono() + Millis(1'000);
  h.clock.Advance(Millis(1'000));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline + kGrace));
  h.clock.Advance(kGrace);
  EXPECT_THAT(old.get(), HasSubstr(Success("x", false)));
  EXPECT_THAT(fresh.get(), HasSubstr(Success("x", false)));
  EXPECT_EQ(inside.entries, 1);
  gate.Open();
}

TEST(EngineSwap, CarriesTheLastBatchOfAnUnchangedBackgroundMemberOver) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  const auto counts = [&](const Scrape&, Sink& sink) {
    PutValue(sink, "b", ++runs);
    return Result<>();
  };
  h.Swap(Collects("b", counts, kMinute, "same"));
  AwaitTrue([&] { return runs == 1; });
  h.AwaitState("b", "idle");
  h.clock.Advance(Millis(20'000));
  for (int i = 0; i < 5; ++i) {
    h.Swap(Collects("b", counts, kMinute, "same"));
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr("b_value 1\n"), HasSubstr("\"b\"} 20\n"),
                                  HasSubstr(Success("b", true))));
  }
  EXPECT_EQ(runs, 1) << "its rhythm goes on";
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(40'000));
  AwaitTrue([&] { return runs == 2; });
}

TEST(EngineSwap, StartsAChangedBackgroundMemberAnew) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("b", Gives("b", 1), kMinute, "before"));
  AwaitTrue([&] { return h.StatusOf("b").age_seconds == 0; });
  h.Swap(Collects(
      "b",
      [&](const Scrape&, Sink& sink) {
        gate.Pass();
        PutValue(sink, "b", 2);
        return Result<>();
      },
      kMinute, "after"));
  gate.AwaitEntered(1);  // at once
  EXPECT_THAT(h.Gather(), AllOf(Not(HasSubstr("b_value")), HasSubstr(Success("b", false))));
  gate.Open();
  h.AwaitState("b", "idle");
  EXPECT_THAT(h.Gather(), HasSubstr("b_value 2\n"));
}

TEST(EngineSwap, ServesWhatAnOldGenerationsBackgroundRunBroughtAfterTheSwap) {
  EngineHarness h;
  Gate gate;
  const auto collect = [&](const Scrape&, Sink& sink) {
    gate.Pass();
    PutValue(sink, "b", 1);
    return Result<>();
  };
  h.Swap(Collects("b", collect, kMinute, "same"));
  gate.AwaitEntered(1);
  h.Swap(Collects("b", collect, kMinute, "same"));
  gate.Open();
  h.AwaitState("b", "idle");
  EXPECT_THAT(h.Gather(), HasSubstr("b_value 1\n"));
  EXPECT_EQ(gate.entered(), 1);
}

TEST(EngineSwap, DestroysOldCollectorsOnceNothingUsesThemAndNotUnderItsLock) {
  EngineHarness h;
  Gate gate;
  std::atomic<int> destroyed = 0;
  const auto member = [&](const std::string& name, CollectFn fn) {
    // Status takes the engine's lock.
    return Member<Collector>{name, {}, std::make_unique<FnCollector>(std::move(fn), [&] {
                               h.engine->Status();
                               ++destroyed;
                             })};
  };
  h.Swap(member("idle", Gives("idle", 1)), member("busy", [&](const Scrape&, Sink&) {
           gate.Pass();
           return Result<>();
         }));
  auto running = h.GatherLater({.collect = {"busy"}});
  gate.AwaitEntered(1);
  h.Swap(Collects("z", Gives("z", 1)));
  EXPECT_EQ(destroyed, 0) << "a gather still ends on the old generation";
  gate.Open();
  running.get();
  AwaitTrue([&] { return destroyed == 2; });
}

TEST(EngineSwap, DropsWhatWaitedForAHungMemberWithItsGeneration) {
  EngineHarness h;
  // Less than a run is expected to take: who waits does not press the one that hangs.
  const Query hurried{.timeout = kUnknown - Millis(10)};
  Gate gate;
  std::atomic<int> destroyed = 0;
  const auto member = [&](CollectFn fn) {
    return Member<Collector>{
        "x", {}, std::make_unique<FnCollector>(std::move(fn), [&] { ++destroyed; })};
  };
  const auto give_up = [&](std::future<std::string>& waiting) {
    ASSERT_TRUE(h.clock.AwaitBlockedUntil(h.clock.mono() + hurried.timeout));
    h.clock.Advance(hurried.timeout);
    EXPECT_THAT(waiting.get(), HasSubstr(Success("x", false)));
  };
  h.Swap(member([&](const Scrape&, Sink&) {
    gate.Pass();
    return Result<>();
  }));
  auto first = h.GatherLater(hurried);
  gate.AwaitEntered(1);
  give_up(first);
  for (int i = 0; i < 5; ++i) {
    h.Swap(member(Gives("x", 1)));
    AwaitTrue([&] { return destroyed == i; });  // the one before it
    auto waiting = h.GatherLater(hurried);
    give_up(waiting);
  }
  // Swapped while a gather still waits for it: it goes with the gather.
  auto waiting = h.GatherLater(hurried);
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(h.clock.mono() + hurried.timeout));
  h.Swap(member(Gives("x", 1)));
  EXPECT_EQ(destroyed, 4);
  give_up(waiting);
  AwaitTrue([&] { return destroyed == 5; });
  gate.Open();
  EXPECT_THAT(h.Gather(), HasSubstr("x_value 1\n"));
  AwaitTrue([&] { return destroyed == 6; });
}

TEST(EngineSwap, KeepsItsCounters) {
  EngineHarness h;
  const auto fails = [](const Scrape&, Sink&) -> Result<> { return Fail(Errc::kParse, "x"); };
  for (int i = 1; i <= 3; ++i) {
    h.Swap(Collects("a", fails));
    h.Gather();
    EXPECT_EQ(h.Errors("a", "parse"), i);
  }
}

TEST(EngineSwap, EndsTheThreadsOfLanesThatAreGone) {
  EngineHarness h;
  const auto threads = [] {
    std::size_t count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      count += task.path().empty() ? 0U : 1U;
    }
    return count;
  };
  const std::size_t before = threads();
  for (int i = 0; i < 20; ++i) {
    h.Swap(Collects("z", Gives("z", i), {.lane = "lane" + std::to_string(i)}));
    EXPECT_THAT(h.Gather(), HasSubstr("z_value " + std::to_string(i) + "\n"));
  }
  AwaitTrue([&] { return threads() == before + 1; });
  h.engine.reset();
  AwaitTrue([&] { return threads() == before; });
}

}  // namespace
}  // namespace sidecar
