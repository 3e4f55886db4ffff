// The namespaces and their configuration (ListNamespaces, or DescribeNamespace of those that are
// configured).

#include "exporters/temporal/namespaces.h"

#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kByState =
    Gauge("temporal_namespaces", "Namespaces that the server lists.", "state");
constexpr auto kWatched =
    Gauge("temporal_exporter_namespaces_watched", "Namespaces that the exporter looks at.");
constexpr auto kLeftOut =
    Gauge("temporal_exporter_namespaces_left_out",
          "Namespaces that the exporter does not look at, as there are more than max_namespaces.");
constexpr auto kInfo =
    Gauge("temporal_namespace_info", "A namespace that is watched.", "temporal_namespace", "id",
          "state", "active_cluster", "replication_state", "global");
constexpr auto kRetention = Gauge("temporal_namespace_retention_seconds",
                                  "How long closed runs are kept.", "temporal_namespace");
constexpr auto kCapability =
    Gauge("temporal_namespace_capability", "What the server says that the namespace can do.",
          "temporal_namespace", "capability");
constexpr auto kArchival = Gauge("temporal_namespace_archival_enabled",
                                 "Whether closed runs are archived.", "temporal_namespace", "kind");
constexpr auto kFailoverVersion =
    Gauge("temporal_namespace_failover_version",
          "Of a namespace on several clusters: changes when another becomes the active one.",
          "temporal_namespace");
constexpr FamilyInfo kFamilies[] = {kByState.info(),  kWatched.info(),        kLeftOut.info(),
                                    kInfo.info(),     kRetention.info(),      kCapability.info(),
                                    kArchival.info(), kFailoverVersion.info()};

std::string_view StateName(NamespaceState state) {
  constexpr std::string_view kNames[] = {"unspecified", "registered", "deprecated", "deleted"};
  const auto index = static_cast<std::size_t>(state);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::string_view ReplicationName(std::int32_t state) {
  constexpr std::string_view kNames[] = {"unspecified", "normal", "handover"};
  const auto index = static_cast<std::size_t>(state);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

void Show(const Namespace& one, Sink& sink) {
  sink.Add(kInfo, 1, one.name, one.id, StateName(one.state), one.active_cluster,
           ReplicationName(one.replication_state), one.global ? "true" : "false");
  if (!one.described) return;
  sink.Add(kRetention, one.retention_seconds, one.name);
  for (const std::string& name : one.capabilities) sink.Add(kCapability, 1, one.name, name);
  sink.Add(kArchival, one.history_archival ? 1 : 0, one.name, "history");
  sink.Add(kArchival, one.visibility_archival ? 1 : 0, one.name, "visibility");
  if (one.global) sink.Add(kFailoverVersion, one.failover_version, one.name);
}

class NamespacesCollector final : public Collector {
 public:
  explicit NamespacesCollector(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    auto read = env_->namespaces().Get(scrape);
    if (!read) return Fail(std::move(read.error()));
    const Namespaces::Known& known = **read;
    if (known.registered) {
      sink.Add(kByState, *known.registered, "registered");
      sink.Add(kByState, *known.deprecated, "deprecated");
      sink.Add(kByState, *known.deleted, "deleted");
    }
    sink.Add(kWatched, known.watched.size());
    sink.Add(kLeftOut, known.left_out);
    for (const Namespace& one : known.watched) Show(one, sink);
    if (known.failure) sink.Warn(*known.failure);
    return {};
  }

 private:
  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> namespaces_collector{
    .name = "namespaces",
    .summary = "Namespaces: state, retention, capabilities, replication.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env,
               TableReader&) -> Result<std::unique_ptr<Collector>> {
      return std::make_unique<NamespacesCollector>(env);
    },
    .interval = Millis(60'000),
    .timeout = Millis(30'000)};

}  // namespace sidecar::temporal
