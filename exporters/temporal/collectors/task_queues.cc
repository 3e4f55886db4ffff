// Task queues: backlog, its age, rates and pollers (DescribeTaskQueue of every queue that runs,
// histories or the configuration name).

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "exporters/temporal/each_namespace.h"
#include "exporters/temporal/frontend.h"
#include "exporters/temporal/open_runs.h"
#include "exporters/temporal/series_table.h"

namespace sidecar::temporal {
namespace {

constexpr auto kBacklog =
    Gauge("temporal_task_queue_backlog", "Tasks that wait, about: expired ones may count.",
          "temporal_namespace", "task_queue", "task_type");
constexpr auto kBacklogAge =
    Gauge("temporal_task_queue_backlog_age_seconds", "How long the oldest task has been waiting.",
          "temporal_namespace", "task_queue", "task_type");
constexpr auto kAddRate =
    Gauge("temporal_task_queue_tasks_add_rate", "Tasks added, a second, over the last 30 seconds.",
          "temporal_namespace", "task_queue", "task_type");
constexpr auto kDispatchRate = Gauge("temporal_task_queue_tasks_dispatch_rate",
                                     "Tasks handed to workers, a second, over the last 30 seconds.",
                                     "temporal_namespace", "task_queue", "task_type");
constexpr auto kRateLimited = Gauge("temporal_task_queue_rate_limiting_active",
                                    "Whether a limit, and not a lack of workers, holds tasks back.",
                                    "temporal_namespace", "task_queue", "task_type");
constexpr auto kPollers =
    Gauge("temporal_task_queue_pollers",
          "Workers that polled within two minutes. One whose slots are all busy does not poll.",
          "temporal_namespace", "task_queue", "task_type", "deployment", "build_id");
constexpr auto kLastAccess =
    Gauge("temporal_task_queue_poller_last_access_timestamp_seconds", "When a worker polled last.",
          "temporal_namespace", "task_queue", "task_type");
constexpr auto kLeftOut =
    Gauge("temporal_exporter_task_queues_left_out",
          "Sightings of task queues beyond the first 200 of a namespace.", "temporal_namespace");
constexpr FamilyInfo kFamilies[] = {kBacklog.info(),      kBacklogAge.info(),  kAddRate.info(),
                                    kDispatchRate.info(), kRateLimited.info(), kPollers.info(),
                                    kLastAccess.info(),   kLeftOut.info()};

// A long poll takes a minute; the server remembers a poller for five.
constexpr std::int64_t kLiveNs = 120'000'000'000;
constexpr std::pair<QueueType, std::string_view> kTypes[] = {{QueueType::kWorkflow, "workflow"},
                                                             {QueueType::kActivity, "activity"}};

struct Options {
  std::vector<std::string> exclude{};

  void Read(TableReader& table) {
    table.Field("exclude", exclude, "Globs of queues to leave out, such as one for each host.");
  }
};

struct Answered {
  std::string queue;
  std::string_view type;
  QueueAnswer answer;
};

class TaskQueues final : public Collector {
 public:
  TaskQueues(std::shared_ptr<TemporalEnv> env, Options options)
      : env_(std::move(env)), options_(std::move(options)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    return EachNamespace(*env_, round_, scrape, sink,
                         [&](const Namespace& one) { return CollectFrom(one.name, scrape, sink); });
  }

 private:
  Result<> CollectFrom(const std::string& name, const Scrape& scrape, Sink& sink) {
    auto queues = Queues(name, scrape);
    if (!queues) return Fail(std::move(queues.error()));
    std::vector<Answered> all;
    std::optional<Error> refused;
    for (const std::string& queue : *queues) {
      for (const auto& [type, type_name] : kTypes) {
        auto answer = env_->frontend().DescribeQueue(scrape, name, queue, type);
        if (!answer && IsOfOneQueue(answer.error().code)) {
          refused = std::move(answer.error());
          continue;
        }
        if (!answer) return Fail(std::move(answer.error()).Wrap("task queue " + queue));
        all.push_back({queue, type_name, std::move(*answer)});
      }
    }
    if (all.empty() && refused) return Fail(std::move(*refused));
    for (const Answered& one : all) Show(name, one, scrape, sink);
    sink.Add(kLeftOut, env_->queues().left_out(name), name);
    return {};
  }

  // A name may be one that the server refuses; the RPC is unknown only if it refuses all.
  static bool IsOfOneQueue(Errc code) {
    return code == Errc::kNoData || code == Errc::kUnsupported;
  }

  // Those of the configuration, and those that were seen. At the start nobody may have seen any:
  // then the newest open runs are looked at, every five minutes.
  Result<std::set<std::string>> Queues(const std::string& name, const Scrape& scrape) {
    QueueBook& book = env_->queues();
    book.Exclude(options_.exclude);
    std::set<std::string> queues;
    for (const std::string& configured : env_->options().task_queues) {
      const auto slash = configured.find('/');
      const bool everywhere = slash == std::string::npos;
      if (!everywhere && configured.substr(0, slash) != name) continue;
      const std::string queue = everywhere ? configured : configured.substr(slash + 1);
      if (!book.excluded(queue)) queues.insert(queue);
    }
    queues.merge(Seen(name, scrape));
    const Mono now = scrape.clock().mono();
    if (queues.empty() && now >= look_again_[name]) {
      look_again_[name] = now + std::chrono::minutes(5);
      const auto visibility = env_->visibility(name);
      auto page = visibility->List(scrape, OpenQuery(visibility->traits()), 200, "");
      if (!page) return Fail(std::move(page.error()));
      for (const Execution& run : page->rows) {
        book.Saw(name, run.task_queue, scrape.clock().mono());
      }
      queues = Seen(name, scrape);
    }
    return queues;
  }

  std::set<std::string> Seen(const std::string& name, const Scrape& scrape) const {
    const auto seen = env_->queues().Of(name, scrape.clock().mono());
    return {seen.begin(), seen.end()};
  }

  static void Show(const std::string& name, const Answered& one, const Scrape& scrape, Sink& sink) {
    const auto& [name_of_queue, type, answer] = one;
    const std::string queue = BoundedLabel(name_of_queue);
    if (answer.stats) {
      sink.Add(kBacklog, answer.stats->backlog, name, queue, type);
      sink.Add(kBacklogAge, answer.stats->backlog_age_seconds, name, queue, type);
      sink.Add(kAddRate, answer.stats->add_rate, name, queue, type);
      sink.Add(kDispatchRate, answer.stats->dispatch_rate, name, queue, type);
      sink.Add(kRateLimited, answer.stats->rate_limited ? 1 : 0, name, queue, type);
    } else if (answer.backlog_hint) {
      sink.Add(kBacklog, *answer.backlog_hint, name, queue, type);
    }
    ShowPollers(name, queue, one, scrape, sink);
  }

  static void ShowPollers(const std::string& name, const std::string& queue, const Answered& one,
                          const Scrape& scrape, Sink& sink) {
    const std::int64_t now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                    scrape.clock().wall().time_since_epoch())
                                    .count();
    // Nobody is a number too: of the unversioned.
    std::map<std::pair<std::string, std::string>, int> live{{{"", ""}, 0}};
    std::int64_t last_ns = 0;
    for (const Poller& poller : one.answer.pollers) {
      last_ns = std::max(last_ns, poller.last_access_ns);
      if (now_ns - poller.last_access_ns > kLiveNs) continue;
      ++live[{poller.versioned ? BoundedLabel(poller.deployment) : "",
              BoundedLabel(poller.build_id)}];
    }
    for (const auto& [worker, count] : live) {
      sink.Add(kPollers, count, name, queue, one.type, worker.first, worker.second);
    }
    if (last_ns > 0) {
      sink.Add(kLastAccess, static_cast<double>(last_ns) / 1e9, name, queue, one.type);
    }
  }

  const std::shared_ptr<TemporalEnv> env_;
  const Options options_;
  NamespaceRound round_{"task_queues"};
  std::map<std::string, Mono> look_again_;  // by namespace
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> task_queues_collector{
    .name = "task_queues",
    .summary = "Backlog, its age, rates and pollers of task queues.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { Options().Read(table); },
    .make = [](const std::shared_ptr<TemporalEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      return std::make_unique<TaskQueues>(env, std::move(options));
    },
    .interval = Millis(30'000),
    .timeout = Millis(29'000)};

}  // namespace sidecar::temporal
