#include "exporters/temporal/temporal.h"

#include <utility>

#include "exporters/temporal/call_budget.h"
#include "exporters/temporal/channel.h"
#include "exporters/temporal/connection_options.h"
#include "exporters/temporal/frontend.h"
#include "exporters/temporal/rpc_metrics.h"
#include "exporters/temporal/stream_options.h"
#include "exporters/temporal/streams.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

struct Options {
  ConnectionOptions connection;
  NamespaceOptions namespaces{.exclude = {"temporal-system"}};
  BudgetOptions budget;
  StreamOptions streams;
  TemporalOptions env;

  void Read(TableReader& table) {
    connection.Read(table);
    table.Field("namespaces", namespaces.names,
                "Namespaces to watch; empty: those that the server lists.");
    table.Field("namespaces_exclude", namespaces.exclude,
                "Globs of listed namespaces to leave out.");
    auto most = static_cast<std::int64_t>(namespaces.most);
    table.Field("max_namespaces", most, "More listed namespaces than this are left out, by name.",
                1, 10'000);
    namespaces.most = static_cast<std::size_t>(most);
    table.Field("task_queues", env.task_queues,
                "Queues to ask about from the start: NAME, or NAMESPACE/NAME. The server creates "
                "what does not exist.");
    table.Field("state_file", env.state_file,
                "Where counters are kept over a restart; empty: they start anew.");
    ReadBudget(table.Table("budget"));
    TableReader of_streams = table.Table("streams");
    streams.Read(of_streams);
    env.target = connection.address;
  }

  // What the connection and what was learned over it depend on.
  std::string Key() const {
    std::string key = connection.Key();
    for (const auto& rate : {budget.visibility, budget.execution, budget.total}) {
      key += std::to_string(rate.per_second) + '/';
    }
    return key;
  }

 private:
  void ReadBudget(TableReader table) {
    const auto rate = [&table](const char* key, BudgetOptions::Rate& value, const char* help) {
      table.Field(key, value.per_second, help, 0.05, 10'000);
      value.burst = std::max({1.0, value.burst, value.per_second});
    };
    rate("visibility_per_second", budget.visibility,
         "List and Count calls a second and namespace; the server allows all its clients 10.");
    rate("execution_per_second", budget.execution,
         "Calls a second and namespace for histories, task queues and descriptions.");
    rate("total_per_second", budget.total, "Calls a second in all.");
  }
};

class Temporal final : public Exporter {
 public:
  Identity identity() const override { return {"temporal", "temporal", 9233}; }

  Result<Plan> Build(TableReader& table, Keep& keep, Runtime runtime) override {
    Options options;
    options.Read(table);
    const std::string key = options.Key();
    std::shared_ptr<TemporalEnv> env;
    if (!table.describing()) env = MakeEnv(options, key, keep, runtime);
    auto collectors = ReadCollectors<TemporalEnv>(Collectors(), env, table);
    if (!collectors) return Fail(std::move(collectors.error()));
    for (Member<Collector>& member : *collectors) {
      // One namespace that hangs holds up its own collector only.
      if (member.schedule.interval > Millis(0)) member.schedule.lane = member.name;
      // Results of another server or other namespaces are not carried over a reload.
      member.fingerprint += key;
      for (const std::string& name : options.namespaces.names) member.fingerprint += '/' + name;
    }
    if (env) MakeRoom(options, env->streams(), *collectors);
    std::vector<Member<Task>> tasks;
    if (env) tasks = MakeStreamTasks(env, options.streams, options.namespaces.names.size());
    return Plan{std::move(*collectors), std::move(tasks), {}};
  }
  void AddRoutes(Router&) override {}

 private:
  // What counts past the series limit does so in "__other__": it must not fail the whole run. A
  // limit that the collector's own table sets stays.
  static void MakeRoom(const Options& options, const Streams& streams,
                       std::vector<Member<Collector>>& collectors) {
    constexpr std::size_t kSeriesBytes = 1'500;  // names at their longest, an exemplar each
    const auto& names = options.namespaces.names;
    const Streams::Room room =
        streams.room(options.streams, names.empty() ? options.namespaces.most : names.size());
    for (Member<Collector>& member : collectors) {
      Limits& limits = member.schedule.limits;
      if (limits.series != Limits{}.series) continue;
      if (member.name == "workflows") limits.series = static_cast<std::size_t>(room.workflows);
      if (member.name == "activities") limits.series = static_cast<std::size_t>(room.activities);
      limits.bytes = std::max(limits.bytes, limits.series * kSeriesBytes);
    }
  }

  static std::shared_ptr<TemporalEnv> MakeEnv(const Options& options, const std::string& key,
                                              Keep& keep, Runtime runtime) {
    const auto metrics = keep.Get<RpcMetrics>(
        "temporal/metrics", [&] { return std::make_shared<RpcMetrics>(runtime.self); });
    const auto budget = keep.Get<CallBudget>("temporal/budget/" + key, [&] {
      return std::make_shared<CallBudget>(options.budget, metrics);
    });
    const auto frontend = keep.Get<Frontend>("temporal/frontend/" + key, [&] {
      return std::make_shared<Frontend>(MakeChannel(options.connection), budget, metrics);
    });
    const auto namespaces = std::make_shared<Namespaces>(frontend, options.namespaces);
    return std::make_shared<TemporalEnv>(options.env, frontend, namespaces, runtime, &keep);
  }
};

}  // namespace

std::unique_ptr<Exporter> MakeTemporal() { return std::make_unique<Temporal>(); }

}  // namespace sidecar::temporal
