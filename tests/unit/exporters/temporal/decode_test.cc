#include "exporters/temporal/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/exporters/temporal/scripted_transport.h"

namespace sidecar::temporal {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

ServerInfo Server(const std::string& version, const std::string& store) {
  return {.version = version, .capabilities = {}, .cluster_known = true, .visibility_store = store};
}

TEST(Decode, RowIsReadWhole) {
  ws::ListWorkflowExecutionsResponse response;
  auto* const row = response.add_executions();
  row->mutable_execution()->set_workflow_id("w");
  row->mutable_execution()->set_run_id("r");
  row->mutable_type()->set_name("Order");
  row->set_task_queue("orders");
  row->set_status(enums::WORKFLOW_EXECUTION_STATUS_TIMED_OUT);
  row->mutable_start_time()->set_seconds(10);
  row->mutable_execution_time()->set_seconds(11);
  row->mutable_close_time()->set_seconds(12);
  row->mutable_close_time()->set_nanos(5);
  row->mutable_execution_duration()->set_nanos(7);
  row->set_history_length(3);
  row->mutable_parent_execution()->set_workflow_id("p");
  const Page page = Decode(response);
  ASSERT_EQ(page.rows.size(), 1U);
  const Execution& run = page.rows[0];
  EXPECT_EQ(run.workflow_id + run.run_id + run.type + run.task_queue, "wrOrderorders");
  EXPECT_EQ(run.status, Status::kTimedOut);
  EXPECT_EQ(run.start_ns, 10'000'000'000);
  EXPECT_EQ(run.execution_ns, 11'000'000'000);
  EXPECT_EQ(run.close_ns, 12'000'000'005);
  EXPECT_EQ(run.duration_ns, 7);
  EXPECT_EQ(run.history_length, 3);
  EXPECT_TRUE(run.child);
}

TEST(Decode, AbsentTimesAndDurationsAreNeitherZeroNorEarly) {
  ws::ListWorkflowExecutionsResponse response;
  response.add_executions();
  auto* const zero = response.add_executions();
  zero->mutable_close_time()->set_seconds(-62'135'596'800);  // Go's
  const Page page = Decode(response);
  EXPECT_EQ(page.rows[0].close_ns, 0);
  EXPECT_EQ(page.rows[0].duration_ns, -1);
  EXPECT_EQ(page.rows[1].close_ns, 0);
  EXPECT_FALSE(page.rows[0].child);
}

TEST(Decode, NegativeDurationIsNone) {
  ws::ListWorkflowExecutionsResponse response;
  auto* const row = response.add_executions();
  row->mutable_execution_duration()->set_seconds(-11);
  row->mutable_execution_duration()->set_nanos(-590'000'000);
  EXPECT_EQ(Decode(response).rows[0].duration_ns, 0);
}

TEST(Decode, HostileNumbersDoNotOverflow) {
  for (const std::int64_t seconds : {kMax, kMin, std::int64_t{-1}, kMax / 1'000'000'000}) {
    for (const int nanos : {std::numeric_limits<int>::max(), std::numeric_limits<int>::min(), -1}) {
      ws::ListWorkflowExecutionsResponse response;
      auto* const row = response.add_executions();
      row->mutable_start_time()->set_seconds(seconds);
      row->mutable_start_time()->set_nanos(nanos);
      row->mutable_execution_duration()->set_seconds(seconds);
      row->mutable_execution_duration()->set_nanos(nanos);
      row->set_history_length(seconds);
      const Execution run = Decode(response).rows[0];
      EXPECT_GE(run.start_ns, 0);
      EXPECT_GE(run.duration_ns, 0);
      EXPECT_GE(run.history_length, 0);
    }
  }
}

TEST(Decode, UnknownStatusKeepsItsNumberAndHasAName) {
  ws::ListWorkflowExecutionsResponse response;
  response.add_executions()->set_status(static_cast<enums::WorkflowExecutionStatus>(42));
  const Status status = Decode(response).rows[0].status;
  EXPECT_EQ(static_cast<int>(status), 42);
  EXPECT_EQ(Name(status), "unknown");
  EXPECT_EQ(Name(static_cast<Status>(-1)), "unknown");
  EXPECT_EQ(Name(Status::kContinuedAsNew), "continued_as_new");
}

TEST(Decode, GroupsAreNamedByTheirKeyword) {
  ws::CountWorkflowExecutionsResponse response;
  response.set_count(7);
  const std::pair<const char*, int> groups[] = {{"\"Running\"", 3}, {"\"Paused\"", 4}, {"", 9}};
  for (const auto& [value, count] : groups) {
    auto* const group = response.add_groups();
    group->add_group_values()->set_data(value);
    group->set_count(count);
  }
  response.add_groups()->set_count(1'000);  // without a value
  const CountAnswer answer = Decode(response);
  EXPECT_EQ(answer.count, 7);
  EXPECT_THAT(answer.groups, ElementsAre(Pair("", 9), Pair("Paused", 4), Pair("Running", 3)));
}

TEST(Decode, TraitsFollowTheVersion) {
  struct Case {
    const char* version;
    bool unified, paused;
  };
  for (const Case& one :
       {Case{"1.24.0", false, false}, Case{"1.29.1", false, false}, Case{"1.30.2", false, true},
        Case{"1.31.2", false, true}, Case{"1.32.0", true, true}, Case{"1.32.0-152.3", true, true},
        Case{"2.0.0", true, true}, Case{"", false, false}, Case{"garbage", false, false},
        Case{"99999999999.1", false, false}}) {
    const ServerTraits traits = TraitsOf(Server(one.version, "postgres12"));
    EXPECT_EQ(traits.unified_converter, one.unified) << one.version;
    EXPECT_EQ(traits.paused_status, one.paused) << one.version;
  }
}

TEST(Decode, TraitsFollowTheStore) {
  EXPECT_TRUE(TraitsOf(Server("1.32.0", "sqlite")).sqlite);
  for (const char* store : {"sqlite", "postgres12", "postgres12_pgx", "mysql8"}) {
    EXPECT_TRUE(TraitsOf(Server("1.32.0", store)).sql) << store;
  }
  for (const char* store : {"elasticsearch", "opensearch", "postgres12,elasticsearch", "", "x"}) {
    EXPECT_FALSE(TraitsOf(Server("1.32.0", store)).sql) << store;
  }
}

TEST(Decode, EventsCarryWhatTheirTypeHas) {
  ws::GetWorkflowExecutionHistoryReverseResponse response;
  auto* event = response.mutable_history()->add_events();
  event->set_event_id(9);
  event->set_event_type(enums::EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT);
  auto* const timed_out = event->mutable_activity_task_timed_out_event_attributes();
  timed_out->set_scheduled_event_id(5);
  timed_out->set_started_event_id(8);
  timed_out->mutable_failure()->mutable_timeout_failure_info()->set_timeout_type(
      enums::TIMEOUT_TYPE_HEARTBEAT);
  event = response.mutable_history()->add_events();
  event->set_event_type(enums::EVENT_TYPE_ACTIVITY_TASK_SCHEDULED);
  auto* const scheduled = event->mutable_activity_task_scheduled_event_attributes();
  scheduled->mutable_activity_type()->set_name("charge");
  scheduled->mutable_task_queue()->set_name("payments");
  event = response.mutable_history()->add_events();
  event->set_event_type(enums::EVENT_TYPE_WORKFLOW_TASK_SCHEDULED);
  auto* const queue =
      event->mutable_workflow_task_scheduled_event_attributes()->mutable_task_queue();
  queue->set_name("host:123");
  queue->set_normal_name("orders");
  queue->set_kind(enums::TASK_QUEUE_KIND_STICKY);
  event = response.mutable_history()->add_events();
  event->set_event_type(enums::EVENT_TYPE_ACTIVITY_TASK_FAILED);
  auto* const info = event->mutable_activity_task_failed_event_attributes()
                         ->mutable_failure()
                         ->mutable_application_failure_info();
  info->set_type("CardDeclined");
  info->set_category(enums::APPLICATION_ERROR_CATEGORY_BENIGN);
  response.mutable_history()->add_events()->set_event_type(static_cast<enums::EventType>(60));

  const HistoryPage page = Decode(response);
  ASSERT_EQ(page.events.size(), 5U);
  EXPECT_EQ(page.events[0].type, EventType::kActivityTimedOut);
  EXPECT_EQ(page.events[0].event_id, 9);
  EXPECT_EQ(page.events[0].scheduled_event_id, 5);
  EXPECT_EQ(page.events[0].started_event_id, 8);
  EXPECT_EQ(page.events[0].timeout, TimeoutType::kHeartbeat);
  EXPECT_EQ(page.events[1].activity_type, "charge");
  EXPECT_EQ(page.events[1].task_queue, "payments");
  EXPECT_TRUE(page.events[2].sticky);
  EXPECT_EQ(page.events[2].task_queue, "orders");
  EXPECT_EQ(page.events[3].failure_type, "CardDeclined");
  EXPECT_TRUE(page.events[3].benign);
  EXPECT_EQ(static_cast<int>(page.events[4].type), 60);
}

}  // namespace
}  // namespace sidecar::temporal
