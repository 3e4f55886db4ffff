#include "exporters/temporal/activity_counters.h"

#include <algorithm>
#include <utility>

namespace sidecar::temporal {
namespace {

constexpr std::size_t kMaxRows = 10'000'000, kMaxLabel = 1'024;
constexpr std::int64_t kCountSeries = 5 + std::ssize(kTimeouts);
constexpr std::int64_t kTimeSeries = std::ssize(kActivityBounds) + 3;
constexpr std::int64_t kLocalSeries = 2, kOutcomeNames = 4;
static_assert(kCountSeries + (kOutcomeNames + 1) * kTimeSeries + kLocalSeries <=
              kActivityOtherSeries);

std::string_view Outcome(EventType type) {
  switch (type) {
    case EventType::kActivityCompleted:
      return "success";
    case EventType::kActivityFailed:
      return "fail";
    case EventType::kActivityTimedOut:
      return "timeout";
    default:
      return "cancel";
  }
}

template <class Table, class Cell>
void EncodeTable(const Table& table, StateWriter& out, Cell cell) {
  out.Number(table.size());
  table.ForEach([&](const auto& labels, const auto& content) {
    for (const std::string& label : labels) out.Text(label);
    cell(content);
  });
}

template <class Table, class Cell>
bool DecodeTable(Table& table, StateReader& in, Cell cell) {
  for (std::size_t left = in.Items(kMaxRows); in.ok() && left > 0; --left) {
    typename Table::Labels labels;
    for (std::string& label : labels) label = BoundedLabel(in.Text(kMaxLabel));
    if (!in.ok() || !cell(table.At(std::move(labels)))) return false;
  }
  table.ShowAll();
  return in.ok();
}

// The numbers of a cell, for both directions.
auto Numbers(auto& c) {
  return std::array{&c.success,    &c.fail,       &c.cancel,     &c.attempts,  &c.failed_attempts,
                    &c.timeout[0], &c.timeout[1], &c.timeout[2], &c.timeout[3]};
}

bool DecodeTimes(ActivityTimes& times, StateReader& in) {
  ActivityTimes read;
  if (!read.histogram.Decode(in)) return false;
  times.histogram.Merge(read.histogram);
  return true;
}

}  // namespace

void ActivityJoin::Add(const HistoryEvent& event) {
  switch (event.type) {
    case EventType::kActivityCompleted:
    case EventType::kActivityFailed:
    case EventType::kActivityTimedOut:
    case EventType::kActivityCanceled: {
      ClosedActivity& activity = open_[event.scheduled_event_id];
      activity.outcome = event.type;
      activity.timeout = event.timeout;
      activity.closed_ns = event.time_ns;
      return;
    }
    case EventType::kActivityStarted: {
      const auto found = open_.find(event.scheduled_event_id);
      if (found == open_.end()) return;
      found->second.attempts = std::max(event.attempt, 1);
      found->second.started_ns = event.time_ns;
      return;
    }
    case EventType::kActivityScheduled: {
      auto found = open_.extract(event.event_id);
      if (found.empty()) return;
      found.mapped().type = event.activity_type;
      found.mapped().task_queue = event.task_queue;
      found.mapped().scheduled_ns = event.time_ns;
      closed_.push_back(std::move(found.mapped()));
      return;
    }
    case EventType::kMarkerRecorded:
      if (event.marker_name == "LocalActivity" || event.marker_name == "core_local_activity") {
        ++(event.failed ? local_failed_ : local_completed_);
      }
      return;
    default:
      return;
  }
}

ActivityCounters::ActivityCounters(const std::shared_ptr<SeriesBudget>& budget)
    : counts_({.unbounded = 3, .cost = kCountSeries}, budget),
      execution_({.unbounded = 2, .cost = kTimeSeries}, budget),
      waiting_({.unbounded = 2, .cost = kTimeSeries}, budget),
      local_({.unbounded = 1, .cost = kLocalSeries}, budget) {}

void ActivityCounters::Limit(std::int64_t series) {
  counts_.Limit(series / 4);
  execution_.Limit(series / 3);
  waiting_.Limit(series / 3);
  local_.Limit(series / 12);
}

void ActivityCounters::Count(const ActivityJoin& history, const std::string& workflow_type) {
  for (const ClosedActivity& activity : history.closed()) Count(activity, workflow_type);
  if (history.local_completed() + history.local_failed() == 0) return;
  LocalActivityCounts& local = local_.At({BoundedLabel(workflow_type)});
  local.completed += history.local_completed();
  local.failed += history.local_failed();
}

void ActivityCounters::Count(const ClosedActivity& activity, const std::string& workflow_type) {
  const std::string type = BoundedLabel(activity.type), queue = BoundedLabel(activity.task_queue);
  ActivityCounts& counts = counts_.At({type, BoundedLabel(workflow_type), queue});
  const auto attempts = static_cast<std::uint64_t>(std::max(activity.attempts, 0));
  counts.attempts += attempts;
  bool last_failed = false;
  switch (activity.outcome) {
    case EventType::kActivityCompleted:
      ++counts.success;
      break;
    case EventType::kActivityFailed:
      ++counts.fail;
      last_failed = true;
      break;
    case EventType::kActivityTimedOut: {
      const auto* const found = std::find(kTimeouts.begin(), kTimeouts.end(), activity.timeout);
      const auto* const timeout = found == kTimeouts.end() ? kTimeouts.begin() : found;
      ++counts.timeout[static_cast<std::size_t>(timeout - kTimeouts.begin())];
      last_failed = true;
      break;
    }
    default:
      ++counts.cancel;
  }
  if (attempts == 0) return;
  counts.failed_attempts += attempts - (last_failed ? 0 : 1);
  execution_.At({type, queue, std::string(Outcome(activity.outcome))})
      .histogram.Observe(activity.closed_ns - activity.started_ns);
  // A later attempt's wait would hold the earlier attempts and their back-off.
  if (attempts == 1) {
    waiting_.At({type, queue}).histogram.Observe(activity.started_ns - activity.scheduled_ns);
  }
}

ActivityCounters::Snapshot ActivityCounters::Publish() {
  return {counts_.Publish(), execution_.Publish(), waiting_.Publish(), local_.Publish()};
}

std::uint64_t ActivityCounters::overflow() const {
  return counts_.overflow() + execution_.overflow() + waiting_.overflow() + local_.overflow();
}

void ActivityCounters::Encode(StateWriter& out) const {
  EncodeTable(counts_, out, [&](const ActivityCounts& counts) {
    for (const std::uint64_t* number : Numbers(counts)) out.Number(*number);
  });
  const auto times = [&](const ActivityTimes& cell) { cell.histogram.Encode(out); };
  EncodeTable(execution_, out, times);
  EncodeTable(waiting_, out, times);
  EncodeTable(local_, out, [&](const LocalActivityCounts& counts) {
    out.Number(counts.completed).Number(counts.failed);
  });
}

bool ActivityCounters::Decode(StateReader& in) {
  const auto times = [&](ActivityTimes& cell) { return DecodeTimes(cell, in); };
  return DecodeTable(counts_, in,
                     [&](ActivityCounts& counts) {
                       for (std::uint64_t* number : Numbers(counts)) *number += in.Number();
                       return in.ok();
                     }) &&
         DecodeTable(execution_, in, times) && DecodeTable(waiting_, in, times) &&
         DecodeTable(local_, in, [&](LocalActivityCounts& counts) {
           counts.completed += in.Number();
           counts.failed += in.Number();
           return in.ok();
         });
}

}  // namespace sidecar::temporal
