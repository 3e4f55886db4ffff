// The state collectors over a scripted server: what they ask, what they say, and what they leave
// out when a namespace does not answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/collect/reason.h"
#include "common/config/document.h"
#include "common/metrics/encoder.h"
#include "tests/support/golden.h"
#include "tests/unit/exporters/temporal/frontend_harness.h"

namespace sidecar::temporal {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Ran {
  Result<> result;
  std::vector<std::string> warnings;  // reasons
  std::string text;
};

// One collector of the table, with its default options.
class Running {
 public:
  Running(FrontendHarness& temporal, std::string_view name) : temporal_(temporal) {
    auto document = Document::Load({.file = {}, .dir = {}, .environment = {}, .flags = {}});
    TableReader table = document->Root();
    for (const auto* spec : Collectors()) {
      if (spec->name != name) continue;
      auto made = spec->make(temporal.env, table);
      if (made) collector_ = std::move(*made);
    }
  }
  Ran Run(Millis time = Millis(20'000)) {
    const auto batch = std::make_shared<Batch>();
    Sink sink(*batch);
    Ran ran{
        .result = collector_->Collect(temporal_.Scrape(time), sink), .warnings = {}, .text = {}};
    for (const Error& warning : batch->warnings()) {
      ran.warnings.emplace_back(Reason(warning.code));
    }
    batch->Seal();
    const auto written = Encode({.parts = {batch}, .names = {}}, Format::kText,
                                [&](std::string_view piece) -> Result<> {
                                  ran.text += piece;
                                  return {};
                                });
    EXPECT_TRUE(written);
    return ran;
  }

 private:
  FrontendHarness& temporal_;
  std::unique_ptr<Collector> collector_;
};

void Serve(FrontendHarness& temporal, int status = 1) {
  temporal.transport->On("Check", [status](const Request&) -> Reply {
    return {.body = std::string("\x08") + static_cast<char>(status)};
  });
}
void AddRun(ws::ListWorkflowExecutionsResponse& list, const std::string& type,
            const std::string& queue, std::int64_t start,
            enums::WorkflowExecutionStatus status = enums::WORKFLOW_EXECUTION_STATUS_RUNNING) {
  auto* const row = list.add_executions();
  row->mutable_type()->set_name(type);
  row->set_task_queue(queue);
  row->set_status(status);
  row->mutable_start_time()->set_seconds(start);
}
ws::CountWorkflowExecutionsResponse Counted(std::int64_t running, std::int64_t paused = 0) {
  ws::CountWorkflowExecutionsResponse response;
  response.set_count(running + paused);
  for (const auto& [name, count] : {std::pair{"\"Running\"", running}, {"\"Paused\"", paused}}) {
    auto* const group = response.add_groups();
    group->add_group_values()->set_data(name);
    group->set_count(count);
  }
  return response;
}

TEST(FrontendCollector, ServingAndRefusedAreTold) {
  FrontendHarness temporal("1.32.0");
  Running collector(temporal, "frontend");
  Serve(temporal);
  EXPECT_THAT(collector.Run().text, HasSubstr("\ntemporal_up 1\n"));
  Serve(temporal, 2);
  EXPECT_THAT(collector.Run().text, HasSubstr("\ntemporal_up 0\n"));
  Serve(temporal);
  temporal.transport->On("CountWorkflowExecutions",
                         [](const Request&) -> Reply { return {.code = Code::kUnauthenticated}; });
  EXPECT_FALSE(temporal.frontend->Count(temporal.Scrape(), "default", ""));
  const Ran refused = collector.Run();
  EXPECT_THAT(refused.text, HasSubstr("\ntemporal_up 0\n"));
  EXPECT_THAT(refused.warnings, Contains("denied"));
}

TEST(FrontendCollector, DownIsZeroAndAWarning) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("Check",
                         [](const Request&) -> Reply { return {.code = Code::kUnavailable}; });
  const Ran ran = Running(temporal, "frontend").Run();
  ASSERT_TRUE(ran.result);
  EXPECT_THAT(ran.text, HasSubstr("\ntemporal_up 0\n"));
  EXPECT_THAT(ran.text, Not(HasSubstr("temporal_health_status")));
  EXPECT_THAT(ran.warnings, testing::ElementsAre("unavailable"));
}

TEST(FrontendCollector, ServerWithoutAHealthServiceIsUpIfItTellsItsVersion) {
  FrontendHarness temporal("1.32.0");  // Check is an unknown method
  EXPECT_THAT(Running(temporal, "frontend").Run().text, HasSubstr("\ntemporal_up 1\n"));
}

TEST(FrontendCollector, WithoutAHealthServiceItAsksEachTimeAndForTwoSecondsInAll) {
  FrontendHarness temporal("1.32.0");
  Running collector(temporal, "frontend");
  EXPECT_THAT(collector.Run().text, HasSubstr("\ntemporal_up 1\n"));
  Millis asked{0};
  temporal.transport->On("Check", [&](const Request& request) -> Reply {
    EXPECT_LE(request.timeout, Millis(2'000));
    temporal.clock.Advance(Millis(1'500));
    return {.code = Code::kUnimplemented};
  });
  temporal.transport->On("GetSystemInfo", [&](const Request& request) -> Reply {
    asked = request.timeout;
    return {.code = Code::kUnavailable};
  });
  EXPECT_THAT(collector.Run().text, HasSubstr("\ntemporal_up 0\n"));
  EXPECT_EQ(asked, Millis(500));
}

TEST(ClusterCollector, Golden) {
  FrontendHarness temporal("1.32.0");
  const Ran ran = Running(temporal, "cluster").Run();
  ASSERT_TRUE(ran.result);
  ExpectGolden(ran.text, "temporal/cluster.prom");
}

TEST(NamespacesCollector, Golden) {
  FrontendHarness temporal("1.32.0");
  const Ran ran = Running(temporal, "namespaces").Run();
  ASSERT_TRUE(ran.result);
  ExpectGolden(ran.text, "temporal/namespaces.prom");
}

TEST(OpenWorkflows, Golden) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("CountWorkflowExecutions", [](const Request& request) {
    ws::CountWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    EXPECT_EQ(asked.query(), "ExecutionStatus IN ('Running', 'Paused') GROUP BY ExecutionStatus");
    return Ok(Counted(3, 1));
  });
  ws::ListWorkflowExecutionsResponse list;
  AddRun(list, "Order", "orders", 1'700'000'100);
  AddRun(list, "Order", "orders", 1'700'000'000);
  AddRun(list, "Or\"der\n", "or\\ders", 1'700'000'050);
  AddRun(list, "Refund", "orders", 0, enums::WORKFLOW_EXECUTION_STATUS_PAUSED);
  AddRun(list, "Gone", "orders", 1, enums::WORKFLOW_EXECUTION_STATUS_COMPLETED);
  temporal.transport->Answer("ListWorkflowExecutions", list);
  const Ran ran = Running(temporal, "open_workflows").Run();
  ASSERT_TRUE(ran.result);
  ExpectGolden(ran.text, "temporal/open_workflows.prom");
  EXPECT_EQ(temporal.env->queues().Of("default", temporal.clock.mono()),
            (std::vector<std::string>{"or\\ders", "orders"}));
}

TEST(OpenWorkflows, LiteralThatTheServerDoesNotKnowIsNotAsked) {
  FrontendHarness temporal("1.29.1");
  temporal.transport->On("CountWorkflowExecutions", [](const Request& request) {
    ws::CountWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    EXPECT_EQ(asked.query(), "ExecutionStatus = 'Running' GROUP BY ExecutionStatus");
    return Ok(Counted(0));
  });
  temporal.transport->Answer("ListWorkflowExecutions", ws::ListWorkflowExecutionsResponse());
  EXPECT_TRUE(Running(temporal, "open_workflows").Run().result);
}

TEST(OpenWorkflows, TooManyAreCountedByTypeAFewAtATime) {
  FrontendHarness temporal("1.32.0");
  std::vector<std::string> counted;
  temporal.transport->On("CountWorkflowExecutions", [&](const Request& request) {
    ws::CountWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    if (asked.query().find("GROUP BY") != std::string::npos) return Ok(Counted(50'000));
    counted.push_back(asked.query());
    return Ok(Counted(7));
  });
  temporal.transport->On("ListWorkflowExecutions", [](const Request&) {
    ws::ListWorkflowExecutionsResponse list;
    for (int i = 0; i < 12; ++i) AddRun(list, "T" + std::to_string(10 + i), "q", 5);
    AddRun(list, "x' OR 'a' = 'a", "q", 5);
    list.set_next_page_token("more");
    return Ok(list);
  });
  Running collector(temporal, "open_workflows");
  const Ran first = collector.Run();
  EXPECT_EQ(counted.size(), 8U);
  EXPECT_THAT(first.text, HasSubstr("temporal_workflow_open_scan_complete{temporal_namespace="
                                    "\"default\"} 0\n"));
  EXPECT_THAT(first.text, HasSubstr("workflow_type=\"T10\",task_queue=\"\",status=\"running\"} 7"));
  EXPECT_THAT(first.text, Not(HasSubstr("T21")));
  temporal.clock.Advance(Millis(60'000));
  EXPECT_THAT(collector.Run().text, HasSubstr("T21"));
  EXPECT_THAT(counted, Not(Contains(HasSubstr("OR"))));
}

TEST(OpenWorkflows, MoreTypesThanTheBoundBecomeOther) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->Answer("CountWorkflowExecutions", Counted(500));
  ws::ListWorkflowExecutionsResponse list;
  for (int i = 0; i < 500; ++i) AddRun(list, "T" + std::to_string(i), "q", 1'000 + i);
  temporal.transport->Answer("ListWorkflowExecutions", list);
  const Ran ran = Running(temporal, "open_workflows").Run();
  EXPECT_THAT(ran.text,
              HasSubstr("temporal_workflow_open{temporal_namespace=\"default\",workflow_type="
                        "\"__other__\",task_queue=\"__other__\",status=\"running\"} 300\n"));
}

TEST(OpenWorkflows, NamespaceThatFailsIsLeftOutAndSaid) {
  FrontendHarness temporal("1.32.0", {.names = {"bad", "good"}});
  temporal.transport->On("CountWorkflowExecutions", [](const Request& request) -> Reply {
    if (request.name_space == "bad") return {.code = Code::kInternal, .message = "boom"};
    return Ok(Counted(0));
  });
  temporal.transport->Answer("ListWorkflowExecutions", ws::ListWorkflowExecutionsResponse());
  const Ran ran = Running(temporal, "open_workflows").Run();
  ASSERT_TRUE(ran.result);
  EXPECT_THAT(ran.warnings, testing::ElementsAre("unavailable"));
  EXPECT_THAT(ran.text, HasSubstr("\"good\""));
  EXPECT_THAT(ran.text, Not(HasSubstr("\"bad\"")));
}

TEST(OpenWorkflows, NamespacesThatARunDidNotComeToAreTheFirstOfTheNext) {
  FrontendHarness temporal("1.32.0", {.names = {"a", "b", "c", "d"}});
  std::string asked, out_of_time = "cd";
  temporal.transport->On("CountWorkflowExecutions", [&](const Request& request) -> Reply {
    asked += request.name_space;
    if (out_of_time.find(request.name_space) != std::string::npos)
      return {.code = Code::kCancelled};
    return Ok(Counted(0));
  });
  temporal.transport->Answer("ListWorkflowExecutions", ws::ListWorkflowExecutionsResponse());
  Running collector(temporal, "open_workflows");
  EXPECT_THAT(collector.Run().warnings, testing::ElementsAre("timeout", "timeout"));
  out_of_time = "c";
  EXPECT_THAT(collector.Run().warnings, testing::ElementsAre("timeout"));
  EXPECT_THAT(collector.Run().warnings, testing::ElementsAre("timeout"));
  EXPECT_EQ(asked, "abcdcdababcd") << "and not again with one that hangs by itself";
}

TEST(OpenWorkflows, NamesOfAnyLengthAreCutAndCounted) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->Answer("CountWorkflowExecutions", Counted(2));
  ws::ListWorkflowExecutionsResponse list;
  AddRun(list, std::string(10'000, 'x') + "a", std::string(10'000, 'y'), 5);
  AddRun(list, std::string(10'000, 'x') + "b", std::string(10'000, 'y'), 5);
  temporal.transport->Answer("ListWorkflowExecutions", list);
  const Ran ran = Running(temporal, "open_workflows").Run();
  EXPECT_THAT(ran.text, HasSubstr("workflow_type=\"" + std::string(200, 'x') + "\",task_queue=\"" +
                                  std::string(200, 'y') + "\",status=\"running\"} 2\n"));
}

void Describe(FrontendHarness& temporal) {
  temporal.transport->On("DescribeTaskQueue", [&temporal](const Request& request) {
    ws::DescribeTaskQueueRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    ws::DescribeTaskQueueResponse response;
    if (asked.task_queue_type() != enums::TASK_QUEUE_TYPE_WORKFLOW) {
      response.mutable_stats();
      return Ok(response);
    }
    response.mutable_stats()->set_approximate_backlog_count(12);
    response.mutable_stats()->mutable_approximate_backlog_age()->set_seconds(90);
    response.mutable_stats()->set_tasks_add_rate(2.5F);
    response.mutable_stats()->set_tasks_dispatch_rate(-1);
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(temporal.clock.wall().time_since_epoch())
            .count();
    for (const std::int64_t age : {0, 60, 119, 121, 300}) {
      auto* const poller = response.add_pollers();
      poller->mutable_last_access_time()->set_seconds(now - age);
      auto* const options = poller->mutable_deployment_options();
      options->set_build_id("b7");
      options->set_deployment_name("shop");
      options->set_worker_versioning_mode(age == 60 ? enums::WORKER_VERSIONING_MODE_VERSIONED
                                                    : enums::WORKER_VERSIONING_MODE_UNVERSIONED);
    }
    return Ok(response);
  });
}

TEST(TaskQueues, Golden) {
  FrontendHarness temporal("1.32.0");
  temporal.env->queues().Saw("default", "orders", temporal.clock.mono());
  Describe(temporal);
  const Ran ran = Running(temporal, "task_queues").Run();
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  ExpectGolden(ran.text, "temporal/task_queues.prom");
}

TEST(TaskQueues, NamesOfAnyLengthAreCut) {
  FrontendHarness temporal("1.32.0");
  temporal.env->queues().Saw("default", std::string(5'000, 'q'), temporal.clock.mono());
  Describe(temporal);
  EXPECT_THAT(Running(temporal, "task_queues").Run().text,
              HasSubstr("task_queue=\"" + std::string(200, 'q') + "\""));
}

TEST(TaskQueues, ConfiguredOnesNeedNoPlace) {
  FrontendHarness temporal("1.32.0", {.names = {"default"}}, {.task_queues = {"wanted", "b/not"}});
  for (int i = 0; i < 300; ++i) {
    temporal.env->queues().Saw("default", "q" + std::to_string(i), temporal.clock.mono());
  }
  Describe(temporal);
  const Ran ran = Running(temporal, "task_queues").Run();
  EXPECT_THAT(ran.text, HasSubstr("task_queue=\"wanted\""));
  EXPECT_THAT(ran.text, Not(HasSubstr("task_queue=\"not\"")));
}

TEST(TaskQueues, AreFoundInOpenRunsWhenNobodySawAny) {
  FrontendHarness temporal("1.32.0");
  ws::ListWorkflowExecutionsResponse list;
  AddRun(list, "Order", "found", 5);
  temporal.transport->Answer("ListWorkflowExecutions", list);
  Describe(temporal);
  EXPECT_THAT(Running(temporal, "task_queues").Run().text, HasSubstr("task_queue=\"found\""));
}

TEST(TaskQueues, RpcThatANamespaceDoesNotOfferIsTriedAgainLater) {
  FrontendHarness temporal("1.32.0");
  temporal.env->queues().Saw("default", "orders", temporal.clock.mono());
  Running collector(temporal, "task_queues");
  EXPECT_EQ(collector.Run().result.error().code, Errc::kUnsupported);
  EXPECT_THAT(temporal.logged, HasSubstr("collector is off in a namespace"));
  const std::size_t calls = temporal.transport->calls().size();
  EXPECT_EQ(collector.Run().result.error().code, Errc::kNoData);
  EXPECT_EQ(temporal.transport->calls().size(), calls) << "not asked";
  Serve(temporal);
  EXPECT_THAT(Running(temporal, "frontend").Run().text,
              HasSubstr("temporal_exporter_collector_disabled{collector=\"task_queues\","
                        "temporal_namespace=\"default\",reason=\"unsupported\"} 1\n"));
  Describe(temporal);
  temporal.clock.Advance(std::chrono::minutes(10));
  EXPECT_TRUE(collector.Run().result);
  EXPECT_THAT(Running(temporal, "frontend").Run().text,
              Not(HasSubstr("temporal_exporter_collector_disabled{")));
}

TEST(TaskQueues, PermissionDeniedInOneNamespaceLeavesTheOthers) {
  FrontendHarness temporal("1.32.0", {.names = {"mine", "theirs"}});
  for (const char* name : {"mine", "theirs"}) {
    temporal.env->queues().Saw(name, "q", temporal.clock.mono());
  }
  temporal.transport->On("DescribeTaskQueue", [](const Request& request) -> Reply {
    if (request.name_space == "theirs") return {.code = Code::kPermissionDenied};
    return Ok(ws::DescribeTaskQueueResponse());
  });
  Running collector(temporal, "task_queues");
  const Ran first = collector.Run();
  ASSERT_TRUE(first.result);
  EXPECT_THAT(first.warnings, testing::ElementsAre("denied"));
  EXPECT_THAT(first.text, HasSubstr("\"mine\""));
  const Ran second = collector.Run();
  EXPECT_TRUE(second.warnings.empty()) << "said once, then shown as disabled";
}

TEST(TaskQueues, OldServerSaysItsHint) {
  FrontendHarness temporal("1.24.2");
  temporal.env->queues().Saw("default", "orders", temporal.clock.mono());
  ws::DescribeTaskQueueResponse response;
  response.mutable_task_queue_status()->set_backlog_count_hint(4);
  temporal.transport->Answer("DescribeTaskQueue", response);
  const Ran ran = Running(temporal, "task_queues").Run();
  EXPECT_THAT(ran.text, HasSubstr("temporal_task_queue_backlog{temporal_namespace=\"default\","
                                  "task_queue=\"orders\",task_type=\"workflow\"} 4\n"));
  EXPECT_THAT(ran.text, Not(HasSubstr("backlog_age")));
}

}  // namespace
}  // namespace sidecar::temporal
