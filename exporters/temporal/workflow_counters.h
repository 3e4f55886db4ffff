#pragma once
// What the streams of a namespace have counted: starts, closes by outcome, execution times; by
// workflow type and task queue. Bounded; one thread writes, any reads snapshots.
//
//   counters.Started(run);
//   counters.Closed(run, options.exemplars);
//   published = counters.Publish();

#include <array>
#include <cstdint>
#include <memory>

#include "exporters/temporal/series_table.h"
#include "exporters/temporal/state_codec.h"
#include "exporters/temporal/time_histogram.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

// How a run closed, in the order of their families.
constexpr std::array kOutcomes = {Status::kCompleted,  Status::kFailed,   Status::kCanceled,
                                  Status::kTerminated, Status::kTimedOut, Status::kContinuedAsNew};

// Of one namespace, beyond all limits: what "__other__" alone comes to.
constexpr std::int64_t kWorkflowOtherSeries = 250;

struct WorkflowCounts {
  std::uint64_t started = 0;
  std::array<std::uint64_t, kOutcomes.size()> closed{};
};
struct WorkflowTimes {
  TimeHistogram histogram{kWorkflowBounds};
};

class WorkflowCounters {
 public:
  using Counts = SeriesTable<WorkflowCounts, 2>;  // workflow_type, task_queue
  using Times = SeriesTable<WorkflowTimes, 3>;    // and status
  struct Snapshot {
    std::shared_ptr<const Counts::Rows> counts = std::make_shared<const Counts::Rows>();
    std::shared_ptr<const Times::Rows> times = std::make_shared<const Times::Rows>();
  };

  explicit WorkflowCounters(const std::shared_ptr<SeriesBudget>& budget);

  void Limit(std::int64_t series);
  void Started(const Execution& run);
  void Closed(const Execution& run, bool exemplar);
  Snapshot Publish() { return {counts_.Publish(), times_.Publish()}; }
  std::uint64_t overflow() const { return counts_.overflow() + times_.overflow(); }
  std::size_t rows() const { return counts_.size() + times_.size(); }

  void Encode(StateWriter& out) const;
  bool Decode(StateReader& in);  // into new counters; false if it is not what Encode wrote

 private:
  Counts counts_;
  Times times_;
};

// Close less execution time, whatever the server sends of it; never negative.
std::int64_t DurationNs(const Execution& run);

}  // namespace sidecar::temporal
