// Activities, from the histories of closed runs: all of them while few close, else a sample.

#include <array>
#include <string_view>

#include "exporters/temporal/streams.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kSuccess =
    Counter("temporal_activity_success_total",
            "Activities that completed, of closed runs whose history was read.",
            "temporal_namespace", "activity_type", "workflow_type", "task_queue");
constexpr auto kFail =
    Counter("temporal_activity_fail_total", "Activities that failed for good, after their retries.",
            "temporal_namespace", "activity_type", "workflow_type", "task_queue");
constexpr auto kTimeout =
    Counter("temporal_activity_timeout_total",
            "Activities that timed out for good, by the time that ran out.", "temporal_namespace",
            "activity_type", "workflow_type", "task_queue", "timeout_type");
constexpr auto kCancel =
    Counter("temporal_activity_cancel_total", "Activities that were canceled.",
            "temporal_namespace", "activity_type", "workflow_type", "task_queue");
constexpr auto kAttempts =
    Counter("temporal_activity_attempts_total", "Attempts of activities that closed.",
            "temporal_namespace", "activity_type", "workflow_type", "task_queue");
constexpr auto kFailedAttempts =
    Counter("temporal_activity_attempt_fail_total",
            "Of them, those that failed or timed out, retried or not.", "temporal_namespace",
            "activity_type", "workflow_type", "task_queue");
constexpr auto kExecution =
    Histogram("temporal_activity_execution_time",
              "Time from the start of an activity's last attempt to its close.",
              "temporal_namespace", "activity_type", "task_queue", "outcome")
        .In("seconds");
constexpr auto kWaiting =
    Histogram("temporal_activity_schedule_to_start_time",
              "Time that an activity waited for a worker; of those that needed one attempt.",
              "temporal_namespace", "activity_type", "task_queue")
        .In("seconds");
constexpr auto kLocal = Counter("temporal_local_activity_total", "Local activities that closed.",
                                "temporal_namespace", "workflow_type", "outcome");
constexpr FamilyInfo kFamilies[] = {kSuccess.info(),   kFail.info(),     kTimeout.info(),
                                    kCancel.info(),    kAttempts.info(), kFailedAttempts.info(),
                                    kExecution.info(), kWaiting.info(),  kLocal.info()};

constexpr std::string_view TimeoutName(TimeoutType type) {
  switch (type) {
    case TimeoutType::kScheduleToStart:
      return "schedule_to_start";
    case TimeoutType::kScheduleToClose:
      return "schedule_to_close";
    case TimeoutType::kHeartbeat:
      return "heartbeat";
    default:
      return "start_to_close";
  }
}

template <class Rows, std::size_t N>
void PutTimes(Sink& sink, const FamilyInfo& info, const std::string& name, const Rows& rows,
              std::integral_constant<std::size_t, N>) {
  if (rows.empty()) return;
  const auto family = sink.Declare(info);
  if (!family) return sink.Warn(family.error());
  for (const auto& row : rows) {
    std::array<std::string_view, N + 1> labels{name};
    for (std::size_t i = 0; i < N; ++i) labels[i + 1] = row->labels[i];
    if (row->shown) {
      row->cell.histogram.Put(sink, *family, labels);
    } else {
      row->cell.histogram.PutZero(sink, *family, labels);
    }
    row->scraped->store(true);
  }
}

class Activities final : public Collector {
 public:
  explicit Activities(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    const auto snapshots = env_->streams().Show(Streams::Part::kHistories, sink);
    if (!snapshots) return Fail(snapshots.error());
    for (const auto& [name, snapshot] : *snapshots) {
      PutCounts(sink, name, *snapshot->activities.counts);
      PutTimes(sink, kExecution.info(), name, *snapshot->activities.execution,
               std::integral_constant<std::size_t, 3>());
      PutTimes(sink, kWaiting.info(), name, *snapshot->activities.waiting,
               std::integral_constant<std::size_t, 2>());
      for (const auto& row : *snapshot->activities.local) {
        const LocalActivityCounts counts = row->shown ? row->cell : LocalActivityCounts{};
        sink.Add(kLocal, counts.completed, name, row->labels[0], "completed");
        sink.Add(kLocal, counts.failed, name, row->labels[0], "failed");
        row->scraped->store(true);
      }
    }
    return {};
  }

 private:
  static void PutCounts(Sink& sink, const std::string& name,
                        const ActivityCounters::Counts::Rows& rows) {
    for (const auto& row : rows) {
      const auto& [type, workflow, queue] = row->labels;
      const ActivityCounts counts = row->shown ? row->cell : ActivityCounts{};
      sink.Add(kSuccess, counts.success, name, type, workflow, queue);
      sink.Add(kFail, counts.fail, name, type, workflow, queue);
      sink.Add(kCancel, counts.cancel, name, type, workflow, queue);
      sink.Add(kAttempts, counts.attempts, name, type, workflow, queue);
      sink.Add(kFailedAttempts, counts.failed_attempts, name, type, workflow, queue);
      for (std::size_t i = 0; i < kTimeouts.size(); ++i) {
        sink.Add(kTimeout, counts.timeout[i], name, type, workflow, queue,
                 TimeoutName(kTimeouts[i]));
      }
      row->scraped->store(true);
    }
  }

  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> activities_collector{
    .name = "activities",
    .summary = "Results, attempts and times of activities, from histories of closed runs.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Activities>(env); }};

}  // namespace sidecar::temporal
