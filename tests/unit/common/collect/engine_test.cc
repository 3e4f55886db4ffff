#include "common/collect/engine.h"

#include <stdexcept>

#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

TEST(Engine, ServesEveryMemberInPlanOrderWithItsSelfMetrics) {
  EngineHarness h;
  h.Swap(Collects("b", Gives("b", 2)), Collects("a", Gives("a", 1)));
  const std::string text = h.Gather();
  EXPECT_THAT(text, AllOf(HasSubstr("b_value 2\n"), HasSubstr(Value("a", "1"))));
  EXPECT_LT(text.find("b_value 2"), text.find("a_value 1"));
  EXPECT_THAT(text, AllOf(HasSubstr(Success("a", true)), HasSubstr(Success("b", true)),
                          HasSubstr("node_scrape_collector_duration_seconds{collector=\"a\"} 0\n"),
                          HasSubstr("sidecar_collector_samples{exporter=\"host\",collector=\"a\"} "
                                    "1\n"),
                          HasSubstr("sidecar_collector_left_behind_runs{exporter=\"host\"} 0\n"),
                          HasSubstr("sidecar_collector_left_behind_runs_max{exporter=\"host\"} 8"),
                          Not(HasSubstr("age_seconds"))));
}

TEST(Engine, ServesNothingButItselfWithoutAPlan) {
  EngineHarness h;
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("left_behind_runs"), Not(HasSubstr("success"))));
}

TEST(Engine, RunsTheQuickestFirstAndKeepsTheExpositionInPlanOrder) {
  EngineHarness h;
  std::vector<std::string> order;
  const auto takes = [&](const std::string& name, int ms) {
    return [&, name, ms](const Scrape&, Sink& sink) {
      order.push_back(name);  // members of one lane: one at a time
      h.clock.Advance(Millis(ms));
      PutValue(sink, name, 1);
      return Result<>();
    };
  };
  h.Swap(Collects("slow", takes("slow", 30)), Collects("middle", takes("middle", 20)),
         Collects("quick", takes("quick", 10)));
  const std::string first = h.Gather();
  EXPECT_THAT(order, testing::ElementsAre("slow", "middle", "quick"));
  order.clear();
  const std::string second = h.Gather();
  EXPECT_THAT(order, testing::ElementsAre("quick", "middle", "slow"));
  EXPECT_EQ(first, second);
  EXPECT_THAT(second, HasSubstr("duration_seconds{collector=\"slow\"} 0.03\n"));
}

TEST(Engine, RunsTheOneThatLeadsBeforeQuickerOnesOfItsLane) {
  EngineHarness h;
  std::vector<std::string> order;
  const auto takes = [&](const std::string& name, int ms) {
    return [&, name, ms](const Scrape&, Sink&) {
      order.push_back(name);
      h.clock.Advance(Millis(ms));
      return Result<>();
    };
  };
  h.Swap(Collects("quick", takes("quick", 1)),
         Collects("leader", takes("leader", 50), {.leads = true}));
  for (int i = 0; i < 3; ++i) {
    order.clear();
    static_cast<void>(h.Gather());
    EXPECT_THAT(order, testing::ElementsAre("leader", "quick"));
  }
}

TEST(Engine, TellsARunWhetherItsScrapeWaitsForTheBackground) {
  EngineHarness h;
  bool waits = true;
  h.Swap(Collects("a", [&](const Scrape& scrape, Sink&) {
    waits = scrape.waits();
    return Result<>();
  }));
  static_cast<void>(h.Gather());
  EXPECT_FALSE(waits);
  static_cast<void>(h.Gather({.wait_for_background = true}));
  EXPECT_TRUE(waits);
}

TEST(Engine, GivesAPartOfARunNoMoreTimeThanTheRunHas) {
  const FakeClock clock;
  const Scrape scrape(clock, clock.mono() + Millis(500), {}, 1);
  EXPECT_EQ(scrape.Within(Millis(200)).LeftMs(), 200);
  EXPECT_EQ(scrape.Within(Millis(2'000)).LeftMs(), 500);
}

TEST(Engine, CatchesWhatACollectorThrowsAndServesTheOthers) {
  EngineHarness h;
  h.Swap(Collects("throws",
                  [](const Scrape&, Sink& sink) -> Result<> {
                    PutValue(sink, "throws", 1);
                    throw std::runtime_error("boom");
                  }),
         Collects("odd", [](const Scrape&, Sink&) -> Result<> { throw 7; }),
         Collects("fine", Gives("fine", 1)));
  EXPECT_THAT(h.Gather(),
              AllOf(HasSubstr(Success("throws", false)), HasSubstr(Success("odd", false)),
                    HasSubstr(Success("fine", true)), Not(HasSubstr("throws_value"))));
  EXPECT_EQ(h.Errors("throws", "internal"), 1);
  EXPECT_EQ(h.Errors("odd", "internal"), 1);
  EXPECT_THAT(h.StatusOf("throws").error, HasSubstr("boom"));
}

TEST(Engine, FailsAFloodPastItsLimitAsAWhole) {
  EngineHarness h;
  Schedule schedule;
  schedule.limits.series = 100;
  h.Swap(Collects(
             "flood",
             [](const Scrape&, Sink& sink) {
               const std::string_view labels[] = {"n"};
               auto rows = sink.Declare({"flood", "Rows.", "", Kind::kGauge, labels});
               EXPECT_TRUE(rows);
               for (int i = 0; i < 100'000; ++i) {
                 const std::string n = std::to_string(i);
                 const std::string_view values[] = {n};
                 sink.Put(*rows, i, values);
               }
               return Result<>();
             },
             schedule),
         Collects("fine", Gives("fine", 1)));
  for (int scrape = 1; scrape <= 3; ++scrape) {
    EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("flood", false)), Not(HasSubstr("flood{n=")),
                                  HasSubstr(Success("fine", true))));
    EXPECT_EQ(h.Errors("flood", "limit"), scrape);
  }
}

TEST(Engine, DiscardsTheRowsOfARunThatFails) {
  EngineHarness h;
  h.Swap(Collects("half", [](const Scrape&, Sink& sink) -> Result<> {
    PutValue(sink, "half", 1);
    return Fail(Errc::kParse, "line 2");
  }));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("half", false)), Not(HasSubstr("half_value")),
                                HasSubstr("sidecar_collector_samples{exporter=\"host\",collector="
                                          "\"half\"} 0\n")));
  EXPECT_EQ(h.Errors("half", "parse"), 1);
}

TEST(Engine, CountsNoErrorWhenThereIsNoData) {
  EngineHarness h;
  bool there = false;
  h.Swap(Collects("none", [&](const Scrape&, Sink&) -> Result<> {
    if (there) return {};
    return Fail(Errc::kNoData, "no such device");
  }));
  EXPECT_THAT(h.Gather(), HasSubstr(Success("none", false)));
  EXPECT_EQ(h.Errors("none", "no_data"), 0);
  h.AwaitLogLines(1);
  EXPECT_THAT(h.log(), AllOf(HasSubstr("level=debug"), Not(HasSubstr("level=warn"))));
  there = true;
  EXPECT_THAT(h.Gather(), HasSubstr(Success("none", true)));
  h.engine.reset();
  EXPECT_THAT(h.log(), Not(HasSubstr("recovered")));
}

TEST(Engine, KeepsTheCompleteRowsOfARunThatLostAPart) {
  EngineHarness h;
  h.Swap(Collects("part", [](const Scrape&, Sink& sink) {
    PutValue(sink, "part", 1);
    sink.Warn({Errc::kDenied, "database b"});
    sink.Warn({Errc::kDenied, "database c"});
    sink.Warn({Errc::kTimeout, "database d"});
    return Result<>();
  }));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("part", false)), HasSubstr("part_value 1\n"),
                                HasSubstr("collector=\"part\"} 1\n")));
  EXPECT_EQ(h.Errors("part", "denied"), 1) << "a reason counts once a run";
  EXPECT_EQ(h.Errors("part", "timeout"), 1);
  EXPECT_EQ(h.StatusOf("part").samples, 1U);
  EXPECT_EQ(h.StatusOf("part").error, "database b");
}

TEST(Engine, LogsAStateWhenItChangesOnly) {
  EngineHarness h;
  bool fail = false;
  h.Swap(Collects("moody", [&](const Scrape&, Sink&) -> Result<> {
    if (fail) return Fail(Errc::kUnavailable, "down");
    return {};
  }));
  h.Gather();
  EXPECT_EQ(h.log(), "");
  fail = true;
  for (int i = 0; i < 5; ++i) h.Gather();
  fail = false;
  for (int i = 0; i < 5; ++i) h.Gather();
  h.AwaitLogLines(2);
  h.engine.reset();  // what it had to say it has said
  const std::string log = h.log();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
  EXPECT_THAT(log, AllOf(HasSubstr("reason=unavailable"), HasSubstr("err=down"),
                         HasSubstr("collector recovered")));
  EXPECT_EQ(h.Errors("moody", "unavailable"), 5);
}

TEST(Engine, DropsDuplicatesWithinAndBetweenMembersAndCountsThem) {
  EngineHarness h;
  const auto twice = [](double value) {
    return [value](const Scrape&, Sink& sink) {
      PutValue(sink, "shared", value);
      PutValue(sink, "shared", value + 1);
      return Result<>();
    };
  };
  h.Swap(Collects("first", twice(1)), Collects("second", Gives("shared", 3)));
  const std::string text = h.Gather();
  EXPECT_THAT(text, HasSubstr("shared_value 1\n"));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("shared_value 2")), Not(HasSubstr("shared_value 3"))));
  EXPECT_EQ(h.Counted("series_dropped", "first", "duplicate"), 1);
  EXPECT_EQ(h.Counted("series_dropped", "second", "duplicate"), 1);
  EXPECT_EQ(h.StatusOf("first").dropped, 1U);
}

TEST(Engine, SaysThatACollectorGivesWhatAnotherHasToo) {
  EngineHarness h;
  double own = 2;
  h.Swap(Collects("first", Gives("shared", 1)), Collects("second", [&](const Scrape&, Sink& sink) {
           PutValue(sink, own == 2 ? "shared" : "own", own);
           PutValue(sink, "more", 3);
           return Result<>();
         }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(h.Gather(),
                AllOf(HasSubstr(Success("first", true)), HasSubstr(Success("second", false)),
                      HasSubstr("more_value 3\n"), HasSubstr("shared_value 1\n"),
                      HasSubstr("samples{exporter=\"host\",collector=\"second\"} 1\n")));
  }
  EXPECT_EQ(h.Errors("second", "config"), 2);
  EXPECT_THAT(h.Gather({.collect = {"second"}}), HasSubstr(Success("second", true)));
  EXPECT_THAT(h.Gather(), HasSubstr(Success("second", false)));
  EXPECT_THAT(h.StatusOf("second").error, HasSubstr("another collector has too"));
  h.AwaitLogLines(1);
  own = 4;
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr(Success("second", true)), HasSubstr("own_value 4\n")));
  EXPECT_EQ(h.StatusOf("second").error, "");
  const std::string log = h.log();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
}

TEST(Engine, CollectsOnlyWhatIsAskedFor) {
  EngineHarness h;
  h.Swap(Collects("a", Gives("a", 1)), Collects("b", Gives("b", 1)), Collects("c", Gives("c", 1)));
  const std::string text = h.Gather({.collect = {"c", "a", "c"}});
  EXPECT_THAT(text, AllOf(HasSubstr("a_value"), HasSubstr("c_value"), Not(HasSubstr("b_value")),
                          Not(HasSubstr(Success("b", false)))));
  EXPECT_THAT(h.Gather({.exclude = {"b", "nobody"}}),
              AllOf(HasSubstr("a_value"), Not(HasSubstr("b_value"))));
  EXPECT_THAT(h.Gather({.exclude = {"a", "b", "c"}}), Not(HasSubstr("_value")));
}

TEST(Engine, RefusesAnUnknownNameAndBothFiltersAtOnce) {
  EngineHarness h;
  Plan plan = EngineHarness::PlanOf(Collects("a", Gives("a", 1)));
  plan.disabled.push_back({"zfs", Errc::kUnsupported});
  h.engine->Swap(std::move(plan));
  const auto unknown = h.engine->Gather({.collect = {"a", "nope"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::kConfig);
  EXPECT_THAT(unknown.error().message, HasSubstr("nope"));
  const auto disabled = h.engine->Gather({.collect = {"zfs"}});
  ASSERT_FALSE(disabled);
  EXPECT_THAT(disabled.error().message, AllOf(HasSubstr("zfs"), HasSubstr("unsupported")));
  const auto both = h.engine->Gather({.collect = {"a"}, .exclude = {"a"}});
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().code, Errc::kConfig);
}

TEST(Engine, ShowsWhatCannotRunHere) {
  EngineHarness h;
  Plan plan;
  plan.disabled.push_back({"zfs", Errc::kUnsupported});
  h.engine->Swap(std::move(plan));
  EXPECT_THAT(h.Gather(), HasSubstr("sidecar_collector_disabled{exporter=\"host\",collector=\"zfs\""
                                    ",reason=\"unsupported\"} 1\n"));
}

TEST(Engine, PassesTheNamesAskedForOn) {
  EngineHarness h;
  h.Swap(Collects("a", Gives("a", 1)), Collects("b", Gives("b", 1)));
  EXPECT_EQ(h.Gather({.names = {"b_value"}}),
            "# HELP b_value A value.\n# TYPE b_value gauge\n"
            "b_value 1\n");
}

TEST(Engine, GivesTheRunsOfOneScrapeOneIdAndTheirOwnDeadlines) {
  EngineHarness h;
  std::map<std::string, std::pair<std::uint64_t, int>> seen;
  const auto notes = [&](const std::string& name) {
    return [&seen, name](const Scrape& scrape, Sink&) {
      seen[name] = {scrape.id(), scrape.LeftMs()};
      return Result<>();
    };
  };
  h.Swap(Collects("a", notes("a"), {.timeout = Millis(700)}),
         Collects("b", notes("b"), {.timeout = Millis(900)}));
  h.Gather();
  EXPECT_EQ(seen["a"].first, seen["b"].first);
  EXPECT_EQ(seen["a"].second, 700);
  EXPECT_EQ(seen["b"].second, 900);
  const std::uint64_t before = seen["a"].first;
  h.Gather();
  EXPECT_NE(seen["a"].first, before);
}

TEST(Engine, CountsScrapesInItsHistogram) {
  EngineHarness h;
  h.Swap(Collects("a", Gives("a", 1)));
  for (int i = 0; i < 3; ++i) h.Gather();
  bool found = false;
  for (const auto& family : h.registry.Collect()) {
    if (family.name != "sidecar_scrape_duration_seconds") continue;
    ASSERT_EQ(family.metric.size(), 1U);
    EXPECT_EQ(family.metric[0].histogram.sample_count, 3U);
    found = true;
  }
  EXPECT_TRUE(found);
}

TEST(Engine, PutsTheProcessesOwnPartLastAndAsksForItOnceAllIsCounted) {
  EngineHarness h;
  h.Swap(Collects("a", Gives("a", 1)),
         Collects("b", [](const Scrape&, Sink&) -> Result<> { return Fail(Errc::kDenied, "no"); }));
  auto snapshot = h.engine->Gather({}, [&] {
    auto own = std::make_shared<Batch>();
    Sink sink(*own);
    PutValue(sink, "own_errors", h.Errors("b", "denied"));
    PutValue(sink, "a", 2);  // a collector has it
    own->Seal();
    return own;
  });
  ASSERT_TRUE(snapshot);
  std::string text;
  ASSERT_TRUE(Encode(*snapshot, Format::kText, [&](std::string_view piece) {
    text += piece;
    return Result<>();
  }));
  EXPECT_THAT(text, testing::EndsWith("# HELP own_errors_value A value.\n"
                                      "# TYPE own_errors_value gauge\nown_errors_value 1\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("a_value 1\n"), Not(HasSubstr("a_value 2\n")),
                          HasSubstr(Success("a", true))));
}

TEST(Engine, UsesBatchesAgain) {
  EngineHarness h;
  std::string last;
  h.Swap(Collects("a", Gives("a", 1)));
  const std::string first = h.Gather();
  auto kept = h.engine->Gather({});  // its batch must not change while it is held
  ASSERT_TRUE(kept);
  const std::size_t samples = kept->parts.front()->samples();
  for (int i = 0; i < 20; ++i) last = h.Gather();
  EXPECT_EQ(first, last);
  EXPECT_EQ(kept->parts.front()->samples(), samples);
}

}  // namespace
}  // namespace sidecar
