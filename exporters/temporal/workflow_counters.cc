#include "exporters/temporal/workflow_counters.h"

#include <algorithm>

namespace sidecar::temporal {
namespace {

constexpr std::size_t kMaxRows = 10'000'000, kMaxLabel = 1'024;
constexpr std::int64_t kCountSeries = 1 + std::ssize(kOutcomes);
constexpr std::int64_t kTimeSeries = std::ssize(kWorkflowBounds) + 3;  // +Inf, sum, count
constexpr std::int64_t kStatuses = 10;                                 // that Name knows
static_assert(kCountSeries + kStatuses * kTimeSeries <= kWorkflowOtherSeries);

}  // namespace

std::int64_t DurationNs(const Execution& run) {
  if (run.duration_ns >= 0) return run.duration_ns;
  const std::int64_t from = run.execution_ns != 0 ? run.execution_ns : run.start_ns;
  return run.close_ns == 0 || from == 0 ? 0 : std::max<std::int64_t>(run.close_ns - from, 0);
}

WorkflowCounters::WorkflowCounters(const std::shared_ptr<SeriesBudget>& budget)
    : counts_({.unbounded = 2, .cost = kCountSeries}, budget),
      times_({.unbounded = 2, .cost = kTimeSeries}, budget) {}

void WorkflowCounters::Limit(std::int64_t series) {
  counts_.Limit(series / 3);
  times_.Limit(series - series / 3);
}

void WorkflowCounters::Started(const Execution& run) {
  ++counts_.At({BoundedLabel(run.type), BoundedLabel(run.task_queue)}).started;
}

void WorkflowCounters::Closed(const Execution& run, bool exemplar) {
  const std::string type = BoundedLabel(run.type), queue = BoundedLabel(run.task_queue);
  const auto* const outcome = std::find(kOutcomes.begin(), kOutcomes.end(), run.status);
  WorkflowCounts& counts = counts_.At({type, queue});
  if (outcome != kOutcomes.end()) {
    ++counts.closed[static_cast<std::size_t>(outcome - kOutcomes.begin())];
  }
  const RunExemplar ids{run.workflow_id, run.run_id, run.close_ns / 1'000'000};
  WorkflowTimes& times = times_.At({type, queue, std::string(Name(run.status))});
  times.histogram.Observe(DurationNs(run), exemplar ? &ids : nullptr);
}

void WorkflowCounters::Encode(StateWriter& out) const {
  out.Number(counts_.size());
  counts_.ForEach([&](const Counts::Labels& labels, const WorkflowCounts& counts) {
    for (const std::string& label : labels) out.Text(label);
    out.Number(counts.started);
    for (const std::uint64_t closed : counts.closed) out.Number(closed);
  });
  out.Number(times_.size());
  times_.ForEach([&](const Times::Labels& labels, const WorkflowTimes& times) {
    for (const std::string& label : labels) out.Text(label);
    times.histogram.Encode(out);
  });
}

bool WorkflowCounters::Decode(StateReader& in) {
  for (std::size_t left = in.Items(kMaxRows); in.ok() && left > 0; --left) {
    Counts::Labels labels;
    for (std::string& label : labels) label = BoundedLabel(in.Text(kMaxLabel));
    WorkflowCounts read;
    read.started = in.Number();
    for (std::uint64_t& closed : read.closed) closed = in.Number();
    if (!in.ok()) return false;
    WorkflowCounts& counts = counts_.At(std::move(labels));
    counts.started += read.started;
    for (std::size_t i = 0; i < read.closed.size(); ++i) counts.closed[i] += read.closed[i];
  }
  for (std::size_t left = in.Items(kMaxRows); in.ok() && left > 0; --left) {
    Times::Labels labels;
    for (std::string& label : labels) label = BoundedLabel(in.Text(kMaxLabel));
    WorkflowTimes read;
    if (!read.histogram.Decode(in)) return false;
    times_.At(std::move(labels)).histogram.Merge(read.histogram);
  }
  counts_.ShowAll();
  times_.ShowAll();
  return in.ok();
}

}  // namespace sidecar::temporal
