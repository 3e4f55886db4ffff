// How calls fail that a real frontend does not let fail on demand, through gRPC, the budget and the
// streams: counters are exact afterwards, and what is off meanwhile is said. Time is the test's.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "common/collect/engine.h"
#include "tests/unit/exporters/temporal/faults_harness.h"

namespace sidecar::temporal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kTenMinutes = 600;
constexpr const char* kList = "ListWorkflowExecutions";
constexpr const char* kHistory = "GetWorkflowExecutionHistoryReverse";

TEST(FrontendFaults, NamespaceThatIsThrottledIsAskedLessAndCountsAll) {
  FaultsHarness temporal;
  double tokens = 1;
  Mono filled = temporal.clock.mono();
  int calls = 0, refused = 0;
  temporal.server->On(kList, [&](const FakeFrontend::Call& call) {
    ++calls;
    // One call a second: the exporter wants no more, but several at once.
    const Mono now = temporal.clock.mono();
    tokens = std::min(1.0, tokens + std::chrono::duration<double>(now - filled).count());
    filled = now;
    if (tokens < 1) {
      ++refused;
      return Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
                       enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE);
    }
    tokens -= 1;
    return temporal.store.Answer(call);
  });
  ASSERT_TRUE(temporal.Work());
  temporal.Add(100);
  double slowest = 2;
  for (int i = 0; i < kTenMinutes; i += 2) {
    static_cast<void>(temporal.Work());
    slowest = std::min(slowest, temporal.Own("temporal_exporter_rate_budget_calls_per_second",
                                             {{"bucket", "visibility"}}));
  }
  temporal.ExpectExact();
  const std::map<std::string, std::string> whose{
      {"temporal_namespace", "default"}, {"cause", "rps_limit"}, {"scope", "namespace"}};
  EXPECT_EQ(temporal.Own("temporal_exporter_rpc_throttled_total", whose), refused);
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, calls / 2) << "it goes on asking";
  EXPECT_LE(slowest, 1);
  EXPECT_THAT(temporal.Shut(), IsEmpty());
}

TEST(FrontendFaults, ServerThatIsThrottledSlowsAllCalls) {
  FaultsHarness temporal;
  bool overloaded = false;
  temporal.server->On(kList, [&](const FakeFrontend::Call& call) {
    return overloaded ? Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED,
                                  enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM)
                      : temporal.store.Answer(call);
  });
  ASSERT_TRUE(temporal.Work());
  temporal.Add(100);
  overloaded = true;
  temporal.Run(30);
  EXPECT_LT(temporal.Own("temporal_exporter_rate_budget_calls_per_second", {{"bucket", "total"}}),
            50);
  overloaded = false;
  EXPECT_FALSE(temporal.Run(2 * kTenMinutes));
  temporal.ExpectExact();
}

// Its store took nothing while it refused: rows are late by the time that took, not by the late
// window.
TEST(FrontendFaults, RowsThatAServerShowsOnlyWhenItsTroubleIsOverAreCounted) {
  for (const auto cause : {enums::RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED,
                           enums::RESOURCE_EXHAUSTED_CAUSE_PERSISTENCE_LIMIT,
                           enums::RESOURCE_EXHAUSTED_CAUSE_CIRCUIT_BREAKER_OPEN}) {
    FaultsHarness temporal;
    bool overloaded = false;
    temporal.server->On(kList, [&](const FakeFrontend::Call& call) {
      return overloaded ? Exhausted(cause, enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM)
                        : temporal.store.Answer(call);
    });
    ASSERT_TRUE(temporal.Work());
    temporal.Add(100);
    temporal.Run(30);
    overloaded = true;
    const std::int64_t from = temporal.NowUs(), until = from + 120 * kSecondUs;
    for (SimulatedRun& run : temporal.store.runs.runs) {
      if (run.start > from) run.visible = until;
      if (run.close > from) run.close_visible = until;
    }
    temporal.Run(100);
    overloaded = false;
    temporal.Run(2 * kTenMinutes);
    temporal.ExpectExact();
  }
}

TEST(FrontendFaults, MethodThatAServerHasNotSwitchesOffThatPartOnlyAndIsTriedAgain) {
  // As 1.24 to 1.31 answer what they do not know, have not made, and have switched off.
  for (const char* says :
       {"unknown method GetWorkflowExecutionHistoryReverse for service "
        "temporal.api.workflowservice.v1.WorkflowService",
        "not implemented", "method GetWorkflowExecutionHistoryReverse not supported",
        "Standalone activity is disabled"}) {
    FaultsHarness temporal("1.29.1");
    int asked = 0;
    temporal.server->On(kHistory, [&](const FakeFrontend::Call&) {
      ++asked;
      return Reply{.code = Code::kUnimplemented, .message = says};
    });
    ASSERT_TRUE(temporal.Work());
    temporal.Add(200);
    temporal.Run(kTenMinutes);
    EXPECT_THAT(temporal.Shut(), ElementsAre("activities")) << says;
    EXPECT_THAT(temporal.logged, HasSubstr(says));
    EXPECT_EQ(asked, 1);
    temporal.ExpectExact();
    temporal.server->On(kHistory, [](const FakeFrontend::Call&) {
      return Ok(ws::GetWorkflowExecutionHistoryReverseResponse());
    });
    temporal.Run(kTenMinutes / 2);
    EXPECT_THAT(temporal.Shut(), IsEmpty()) << says;
    EXPECT_GT(temporal.Snapshot().histories.sampled, 0U);
  }
}

TEST(FrontendFaults, NamespaceThatIsNotAllowedIsSaidAndCountedOnceItIs) {
  FaultsHarness temporal;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(200);
  int asked = 0;
  temporal.server->On(kList, [&](const FakeFrontend::Call&) {
    ++asked;
    ::temporal::api::errordetails::v1::PermissionDeniedFailure failure;
    failure.set_reason("claims of another team");
    google::rpc::Status status;
    status.set_code(static_cast<int>(Code::kPermissionDenied));
    auto* const detail = status.add_details();
    detail->set_type_url(
        "type.googleapis.com/temporal.api.errordetails.v1.PermissionDeniedFailure");
    detail->set_value(failure.SerializeAsString());
    return Reply{.code = Code::kPermissionDenied,
                 .message = "Request unauthorized.",
                 .details = status.SerializeAsString()};
  });
  temporal.Run(kTenMinutes / 2);
  EXPECT_THAT(temporal.Shut(), ElementsAre("workflows"));
  EXPECT_THAT(temporal.logged, HasSubstr("claims of another team"));
  EXPECT_LE(asked, 2) << "one of each stream";
  temporal.server->On(kList, [&](const auto& call) { return temporal.store.Answer(call); });
  temporal.Run(2 * kTenMinutes);
  EXPECT_THAT(temporal.Shut(), IsEmpty());
  temporal.ExpectExact();
}

// The engine's deadline, on a clock that stands until the test moves it.
TEST(FrontendFaults, HangIsEndedByTheDeadlineOfItsRun) {
  FaultsHarness temporal;
  FakeClock clock;
  std::atomic<bool> hangs = false;
  temporal.server->On(kList, [&](const FakeFrontend::Call&) {
    hangs = true;
    return std::optional<Reply>();
  });
  Log log(clock, {}, [](std::string_view) {});
  Engine engine({"temporal", "temporal", 9233}, {clock, log, temporal.pool, temporal.self});
  Plan plan;
  plan.tasks = MakeStreamTasks(temporal.env, temporal.options, 1);
  const Schedule schedule = plan.tasks.front().schedule;
  engine.Swap(std::move(plan));
  const auto idle = [&] { return engine.Status().front().state == "idle"; };
  while (!hangs) {  // the streams begin when they run first: there is nothing to read yet
    if (idle() && clock.AwaitBlocked(1)) clock.Advance(schedule.interval);
  }
  EXPECT_FALSE(idle());
  clock.Advance(schedule.timeout);
  while (!idle()) std::this_thread::yield();
  const auto cut = std::map<std::string, std::string>{{"method", kList}, {"code", "CANCELLED"}};
  EXPECT_GE(temporal.Own("temporal_exporter_rpc_total", cut), 1);
  EXPECT_EQ(temporal.env->streams().snapshots().size(), 1U);
}

TEST(FrontendFaults, CallUnderWhichItsConnectionEndsIsMadeAgain) {
  FaultsHarness temporal;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(200);
  std::atomic<int> calls = 0;
  std::jthread restarter;
  temporal.server->On(kList, [&](const FakeFrontend::Call& call) -> std::optional<Reply> {
    if (++calls % 10 != 3) return temporal.store.Answer(call);
    // GOAWAY while it hangs, from another thread: a server waits for its handlers.
    restarter = std::jthread([&temporal] { temporal.server->Restart(); });
    return std::nullopt;
  });
  EXPECT_FALSE(temporal.Run(kTenMinutes)) << "the one retry is enough";
  EXPECT_GT(calls, 50);
  temporal.ExpectExact();
}

TEST(FrontendFaults, GarbageIsAnErrorAndNotCounted) {
  const std::string unknown_fields(1'000'001, 'x');
  for (const std::string& says :
       {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f short"), unknown_fields,
        std::string("\x0a\x04\x22\x02\xff\xfe", 6) + "\x07"}) {
    FaultsHarness temporal;
    ASSERT_TRUE(temporal.Work());
    temporal.Add(100);
    temporal.Run(20);
    temporal.server->On(kList, [&](const FakeFrontend::Call&) { return Reply{.body = says}; });
    const auto worked = temporal.Run(60);
    ASSERT_TRUE(worked);
    EXPECT_EQ(worked->code, Errc::kParse);
    temporal.server->On(kList, [&](const auto& call) { return temporal.store.Answer(call); });
    temporal.Run(kTenMinutes);
    temporal.ExpectExact();
    EXPECT_THAT(temporal.Shut(), IsEmpty());
  }
}

TEST(FrontendFaults, TlsWithTheWrongNameCountsNothingUntilItIsRight) {
  const Certificates files;
  files.Make("server", "temporal.example");
  FaultsHarness temporal(
      "1.32.0", std::make_unique<FakeFrontend>(FakeFrontend::Tls{
                    .certificate = files.Read("server.crt"), .key = files.Read("server.key")}));
  ConnectionOptions options{.address = temporal.server->address()};
  options.tls.enabled = true;
  options.tls.ca_file = files.folder() / "ca.crt";
  options.tls.server_name = "another.example";
  temporal.Connect(options);
  const auto wrong = temporal.Run(20);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->code, Errc::kUnavailable);
  EXPECT_THAT(temporal.Shut(), IsEmpty());
  EXPECT_EQ(temporal.store.runs.lists, 0U);

  options.tls.server_name = "temporal.example";
  temporal.Connect(options);
  ASSERT_TRUE(temporal.Work());
  temporal.Add(100);
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
}

}  // namespace
}  // namespace sidecar::temporal
