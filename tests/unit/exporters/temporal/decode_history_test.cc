// Histories that real servers wrote (tests/fixtures/temporal/histories), through the decoder and
// the join that count activities. What is expected is what protoc says by the official definitions.
// All of their activities completed; temporal_exact_test.py has the other outcomes, of live
// servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "exporters/temporal/activity_counters.h"
#include "tests/support/real_history.h"

namespace sidecar::temporal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<HistoryEvent> Read(const std::string& name) {
  return ReadHistory(std::string(SIDECAR_TESTS_DIR) + "/fixtures/temporal/histories/" + name);
}

ActivityJoin Join(const std::vector<HistoryEvent>& events) {
  ActivityJoin join;
  for (const HistoryEvent& event : events) join.Add(event);
  return join;
}

std::ptrdiff_t Of(EventType type, const std::vector<HistoryEvent>& events) {
  return std::ranges::count(events, type, &HistoryEvent::type);
}

TEST(RealHistory, ActivityOfAnOrderIsFound) {
  const auto events = Read("ends_empty_wft_complete.bin");
  const ActivityJoin join = Join(events);
  const ClosedActivity hello{.type = "say_hello",
                             .task_queue = "5f633ae3-6039-4a7e-a5f3-cc4a3ab2bea7",
                             .outcome = EventType::kActivityCompleted,
                             .attempts = 1,
                             .scheduled_ns = 1'680'045'632'319'913'334,
                             .started_ns = 1'680'045'632'320'881'183,
                             .closed_ns = 1'680'045'632'322'838'466};
  EXPECT_THAT(join.closed(), ElementsAre(hello));
  EXPECT_EQ(join.local_completed() + join.local_failed(), 0U);
  ASSERT_EQ(events.size(), 10U);
  EXPECT_EQ(events.back().workflow_type, "SayHelloWorkflow");
  EXPECT_EQ(events.back().attempt, 1);
  const auto sticky = std::ranges::find(events, true, &HistoryEvent::sticky);
  ASSERT_NE(sticky, events.end());
  EXPECT_EQ(sticky->event_id, 8);
}

TEST(RealHistory, ActivitiesAndALocalOneAreFoundBetweenWorkflowTasksThatFail) {
  const auto events = Read("evict_while_la_running_no_interference-23_history.bin");
  const ActivityJoin join = Join(events);
  ClosedActivity delay{.type = "delay",
                       .task_queue = "evict_while_la_running_no_interference_KCS7nREX",
                       .outcome = EventType::kActivityCompleted,
                       .attempts = 1,
                       .scheduled_ns = 1'669'755'181'993'133'011,
                       .started_ns = 1'669'755'181'994'288'644,
                       .closed_ns = 1'669'755'197'000'258'457};
  ClosedActivity before = delay;
  before.scheduled_ns = 1'669'755'128'754'073'111;
  before.started_ns = 1'669'755'128'789'130'755;
  before.closed_ns = 1'669'755'143'798'291'666;
  EXPECT_THAT(join.closed(), ElementsAre(delay, before));
  EXPECT_EQ(join.local_completed(), 1U);
  EXPECT_EQ(join.local_failed(), 0U);
  EXPECT_EQ(Of(EventType::kWorkflowTaskTimedOut, events), 4);
  EXPECT_EQ(Of(EventType::kWorkflowTaskFailed, events), 2);
  EXPECT_EQ(Of(EventType::kWorkflowTaskCompleted, events), 2);
}

TEST(RealHistory, MarkerOfAVersionIsNoLocalActivity) {
  const auto events = Read("old_change_marker_format.bin");
  const ActivityJoin join = Join(events);
  EXPECT_THAT(join.closed(), IsEmpty());
  EXPECT_EQ(join.local_completed() + join.local_failed(), 0U);
  const auto marker = std::ranges::find(events, EventType::kMarkerRecorded, &HistoryEvent::type);
  ASSERT_NE(marker, events.end());
  EXPECT_EQ(marker->marker_name, "core_patch");
  EXPECT_EQ(Of(EventType::kWorkflowCompleted, events), 1);
  EXPECT_EQ(events.back().workflow_type, "writes_change_markers");
}

}  // namespace
}  // namespace sidecar::temporal
