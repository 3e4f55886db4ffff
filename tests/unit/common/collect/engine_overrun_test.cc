#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

// Never listens to a request to stop.
CollectFn Hangs(Gate& gate, const std::string& name) {
  return [&gate, name](const Scrape&, Sink& sink) {
    gate.Pass();
    PutValue(sink, name, 1);
    return Result<>();
  };
}
// Returns when it is asked to.
CollectFn Obeys(Gate& gate, const std::string& name) {
  return [&gate, name](const Scrape& scrape, Sink& sink) {
    const std::stop_callback cut(scrape.stop(), [&gate] { gate.Open(); });
    gate.Pass();
    PutValue(sink, name, 1);
    return Result<>();
  };
}
const Schedule kSecond{.timeout = Millis(1'000)};

// Takes the clock past a deadline that is `ms` away, step by step: stop, grace, left behind.
void PassDeadline(EngineHarness& h, int ms) {
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  const Mono deadline = h.clock.mono() + Millis(ms);
  h.clock.Advance(Millis(ms));
  ASSERT_TRUE(h.clock.AwaitBlockedUntil(deadline + kGrace));
  h.clock.Advance(kGrace);
}

TEST(EngineOverrun, LeavesAHangingMemberBehindAndServesTheOthers) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("a", Gives("a", 1)), Collects("hangs", Hangs(gate, "hangs"), kSecond),
         Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater();
  gate.AwaitEntered(1);
  PassDeadline(h, 1'000);
  const std::string text = answer.get();
  EXPECT_THAT(text, AllOf(HasSubstr(Success("a", true)), HasSubstr(Success("z", true)),
                          HasSubstr(Success("hangs", false)), HasSubstr("a_value 1\n"),
                          HasSubstr("z_value 1\n"), Not(HasSubstr("hangs_value")),
                          HasSubstr("left_behind_runs{exporter=\"host\"} 1\n")));
  EXPECT_EQ(h.Errors("hangs", "timeout"), 1);
  EXPECT_EQ(h.StatusOf("hangs").state, "left behind");
  h.AwaitLogLines(2);
  EXPECT_THAT(h.log(), AllOf(HasSubstr("reason=timeout"), HasSubstr("left behind")));
  gate.Open();
}

TEST(EngineOverrun, DoesNotStartAMemberAgainUntilItHasReturned) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("hangs", Hangs(gate, "hangs"), kSecond), Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater();
  gate.AwaitEntered(1);
  PassDeadline(h, 1'000);
  answer.get();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("hangs", false)), HasSubstr("z_value 1\n")));
  }
  EXPECT_EQ(gate.entered(), 1);
  EXPECT_EQ(h.Errors("hangs", "timeout"), 11) << "every scrape has a reason";
  gate.Open();
  h.AwaitState("hangs", "idle");
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("hangs", true)), HasSubstr("hangs_value 1\n"),
                                HasSubstr("left_behind_runs{exporter=\"host\"} 0\n")));
  EXPECT_EQ(gate.entered(), 2);
  h.AwaitLogLines(4);
  EXPECT_THAT(h.log(), AllOf(HasSubstr("returned"), HasSubstr("recovered")));
}

TEST(EngineOverrun, DiscardsTheRowsOfAMemberThatStopsWhenAsked) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("slow", Obeys(gate, "slow"), kSecond), Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater();
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(1'000));
  EXPECT_THAT(answer.get(), AllOf(HasSubstr(Success("slow", false)), Not(HasSubstr("slow_value")),
                                  HasSubstr("z_value 1\n"),
                                  HasSubstr("left_behind_runs{exporter=\"host\"} 0\n")));
  EXPECT_EQ(h.Errors("slow", "timeout"), 1);
  EXPECT_EQ(h.StatusOf("slow").state, "idle");
}

TEST(EngineOverrun, LetsTwoScrapersShareARunAndKeepTheirOwnDeadlines) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("slow", Hangs(gate, "slow")));
  auto early = h.GatherLater({.timeout = Millis(250)});
  gate.AwaitEntered(1);
  auto late = h.GatherLater({.timeout = Millis(1'500)});
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  h.clock.Advance(Millis(250));
  EXPECT_THAT(early.get(), AllOf(HasSubstr(Success("slow", false)), Not(HasSubstr("slow_value"))));
  EXPECT_EQ(h.Errors("slow", "timeout"), 1) << "the scrape that left without it";
  gate.Open();
  EXPECT_THAT(late.get(), AllOf(HasSubstr(Success("slow", true)), HasSubstr("slow_value 1\n")));
  EXPECT_EQ(gate.entered(), 1);
}

TEST(EngineOverrun, StartsANewRunForAGatherThatComesAfterTheLastHasFinished) {
  EngineHarness h;
  std::atomic<int> runs = 0;
  h.Swap(Collects("a", [&](const Scrape&, Sink& sink) {
    PutValue(sink, "a", ++runs);
    return Result<>();
  }));
  EXPECT_THAT(h.Gather(), HasSubstr("a_value 1\n"));
  EXPECT_THAT(h.Gather(), HasSubstr("a_value 2\n"));
}

TEST(EngineOverrun, WatchesARunThatItsGatherHasLeft) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("hangs", Hangs(gate, "hangs"), kSecond), Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater({.timeout = Millis(200), .collect = {"hangs"}});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(200));
  EXPECT_THAT(answer.get(), HasSubstr(Success("hangs", false)));
  PassDeadline(h, 800);  // nobody but the keeper is there to see it
  h.AwaitState("hangs", "left behind");
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("z_value 1\n"), HasSubstr(Success("hangs", false))));
  gate.Open();
}

TEST(EngineOverrun, CutsAHangingMemberSoThatAShortScrapeGetsTheOthers) {
  EngineHarness h;
  Gate gate;
  // Not yet known to be slow, it comes first; its own timeout is beyond the scrape's.
  h.Swap(Collects("hangs", Hangs(gate, "hangs")), Collects("b", Gives("b", 1)),
         Collects("c", Gives("c", 1)));
  auto answer = h.GatherLater({.timeout = Millis(1'500)});
  gate.AwaitEntered(1);
  // 1,500 less 50 for each of two members never seen, less twice the grace.
  PassDeadline(h, 1'300);
  EXPECT_THAT(answer.get(), AllOf(HasSubstr("b_value 1\n"), HasSubstr("c_value 1\n"),
                                  HasSubstr(Success("hangs", false))));
  gate.Open();
}

TEST(EngineOverrun, CutsAHangingMemberForAScrapeThatComesLater) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("b", Gives("b", 1)), Collects("hangs", Hangs(gate, "hangs")));
  auto patient = h.GatherLater({.timeout = Millis(9'500)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  auto hasty = h.GatherLater({.timeout = Millis(1'000)});
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  PassDeadline(h, 900);  // b has been seen: it takes no time
  EXPECT_THAT(hasty.get(), HasSubstr("b_value 1\n"));
  EXPECT_THAT(patient.get(), HasSubstr("b_value 1\n"));
  gate.Open();
}

TEST(EngineOverrun, SaysOfWhichTimeoutAMemberHadAPartOnly) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("slow", Obeys(gate, "slow"), {.timeout = Millis(60'000)}),
         Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater({.timeout = Millis(1'000)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(900));
  answer.get();
  h.AwaitLogLines(1);
  EXPECT_THAT(h.log(), HasSubstr("(it had 850 ms of its 60000 ms: a scrape waited for others"));
}

TEST(EngineOverrun, HasNotRecoveredByARunThatNoScrapeWaitedFor) {
  EngineHarness h;
  Gate gate;
  bool fails = true;
  h.Swap(Collects("slow", [&](const Scrape&, Sink& sink) -> Result<> {
    if (fails) return Fail(Errc::kUnavailable, "not yet");
    gate.Pass();
    PutValue(sink, "slow", 1);
    return {};
  }));
  h.Gather();
  h.AwaitLogLines(1);
  fails = false;
  auto answer = h.GatherLater({.timeout = Millis(1'000)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(1'000));
  EXPECT_THAT(answer.get(), HasSubstr(Success("slow", false)));
  gate.Open();
  h.AwaitState("slow", "idle");
  h.AwaitLogLines(2);
  EXPECT_THAT(h.log(),
              AllOf(HasSubstr("took 1000 ms: no scrape waited"), Not(HasSubstr("recovered"))));
  EXPECT_EQ(h.StatusOf("slow").age_seconds, -1);
  EXPECT_EQ(h.Errors("slow", "timeout"), 1);
  EXPECT_THAT(h.Gather(), HasSubstr(Success("slow", true)));
  h.AwaitLogLines(3);
  EXPECT_THAT(h.log(), HasSubstr("recovered"));
}

TEST(EngineOverrun, LeavesASlowMemberItsUsualTime) {
  EngineHarness h;
  Gate gate;
  bool known = false;
  h.Swap(Collects("quick", Gives("quick", 1)), Collects("slow", [&](const Scrape&, Sink& sink) {
           if (known) gate.Pass();
           if (!known) h.clock.Advance(Millis(2'000));
           PutValue(sink, "slow", 1);
           return Result<>();
         }));
  EXPECT_THAT(h.Gather(), HasSubstr(Success("slow", true)));
  known = true;
  auto patient = h.GatherLater({.timeout = Millis(9'500)});
  gate.AwaitEntered(1);
  auto hasty = h.GatherLater({.timeout = Millis(500)});
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  h.clock.Advance(Millis(500));
  EXPECT_THAT(hasty.get(), HasSubstr(Success("quick", false)));
  gate.Open();
  EXPECT_THAT(patient.get(), HasSubstr("slow_value 1\n"));
}

TEST(EngineOverrun, DelaysNoOtherLane) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("hangs", Hangs(gate, "hangs"), {.timeout = Millis(60'000), .lane = "slow"}),
         Collects("z", Gives("z", 1)));
  auto answer = h.GatherLater({.timeout = Millis(300)});
  gate.AwaitEntered(1);
  EXPECT_THAT(h.Gather({.collect = {"z"}}), HasSubstr("z_value 1\n"));
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(300));
  EXPECT_THAT(answer.get(), AllOf(HasSubstr("z_value 1\n"), HasSubstr(Success("hangs", false))));
  gate.Open();
}

class EightLeftBehind : public testing::Test {
 protected:
  void SetUp() override {
    Plan plan;
    for (int i = 0; i < kRuns; ++i) {
      const std::string name = "hangs" + std::to_string(i);
      plan.collectors.push_back(Collects(name, Hangs(gates[i], name), kSecond));
    }
    plan.collectors.push_back(Collects("z", Gives("z", 1)));
    plan.collectors.push_back(Collects("other", Gives("other", 1), {.lane = "other"}));
    h.engine->Swap(std::move(plan));
    for (int i = 0; i < kRuns; ++i) {
      auto answer = h.GatherLater({.collect = {"hangs" + std::to_string(i)}});
      gates[i].AwaitEntered(1);
      PassDeadline(h, 1'000);
      EXPECT_THAT(answer.get(), HasSubstr(Success("hangs" + std::to_string(i), false)));
    }
  }
  void TearDown() override {
    for (Gate& gate : gates) gate.Open();
    h.engine.reset();
  }

  static constexpr int kRuns = 9;
  Gate gates[kRuns];
  EngineHarness h;
};

TEST_F(EightLeftBehind, IsTheMostThenTheLaneStandsWithReasonLimit) {
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("left_behind_runs{exporter=\"host\"} 8\n"),
                                HasSubstr(Success("z", false)), HasSubstr("other_value 1\n")));
  EXPECT_EQ(h.Errors("z", "limit"), 1);
  EXPECT_EQ(h.Errors("hangs8", "timeout"), 2) << "the ninth overran, it is not the limit's";
}

TEST_F(EightLeftBehind, FreesTheLaneWhenOneOfThemReturns) {
  gates[3].Open();
  h.AwaitState("hangs3", "idle");
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("left_behind_runs{exporter=\"host\"} 8\n"),
                                HasSubstr("z_value 1\n"), HasSubstr(Success("hangs3", true))));
  for (Gate& gate : gates) gate.Open();
  h.AwaitState("hangs8", "idle");
  h.AwaitState("hangs0", "idle");
  AwaitTrue([&] { return h.Gather().find("runs{exporter=\"host\"} 0\n") != std::string::npos; });
  EXPECT_THAT(h.Gather(), Not(HasSubstr("success{collector=\"hangs0\"} 0")));
}

TEST_F(EightLeftBehind, FreesTheLaneWhenItsOwnMemberReturns) {
  gates[8].Open();
  h.AwaitState("hangs8", "idle");
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("left_behind_runs{exporter=\"host\"} 8\n"),
                                HasSubstr("z_value 1\n"), HasSubstr(Success("hangs8", true))));
}

TEST(EngineOverrun, IsDestroyedWhileAMemberHangs) {
  auto h = std::make_unique<EngineHarness>();
  auto gate = std::make_shared<Gate>();
  std::promise<void> gone;
  auto left = gone.get_future();
  Member<Collector> member{"hangs",
                           {},
                           std::make_unique<FnCollector>(
                               [gate](const Scrape&, Sink& sink) {
                                 gate->Pass();
                                 PutValue(sink, "hangs", 1);
                                 return Result<>();
                               },
                               [&] { gone.set_value(); })};
  h->Swap(std::move(member));
  auto answer = h->GatherLater({.timeout = Millis(100)});
  gate->AwaitEntered(1);
  ASSERT_TRUE(h->clock.AwaitBlocked(1));
  h->clock.Advance(Millis(100));
  answer.get();
  {
    std::jthread destroyer([&] { h->engine.reset(); });
    const Mono until = h->clock.mono() + kDrain;
    ASSERT_TRUE(h->clock.AwaitBlockedUntil(until));
    h->clock.Advance(kDrain);
  }
  h.reset();  // clock, log and registry are gone before the run returns
  EXPECT_EQ(left.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  gate->Open();
  EXPECT_EQ(left.wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(EngineOverrun, IsDestroyedAtOnceWhenItsMembersObey) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("slow", Obeys(gate, "slow")));
  auto answer = h.GatherLater({.timeout = Millis(100)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(100));
  answer.get();
  h.engine.reset();  // the clock stands: it would wait for ever if it waited for a time
  EXPECT_EQ(gate.entered(), 1);
}

TEST(EngineOverrun, SaysWhatItsMembersAreDoing) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("slow", Hangs(gate, "slow"), kSecond), Collects("z", Gives("z", 1)));
  EXPECT_EQ(h.StatusOf("slow").state, "idle");
  EXPECT_EQ(h.StatusOf("slow").age_seconds, -1);
  auto answer = h.GatherLater();
  gate.AwaitEntered(1);
  EXPECT_EQ(h.StatusOf("slow").state, "running");
  EXPECT_EQ(h.StatusOf("z").state, "waiting");
  EXPECT_EQ(h.StatusOf("slow").timeout_seconds, 1);
  gate.Open();
  answer.get();
  h.clock.Advance(Millis(2'500));
  EXPECT_EQ(h.StatusOf("z").state, "idle");
  EXPECT_EQ(h.StatusOf("z").age_seconds, 2.5);
  EXPECT_EQ(h.StatusOf("z").samples, 1U);
}

}  // namespace
}  // namespace sidecar
