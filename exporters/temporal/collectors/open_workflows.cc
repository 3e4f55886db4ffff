// Open runs: how many by status, by type and queue, and the oldest of each type
// (CountWorkflowExecutions, ListWorkflowExecutions).

#include <algorithm>
#include <map>

#include "exporters/temporal/each_namespace.h"
#include "exporters/temporal/frontend.h"
#include "exporters/temporal/open_runs.h"

namespace sidecar::temporal {
namespace {

constexpr auto kExecutions = Gauge("temporal_workflow_executions",
                                   "Runs by status: open ones, or all within retention if so "
                                   "configured.",
                                   "temporal_namespace", "status");
constexpr auto kOpen = Gauge("temporal_workflow_open",
                             "Open runs. Without task_queue where there are too many to list.",
                             "temporal_namespace", "workflow_type", "task_queue", "status");
constexpr auto kOldest =
    Gauge("temporal_workflow_open_oldest_start_timestamp_seconds",
          "When the oldest open run of the type began.", "temporal_namespace", "workflow_type");
constexpr auto kComplete =
    Gauge("temporal_workflow_open_scan_complete",
          "Whether all open runs were listed (1), or there are more than max_runs (0).",
          "temporal_namespace");
constexpr FamilyInfo kFamilies[] = {kExecutions.info(), kOpen.info(), kOldest.info(),
                                    kComplete.info()};

struct Options {
  std::int64_t max_runs = 5'000;
  bool all_statuses = false;

  void Read(TableReader& table) {
    table.Field("max_runs", max_runs,
                "More open runs of a namespace than this are not listed but counted by type.", 0,
                100'000);
    table.Field("all_statuses", all_statuses,
                "Counts closed runs too: the server walks all that it has.");
  }
};

// As the server's keywords say it: "ContinuedAsNew".
std::string SnakeCase(std::string_view name) {
  std::string snake;
  for (const char c : name) {
    const bool capital = c >= 'A' && c <= 'Z';
    if (capital && !snake.empty()) snake += '_';
    snake += capital ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return snake;
}

class OpenWorkflows final : public Collector {
 public:
  OpenWorkflows(std::shared_ptr<TemporalEnv> env, Options options)
      : env_(std::move(env)), options_(options) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    if (const auto known = env_->namespaces().Get(scrape); known) {
      std::erase_if(runs_, [&](const auto& runs) {
        return !std::ranges::binary_search((*known)->watched, runs.first, {}, &Namespace::name);
      });
    }
    return EachNamespace(*env_, round_, scrape, sink,
                         [&](const Namespace& one) { return CollectFrom(one.name, scrape, sink); });
  }

 private:
  Result<> CollectFrom(const std::string& name, const Scrape& scrape, Sink& sink) {
    auto statuses = CountStatuses(name, scrape);
    if (!statuses) return Fail(std::move(statuses.error()));
    const std::int64_t open = (*statuses)["running"] + (*statuses)["paused"];
    auto [runs, added] = runs_.try_emplace(name, env_->visibility(name), env_->queues());
    auto state = runs->second.Read(scrape, name, open, options_.max_runs);
    if (!state) return Fail(std::move(state.error()));
    for (const auto& [status, count] : *statuses) sink.Add(kExecutions, count, name, status);
    for (const auto& [key, count] : state->counts) {
      sink.Add(kOpen, count, name, key.type, key.task_queue, Name(key.status));
    }
    for (const auto& [type, start] : state->oldest_start_ns) {
      sink.Add(kOldest, static_cast<double>(start) / 1e9, name, type);
    }
    sink.Add(kComplete, state->complete ? 1 : 0, name);
    return {};
  }

  Result<std::map<std::string, std::int64_t>> CountStatuses(const std::string& name,
                                                            const Scrape& scrape) {
    const ServerTraits traits = env_->frontend().traits();
    std::string query = options_.all_statuses ? "" : OpenQuery(traits);
    if (traits.count_by_status)
      query += query.empty() ? "GROUP BY ExecutionStatus" : " GROUP BY ExecutionStatus";
    auto answer = env_->frontend().Count(scrape, name, query);
    if (!answer) return Fail(std::move(answer.error()));
    std::map<std::string, std::int64_t> statuses{{"running", 0}, {"paused", 0}};
    if (!traits.count_by_status) {
      statuses["running"] = answer->count;
    }
    for (const auto& [status, count] : answer->groups) statuses[SnakeCase(status)] = count;
    return statuses;
  }

  const std::shared_ptr<TemporalEnv> env_;
  const Options options_;
  NamespaceRound round_{"open_workflows"};
  std::map<std::string, OpenRuns> runs_;  // by namespace
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> open_workflows_collector{
    .name = "open_workflows",
    .summary = "Open runs by status, type and task queue, and the oldest of each type.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { Options().Read(table); },
    .make = [](const std::shared_ptr<TemporalEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      return std::make_unique<OpenWorkflows>(env, options);
    },
    .interval = Millis(60'000),
    .timeout = Millis(55'000)};

}  // namespace sidecar::temporal
