#pragma once
// What histories said about activities: results, attempts, times. By activity type, workflow type
// and task queue; bounded. Local activities by workflow type only: their own type is inside a
// payload. One thread writes, any reads snapshots.
//
//   ActivityJoin join;
//   for (const HistoryEvent& event : page.events) join.Add(event);   // newest first
//   counters.Count(join, run.type);

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exporters/temporal/series_table.h"
#include "exporters/temporal/state_codec.h"
#include "exporters/temporal/time_histogram.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

// An activity that was closed. A run that is closed leaves others behind, scheduled and nothing
// more: they count neither way.
struct ClosedActivity {
  std::string type, task_queue;
  EventType outcome = EventType::kUnspecified;
  TimeoutType timeout = TimeoutType::kUnspecified;
  std::int32_t attempts = 0;                                     // 0: never started
  std::int64_t scheduled_ns = 0, started_ns = 0, closed_ns = 0;  // started: the last attempt
  bool operator==(const ClosedActivity&) const = default;
};

// Puts the events of one history together, which come newest first: closed, started, scheduled.
class ActivityJoin {
 public:
  void Add(const HistoryEvent& event);

  const std::vector<ClosedActivity>& closed() const { return closed_; }
  std::uint64_t local_completed() const { return local_completed_; }
  std::uint64_t local_failed() const { return local_failed_; }

 private:
  std::map<std::int64_t, ClosedActivity> open_;  // by the id of their scheduled event
  std::vector<ClosedActivity> closed_;
  std::uint64_t local_completed_ = 0, local_failed_ = 0;
};

constexpr std::array kTimeouts = {TimeoutType::kStartToClose, TimeoutType::kScheduleToStart,
                                  TimeoutType::kScheduleToClose, TimeoutType::kHeartbeat};

// Of one namespace, beyond all limits: what "__other__" alone comes to.
constexpr std::int64_t kActivityOtherSeries = 110;

struct ActivityCounts {
  std::uint64_t success = 0, fail = 0, cancel = 0, attempts = 0, failed_attempts = 0;
  std::array<std::uint64_t, kTimeouts.size()> timeout{};
};
struct ActivityTimes {
  TimeHistogram histogram{kActivityBounds};
};
struct LocalActivityCounts {
  std::uint64_t completed = 0, failed = 0;
};

class ActivityCounters {
 public:
  using Counts = SeriesTable<ActivityCounts, 3>;      // activity_type, workflow_type, task_queue
  using Execution = SeriesTable<ActivityTimes, 3>;    // activity_type, task_queue, outcome
  using Waiting = SeriesTable<ActivityTimes, 2>;      // activity_type, task_queue
  using Local = SeriesTable<LocalActivityCounts, 1>;  // workflow_type
  struct Snapshot {
    std::shared_ptr<const Counts::Rows> counts = std::make_shared<const Counts::Rows>();
    std::shared_ptr<const Execution::Rows> execution = std::make_shared<const Execution::Rows>();
    std::shared_ptr<const Waiting::Rows> waiting = std::make_shared<const Waiting::Rows>();
    std::shared_ptr<const Local::Rows> local = std::make_shared<const Local::Rows>();
  };

  explicit ActivityCounters(const std::shared_ptr<SeriesBudget>& budget);

  void Limit(std::int64_t series);
  void Count(const ActivityJoin& history, const std::string& workflow_type);
  Snapshot Publish();
  std::uint64_t overflow() const;

  void Encode(StateWriter& out) const;
  bool Decode(StateReader& in);  // into new counters; false if it is not what Encode wrote

 private:
  void Count(const ClosedActivity& activity, const std::string& workflow_type);

  Counts counts_;
  Execution execution_;
  Waiting waiting_;
  Local local_;
};

}  // namespace sidecar::temporal
