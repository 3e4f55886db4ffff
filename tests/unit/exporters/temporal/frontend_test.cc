#include "exporters/temporal/frontend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/unit/exporters/temporal/frontend_harness.h"

namespace sidecar::temporal {
namespace {

using testing::ElementsAre;

ws::ListWorkflowExecutionsResponse Rows(int count) {
  ws::ListWorkflowExecutionsResponse response;
  for (int i = 0; i < count; ++i) {
    auto* const row = response.add_executions();
    row->mutable_execution()->set_run_id("r" + std::to_string(i));
  }
  return response;
}
ws::ListWorkflowExecutionsRequest Asked(const Request& request) {
  ws::ListWorkflowExecutionsRequest message;
  EXPECT_TRUE(message.ParseFromString(request.body));
  return message;
}
double Counted(prometheus::Registry& registry, const std::string& name) {
  double sum = 0;
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    for (const auto& one : family.metric) sum += one.counter.value;
  }
  return sum;
}

TEST(Frontend, QueryGoesOutAndRowsComeBack) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("ListWorkflowExecutions", [](const Request& request) {
    const auto asked = Asked(request);
    EXPECT_EQ(request.name_space, "default");
    EXPECT_EQ(request.path,
              "/temporal.api.workflowservice.v1.WorkflowService/ListWorkflowExecutions");
    EXPECT_EQ(asked.namespace_(), "default");
    EXPECT_EQ(asked.query(), "ExecutionStatus = 'Running'");
    EXPECT_EQ(asked.page_size(), 7);
    EXPECT_EQ(asked.next_page_token(), std::string("t\0k", 3));
    auto answer = Rows(2);
    answer.set_next_page_token(std::string("n\0x", 3));
    return Ok(answer);
  });
  const auto page = temporal.frontend->List(
      temporal.Scrape(), "default", "ExecutionStatus = 'Running'", 7, std::string("t\0k", 3));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->rows.size(), 2U);
  EXPECT_EQ(page->next_page_token, std::string("n\0x", 3));
}

TEST(Frontend, PageTooLargeForAMessageIsHalvedUntilItFits) {
  FrontendHarness temporal("1.32.0");
  std::vector<int> sizes;
  temporal.transport->On("ListWorkflowExecutions", [&](const Request& request) -> Reply {
    const auto asked = Asked(request);
    EXPECT_EQ(asked.next_page_token(), "token") << "the same page";
    sizes.push_back(asked.page_size());
    if (asked.page_size() > 300) {
      return {.code = Code::kResourceExhausted,
              .message = "Received message larger than max (5000000 vs. 4194304)"};
    }
    return Ok(Rows(asked.page_size()));
  });
  const auto page = temporal.frontend->List(temporal.Scrape(), "default", "", 1'000, "token");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->rows.size(), 250U);
  ASSERT_TRUE(temporal.frontend->List(temporal.Scrape(), "default", "", 1'000, "token"));
  EXPECT_THAT(sizes, ElementsAre(1'000, 500, 250, 250));
  EXPECT_EQ(Counted(temporal.self, "temporal_exporter_rpc_throttled_total"), 0);
}

TEST(Frontend, SingleRowThatIsTooLargeIsALimit) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("ListWorkflowExecutions", [](const Request&) -> Reply {
    return {.code = Code::kResourceExhausted, .message = "grpc: message size 9 exceeds 8"};
  });
  const auto page = temporal.frontend->List(temporal.Scrape(), "default", "", 1'000, "");
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Errc::kLimit);
}

TEST(Frontend, ThrottlingHoldsBackTheNextCallOfThatNamespaceOnly) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("CountWorkflowExecutions", [](const Request& request) -> Reply {
    if (request.name_space == "a") {
      return Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
                       enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE);
    }
    return Ok(ws::CountWorkflowExecutionsResponse());
  });
  EXPECT_EQ(temporal.frontend->Count(temporal.Scrape(), "a", "").error().code, Errc::kLimit);
  const auto second = temporal.frontend->Count(temporal.Scrape(Millis(500)), "a", "");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kLimit);
  EXPECT_THAT(temporal.transport->calls(), ElementsAre("CountWorkflowExecutions"))
      << "the second was not made";
  EXPECT_TRUE(temporal.frontend->Count(temporal.Scrape(Millis(0)), "b", ""));
  EXPECT_EQ(Counted(temporal.self, "temporal_exporter_rpc_throttled_total"), 1);
  EXPECT_EQ(Counted(temporal.self, "temporal_exporter_rate_budget_refused_total"), 1);
}

TEST(Frontend, DeadlineCountsAsThrottlingSinceTheServerGoesOn) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("CountWorkflowExecutions",
                         [](const Request&) -> Reply { return {.code = Code::kDeadlineExceeded}; });
  EXPECT_EQ(temporal.frontend->Count(temporal.Scrape(), "a", "").error().code, Errc::kTimeout);
  EXPECT_EQ(temporal.frontend->Count(temporal.Scrape(Millis(900)), "a", "").error().code,
            Errc::kLimit);
}

TEST(Frontend, ConnectionThatEndedUnderACallIsTriedOnceMore) {
  FrontendHarness temporal("1.32.0");
  int calls = 0;
  temporal.transport->On("CountWorkflowExecutions", [&](const Request&) -> Reply {
    if (++calls % 2 == 1) return {.code = Code::kUnavailable, .message = "GOAWAY received"};
    ws::CountWorkflowExecutionsResponse response;
    response.set_count(5);
    return Ok(response);
  });
  auto count = std::async(std::launch::async, [&] {
    return temporal.frontend->Count(temporal.Scrape(), "default", "");
  });
  ASSERT_TRUE(temporal.clock.AwaitBlocked(1));
  temporal.clock.Advance(Millis(200));
  const auto answer = count.get();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->count, 5);
}

TEST(Frontend, RetryDoesNotOutlastTheScrape) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("CountWorkflowExecutions",
                         [](const Request&) -> Reply { return {.code = Code::kUnavailable}; });
  EXPECT_EQ(temporal.frontend->Count(temporal.Scrape(Millis(300)), "a", "").error().code,
            Errc::kUnavailable);
  EXPECT_EQ(temporal.transport->calls().size(), 1U);
}

TEST(Frontend, AnswerThatIsNotItsMessageIsAParseError) {
  FrontendHarness temporal("1.32.0");
  for (const char* garbage : {"\xff\xff\xff\xff\xff", "\x0a\x7f", "HTTP/1.1 200 OK\r\n\r\n"}) {
    temporal.transport->On("ListWorkflowExecutions",
                           [&](const Request&) -> Reply { return {.body = garbage}; });
    const auto page = temporal.frontend->List(temporal.Scrape(), "default", "", 10, "");
    ASSERT_FALSE(page) << garbage;
    EXPECT_EQ(page.error().code, Errc::kParse);
  }
}

// Servers cannot say it, as Go refuses to write it.
TEST(Frontend, AnswerWithATextThatIsNotUtf8IsAParseErrorAndNotPrinted) {
  FrontendHarness temporal("1.32.0");
  auto rows = Rows(1);
  rows.mutable_executions(0)->mutable_type()->set_name(
      "Ord\xff"
      "er");
  testing::internal::CaptureStderr();
  temporal.transport->Answer("ListWorkflowExecutions", rows);
  const auto page = temporal.frontend->List(temporal.Scrape(), "default", "", 10, "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Errc::kParse);
}

TEST(Frontend, ServerIsAskedOnceAMinute) {
  FrontendHarness temporal("1.32.0");
  ASSERT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  ASSERT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  EXPECT_EQ(temporal.transport->calls().size(), 2U);
  temporal.clock.Advance(Millis(60'000));
  Answer(*temporal.transport, "1.33.1");
  ASSERT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  EXPECT_EQ(temporal.frontend->traits().version, "1.33.1");
}

TEST(Frontend, ClusterThatDoesNotAnswerOnceStaysWhatItWas) {
  FrontendHarness temporal("1.32.0");
  ASSERT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  temporal.clock.Advance(Millis(60'000));
  temporal.transport->On("GetClusterInfo",
                         [](const Request&) -> Reply { return {.code = Code::kInternal}; });
  const auto server = temporal.frontend->Server(temporal.Scrape());
  ASSERT_TRUE(server);
  EXPECT_TRUE((*server)->cluster_known);
  EXPECT_EQ((*server)->visibility_store, "sqlite");
  EXPECT_TRUE(temporal.frontend->traits().sqlite);
  Answer(*temporal.transport, "1.33.1");  // and is asked again at once
  ASSERT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  EXPECT_EQ(temporal.frontend->traits().version, "1.33.1");
}

TEST(Frontend, PagesGrowAgainAfterAHundredThatPassed) {
  FrontendHarness temporal("1.32.0");
  int largest = 300, asked_for = 0;
  temporal.transport->On("ListWorkflowExecutions", [&](const Request& request) -> Reply {
    ws::ListWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    asked_for = asked.page_size();
    if (asked_for <= largest) return Ok(ws::ListWorkflowExecutionsResponse());
    return {.code = Code::kResourceExhausted, .message = "received message larger than max"};
  });
  const auto list = [&](int times) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(temporal.frontend->List(temporal.Scrape(), "default", "", 1'000, ""));
    }
    return asked_for;
  };
  EXPECT_EQ(list(1), 250);
  EXPECT_EQ(list(99), 250);
  largest = 1'000;
  EXPECT_EQ(list(1), 500);
  EXPECT_EQ(list(100), 1'000);
}

TEST(Frontend, HistoryTooLargeForAMessageIsOfNoUse) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("GetWorkflowExecutionHistoryReverse", [](const Request&) -> Reply {
    return {.code = Code::kResourceExhausted, .message = "received message larger than max"};
  });
  EXPECT_EQ(temporal.frontend->History(temporal.Scrape(), "default", "w", "r", "").error().code,
            Errc::kParse);
}

TEST(Frontend, ServerThatDoesNotTellItsClusterIsTakenForAnyStore) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("GetClusterInfo", [](const Request&) -> Reply {
    return {.code = Code::kPermissionDenied, .message = "Request unauthorized."};
  });
  const auto server = temporal.frontend->Server(temporal.Scrape());
  ASSERT_TRUE(server);
  EXPECT_FALSE((*server)->cluster_known);
  EXPECT_EQ((*server)->version, "1.32.0");
  EXPECT_FALSE(temporal.frontend->traits().sql);
}

TEST(Frontend, UnauthenticatedIsRememberedUntilACallPasses) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("CountWorkflowExecutions",
                         [](const Request&) -> Reply { return {.code = Code::kUnauthenticated}; });
  EXPECT_EQ(temporal.frontend->Count(temporal.Scrape(), "a", "").error().code, Errc::kUnavailable);
  EXPECT_TRUE(temporal.frontend->unauthenticated());
  temporal.transport->Answer("CountWorkflowExecutions", ws::CountWorkflowExecutionsResponse());
  EXPECT_TRUE(temporal.frontend->Count(temporal.Scrape(), "a", ""));
  EXPECT_FALSE(temporal.frontend->unauthenticated());
}

// What DescribeTaskQueue is asked on servers of a time (temporal.md 3.7).
ws::DescribeTaskQueueRequest AskedOfQueue(const std::string& version) {
  FrontendHarness temporal(version);
  ws::DescribeTaskQueueRequest asked;
  temporal.transport->On("DescribeTaskQueue", [&](const Request& request) {
    EXPECT_TRUE(asked.ParseFromString(request.body));
    return Ok(ws::DescribeTaskQueueResponse());
  });
  EXPECT_TRUE(temporal.frontend->Server(temporal.Scrape()));
  EXPECT_TRUE(
      temporal.frontend->DescribeQueue(temporal.Scrape(), "default", "q", QueueType::kActivity));
  EXPECT_EQ(asked.task_queue().name(), "q");
  EXPECT_EQ(asked.task_queue().kind(), enums::TASK_QUEUE_KIND_NORMAL);
  EXPECT_EQ(asked.task_queue_type(), enums::TASK_QUEUE_TYPE_ACTIVITY);
  return asked;
}

TEST(Frontend, QueueStatisticsAreAskedForAsTheServerKnowsThem) {
  for (const char* version : {"1.28.0", "1.29.1", "1.30.2", "1.31.2", "1.32.0"}) {
    const auto asked = AskedOfQueue(version);
    EXPECT_TRUE(asked.report_stats()) << version;
    EXPECT_EQ(asked.api_mode(), enums::DESCRIBE_TASK_QUEUE_MODE_UNSPECIFIED) << version;
  }
  for (const char* version : {"1.25.2", "1.26.2", "1.27.1"}) {
    const auto asked = AskedOfQueue(version);
    EXPECT_EQ(asked.api_mode(), enums::DESCRIBE_TASK_QUEUE_MODE_ENHANCED) << version;
    EXPECT_TRUE(asked.versions().unversioned() && asked.versions().all_active()) << version;
    EXPECT_TRUE(asked.report_stats() && asked.report_pollers()) << version;
    EXPECT_EQ(asked.task_queue_types_size(), 1) << version;
  }
  const auto asked = AskedOfQueue("1.24.3");
  EXPECT_TRUE(asked.include_task_queue_status());
  EXPECT_FALSE(asked.report_stats());
}

TEST(Frontend, StatisticsOfEveryBuildAreAddedUp) {
  FrontendHarness temporal("1.26.2");
  ws::DescribeTaskQueueResponse response;
  for (const char* build : {"", "b1", "b2"}) {
    auto& info = (*(*response.mutable_versions_info())[build].mutable_types_info())[2];
    info.mutable_stats()->set_approximate_backlog_count(4);
    info.mutable_stats()->mutable_approximate_backlog_age()->set_seconds(build[0] == 0 ? 9 : 2);
    info.mutable_stats()->set_tasks_add_rate(1.5F);
    info.add_pollers();
  }
  temporal.transport->Answer("DescribeTaskQueue", response);
  const auto answer =
      temporal.frontend->DescribeQueue(temporal.Scrape(), "default", "q", QueueType::kActivity);
  ASSERT_TRUE(answer && answer->stats);
  EXPECT_EQ(answer->stats->backlog, 12);
  EXPECT_DOUBLE_EQ(answer->stats->backlog_age_seconds, 9);
  EXPECT_DOUBLE_EQ(answer->stats->add_rate, 4.5);
  EXPECT_EQ(answer->pollers.size(), 3U);
}

}  // namespace
}  // namespace sidecar::temporal
