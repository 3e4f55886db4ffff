// The streams of several namespaces, their task and their collectors, over the frontend's code.

#include "exporters/temporal/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "tests/support/golden.h"
#include "tests/unit/exporters/temporal/streams_harness.h"

namespace sidecar::temporal {
namespace {

using std::chrono::minutes;

std::vector<std::string> Names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("ns" + std::to_string(1'000 + i));
  return names;
}

TEST(Streams, PastTheSeriesLimitOfAllNamespacesRunsCountAsOtherAndTheCollectorGoesOn) {
  const auto names = Names(200);
  StreamsHarness temporal(names);
  std::uint64_t id = 0;
  for (const std::string& name : names) {
    for (int i = 0; i < 10; ++i) {
      temporal.Closes(name, ++id, 12 * kSecondUs, "type" + std::to_string(i));
    }
  }
  ASSERT_TRUE(temporal.Work());
  temporal.clock.Advance(Millis(13'000));
  ASSERT_TRUE(temporal.Work());
  const auto room = temporal.env->streams().room(temporal.options, names.size());
  const Limits limits{.series = static_cast<std::size_t>(room.workflows)};
  EXPECT_TRUE(CollectOnce(temporal, "workflows", limits).result);
  temporal.clock.Advance(Millis(2'000));
  temporal.options.exemplars = false;
  ASSERT_TRUE(temporal.Work());
  const Collected collected = CollectOnce(temporal, "workflows", limits);
  ASSERT_TRUE(collected.result) << collected.result.error().message;
  EXPECT_EQ(SumOf(collected.text, "temporal_workflow_completed_total"), 2'000);
  EXPECT_EQ(SumOf(collected.text, "temporal_workflow_execution_time_count"), 2'000);
  EXPECT_GT(SumOf(collected.text, "temporal_workflow_completed_total", "__other__"), 0);
}

TEST(Streams, ThreadsThatOtherwiseHaveNothingToDoLookSeldom) {
  StreamsHarness temporal({"a", "b"});
  const auto tasks = MakeStreamTasks(temporal.env, temporal.options, 0);
  ASSERT_EQ(tasks.size(), 4U);
  for (const auto& task : tasks) {
    ASSERT_TRUE(task.work->Run(
        Scrape(temporal.clock, temporal.clock.mono() + task.schedule.timeout, {}, 1)));
  }
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(tasks[i].work->NotBefore(), Mono::min());
  for (std::size_t i = 2; i < 4; ++i) {
    EXPECT_EQ(tasks[i].work->NotBefore(), temporal.clock.mono() + Millis(20'000));
  }
}

TEST(Streams, ARunOfAnyNamespaceCountsOnceAndALagIsOfNow) {
  StreamsHarness temporal({"a", "b"});
  for (const char* name : {"a", "b"}) temporal.Closes(name, 7, 20 * kSecondUs);
  temporal.Run(minutes(2));
  const Collected workflows = CollectOnce(temporal, "workflows");
  EXPECT_EQ(SumOf(workflows.text, "temporal_workflow_completed_total", "\"a\""), 1);
  EXPECT_EQ(SumOf(workflows.text, "temporal_workflow_completed_total", "\"b\""), 1);
  const auto lag = [&] {
    return SumOf(CollectOnce(temporal, "streams").text, "temporal_exporter_stream_lag_seconds",
                 "temporal_namespace=\"a\",stream=\"closed\"");
  };
  const double before = lag();
  EXPECT_LE(before, 13);
  temporal.clock.Advance(minutes(10));  // nobody reads
  EXPECT_NEAR(lag(), before + 600, 1);
}

TEST(Streams, ANamespaceThatIsNotAllowedIsSaidItsLagGrowsAndTheOthersGoOn) {
  StreamsHarness temporal({"mine", "theirs"});
  bool allowed = false;
  temporal.refused = [&](const Request& request) -> std::optional<Reply> {
    if (allowed || request.name_space != "theirs") return std::nullopt;
    return Reply{.code = Code::kPermissionDenied, .message = "Request unauthorized."};
  };
  temporal.Closes("mine", 1, kMinuteUs);
  temporal.Closes("theirs", 2, kMinuteUs);
  temporal.Run(minutes(6));
  Collected workflows = CollectOnce(temporal, "workflows");
  ASSERT_TRUE(workflows.result);
  EXPECT_EQ(SumOf(workflows.text, "temporal_workflow_completed_total"), 1);
  ASSERT_EQ(workflows.warnings.size(), 1U);
  EXPECT_EQ(workflows.warnings[0].code, Errc::kDenied);
  EXPECT_GT(SumOf(CollectOnce(temporal, "streams").text, "temporal_exporter_stream_lag_seconds",
                  "temporal_namespace=\"theirs\",stream=\"closed\""),
            300);
  allowed = true;
  temporal.Run(minutes(10));
  workflows = CollectOnce(temporal, "workflows");
  EXPECT_TRUE(workflows.warnings.empty());
  EXPECT_EQ(SumOf(workflows.text, "temporal_workflow_completed_total"), 2);
}

TEST(Streams, AKeyThatIsNotAcceptedForAMomentSwitchesNothingOff) {
  StreamsHarness temporal({"a"});
  temporal.Run(minutes(1));
  temporal.Closes("a", 1, 70 * kSecondUs);
  temporal.refused = [](const Request&) {
    return std::optional(Reply{.code = Code::kUnauthenticated, .message = "no such file"});
  };
  temporal.clock.Advance(Millis(12'000));
  EXPECT_FALSE(temporal.Work());
  EXPECT_TRUE(temporal.frontend->unauthenticated());
  temporal.refused = [](const Request&) { return std::nullopt; };
  EXPECT_TRUE(temporal.env->gates().shut().empty());
  temporal.Run(minutes(1));
  EXPECT_EQ(SumOf(CollectOnce(temporal, "workflows").text, "temporal_workflow_completed_total"), 1);
}

TEST(Streams, ANamespaceThatHangsLeavesTheOthersToTheNextThread) {
  StreamsHarness temporal({"hangs", "works"});
  temporal.Run(minutes(1));
  temporal.Closes("works", 1, 65 * kSecondUs);
  temporal.clock.Advance(Millis(12'000));
  std::promise<void> asked, answer;
  std::atomic<int> calls = 0;
  temporal.refused =
      [&, go = answer.get_future().share()](const Request& request) -> std::optional<Reply> {
    if (request.name_space != "hangs") return std::nullopt;
    if (calls++ == 0) asked.set_value();
    go.wait();
    return std::nullopt;
  };
  auto first = std::async(std::launch::async, [&] { return temporal.Work(); });
  asked.get_future().wait();
  EXPECT_TRUE(temporal.Work());
  static_cast<void>(CollectOnce(temporal, "workflows"));
  temporal.clock.Advance(Millis(2'000));
  EXPECT_TRUE(temporal.Work());
  EXPECT_EQ(calls, 1) << "nobody else works on it";
  EXPECT_EQ(SumOf(CollectOnce(temporal, "workflows").text, "temporal_workflow_completed_total"), 1);
  answer.set_value();
  EXPECT_TRUE(first.get());
}

TEST(Streams, OfANamespaceThatIsGoneNothingIsLeft) {
  StreamsHarness temporal({"a", "b"}, true);
  temporal.refused = [](const Request& request) -> std::optional<Reply> {
    if (request.name_space != "b") return std::nullopt;
    return Reply{.code = Code::kPermissionDenied};
  };
  temporal.Run(minutes(1));
  EXPECT_FALSE(temporal.env->gates().shut().empty());
  temporal.env->queues().Saw("b", "q", temporal.clock.mono());
  EXPECT_TRUE(temporal.Names("b"));
  temporal.servers.erase("b");
  temporal.Run(minutes(2));
  EXPECT_EQ(temporal.env->streams().snapshots().size(), 1U);
  EXPECT_TRUE(temporal.env->gates().shut().empty());
  EXPECT_TRUE(temporal.env->queues().Of("b", temporal.clock.mono()).empty());
  EXPECT_FALSE(temporal.Names("b"));
  EXPECT_TRUE(temporal.Names("a"));
}

TEST(Streams, RunsOfANamespaceThatIsNewCountFromItsFirstSecond) {
  StreamsHarness temporal({"a"}, true);
  temporal.Run(Millis(10'000));
  temporal.AddNamespace("new");  // the next list is 50 s away
  temporal.Closes("new", 1, 25 * kSecondUs);
  temporal.Run(minutes(3));
  EXPECT_EQ(SumOf(CollectOnce(temporal, "workflows").text, "temporal_workflow_completed_total",
                  "\"new\""),
            1);
}

struct StateFolder {
  StateFolder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~StateFolder() { std::filesystem::remove_all(path); }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;
  TemporalOptions options() const {
    return {.target = "f", .state_file = path + "/state", .task_queues = {}};
  }
  std::string path = ::testing::TempDir() + "streams_test.XXXXXX";
};

constexpr auto kDown = [](const Request&) { return Reply{.code = Code::kInternal}; };

TEST(Streams, RestoredCountersAreServedBeforeTheServerAnswers) {
  const StateFolder folder;
  {
    StreamsHarness temporal({"a"}, false, folder.options());
    temporal.Closes("a", 1, 20 * kSecondUs);
    temporal.Run(minutes(2), temporal.env->state_file());
    const std::string text = CollectOnce(temporal, "streams").text;
    EXPECT_THAT(text, testing::ContainsRegex("\ntemporal_exporter_state_writes_total [1-9]"));
    EXPECT_THAT(text, testing::HasSubstr("\ntemporal_exporter_state_write_failures_total 0\n"));
    EXPECT_THAT(text, testing::ContainsRegex("\ntemporal_exporter_state_bytes [1-9]"));
  }
  StreamsHarness temporal({"a"}, false, folder.options());
  temporal.transport->On("GetSystemInfo", kDown);
  temporal.refused = kDown;
  EXPECT_FALSE(temporal.Work(temporal.env->state_file()));
  EXPECT_EQ(SumOf(CollectOnce(temporal, "workflows").text, "temporal_workflow_completed_total"), 1);
}

TEST(Streams, RestoredCountersOfNamespacesThatAreListedAreServedBeforeTheListToo) {
  const StateFolder folder;
  {
    StreamsHarness temporal({"a", "gone"}, true, folder.options());
    for (const char* name : {"a", "gone"}) temporal.Closes(name, 1, 20 * kSecondUs);
    temporal.Run(minutes(2), temporal.env->state_file());
  }
  StreamsHarness temporal({"a"}, true, folder.options());
  temporal.clock.Advance(minutes(4));
  temporal.Closes("a", 1, 20 * kSecondUs);
  temporal.Closes("a", 2, 200 * kSecondUs);
  const auto completed = [&](const std::string& labels) {
    return SumOf(CollectOnce(temporal, "workflows").text, "temporal_workflow_completed_total",
                 labels);
  };
  temporal.transport->On("GetSystemInfo", kDown);
  temporal.refused = kDown;
  EXPECT_FALSE(temporal.Work(temporal.env->state_file()));
  EXPECT_EQ(completed("\"a\""), 1);
  EXPECT_EQ(completed("\"gone\""), 1);
  EXPECT_GE(SumOf(CollectOnce(temporal, "streams").text, "temporal_exporter_stream_lag_seconds",
                  "temporal_namespace=\"a\",stream=\"closed\""),
            120);
  EXPECT_FALSE(CollectOnce(temporal, "workflows").warnings.empty()) << "success is 0";

  Answer(*temporal.transport, "1.32.0");
  temporal.ServeNames();
  temporal.refused = [](const Request&) { return std::nullopt; };
  temporal.Run(minutes(4), temporal.env->state_file());
  EXPECT_EQ(completed("\"a\""), 2) << "it goes on where it was";
  EXPECT_EQ(completed("\"gone\""), -1) << "the server says what there is";
}

TEST(Streams, Golden) {
  StreamsHarness temporal({"default"});
  temporal.Closes("default", 1, 30 * kSecondUs);
  temporal.Closes("default", 2, 31 * kSecondUs, "Or\"der\n", "or\\ders");
  temporal.Run(minutes(2));
  static_cast<void>(CollectOnce(temporal, "activities"));  // shows zeros first
  temporal.Run(Millis(4'000));
  ExpectGolden(CollectOnce(temporal, "workflows").text, "temporal/workflows.prom");
  ExpectGolden(CollectOnce(temporal, "activities").text, "temporal/activities.prom");
  ExpectGolden(CollectOnce(temporal, "streams").text, "temporal/streams.prom");
}

}  // namespace
}  // namespace sidecar::temporal
