// Runs as they start and close, each counted once, by type and task queue (the streams).

#include <array>
#include <string_view>

#include "exporters/temporal/streams.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kStart = Counter("temporal_workflow_start_total",
                                "Runs whose time to start had come: of clients, parents, schedules "
                                "and cron, retries, continued and reset ones.",
                                "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kCompleted = Counter("temporal_workflow_completed_total", "Runs that completed.",
                                    "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kFailed =
    Counter("temporal_workflow_failed_total", "Runs that failed, each attempt of a retried one.",
            "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kCanceled = Counter("temporal_workflow_canceled_total", "Runs that were canceled.",
                                   "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kTerminated =
    Counter("temporal_workflow_terminated_total",
            "Runs that were terminated, also by a reset or a new run of the same id.",
            "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kTimedOut = Counter("temporal_workflow_timed_out_total", "Runs that timed out.",
                                   "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kContinued =
    Counter("temporal_workflow_continued_as_new_total", "Runs that continued as a new one.",
            "temporal_namespace", "workflow_type", "task_queue");
constexpr auto kTime =
    Histogram("temporal_workflow_execution_time", "Time from execution to close of a run.",
              "temporal_namespace", "workflow_type", "task_queue", "status")
        .In("seconds");
constexpr FamilyInfo kFamilies[] = {kStart.info(),     kCompleted.info(),  kFailed.info(),
                                    kCanceled.info(),  kTerminated.info(), kTimedOut.info(),
                                    kContinued.info(), kTime.info()};

class Workflows final : public Collector {
 public:
  explicit Workflows(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    const auto snapshots = env_->streams().Show(Streams::Part::kStreams, sink);
    if (!snapshots) return Fail(snapshots.error());
    for (const auto& [name, snapshot] : *snapshots) Put(sink, name, *snapshot);
    return {};
  }

 private:
  static void Put(Sink& sink, const std::string& name, const NamespaceSnapshot& snapshot) {
    // In the order of kOutcomes.
    constexpr std::array kClosed = {&kCompleted,  &kFailed,   &kCanceled,
                                    &kTerminated, &kTimedOut, &kContinued};
    static_assert(kClosed.size() == kOutcomes.size());
    for (const auto& row : *snapshot.workflows.counts) {
      const auto& [type, queue] = row->labels;
      const WorkflowCounts counts = row->shown ? row->cell : WorkflowCounts{};
      sink.Add(kStart, counts.started, name, type, queue);
      for (std::size_t i = 0; i < kClosed.size(); ++i) {
        sink.Add(*kClosed[i], counts.closed[i], name, type, queue);
      }
      row->scraped->store(true);
    }
    if (snapshot.workflows.times->empty()) return;
    const auto family = sink.Declare(kTime.info());
    if (!family) return sink.Warn(family.error());
    for (const auto& row : *snapshot.workflows.times) {
      const auto& [type, queue, status] = row->labels;
      const std::array<std::string_view, 4> labels{name, type, queue, status};
      if (row->shown) {
        row->cell.histogram.Put(sink, *family, labels);
      } else {
        row->cell.histogram.PutZero(sink, *family, labels);
      }
      row->scraped->store(true);
    }
  }

  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> workflows_collector{
    .name = "workflows",
    .summary = "Starts, closes by outcome and execution times of runs, each counted once.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Workflows>(env); }};

}  // namespace sidecar::temporal
