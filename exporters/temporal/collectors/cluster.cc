// The server: version, stores, capabilities, what it says of newer versions (GetSystemInfo,
// GetClusterInfo).

#include <map>

#include "exporters/temporal/frontend.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kInfo =
    Gauge("temporal_server_info", "The server; stores and cluster are empty if it does not tell.",
          "version", "cluster_name", "cluster_id", "persistence_store", "visibility_store");
constexpr auto kShards = Gauge("temporal_server_history_shards", "Shards of the history service.");
constexpr auto kCapability =
    Gauge("temporal_server_capability", "What the server says that it can do.", "capability");
constexpr auto kAlerts =
    Gauge("temporal_server_version_alerts",
          "What the server's own check of versions says of this one.", "severity");
constexpr auto kRecommended =
    Gauge("temporal_server_recommended_version_info",
          "The version that the server's own check recommends.", "version");
constexpr FamilyInfo kFamilies[] = {kInfo.info(), kShards.info(), kCapability.info(),
                                    kAlerts.info(), kRecommended.info()};

class Cluster final : public Collector {
 public:
  explicit Cluster(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    auto read = env_->frontend().Server(scrape);
    if (!read) return Fail(std::move(read.error()));
    const ServerInfo& server = **read;
    sink.Add(kInfo, 1, server.version, server.cluster_name, server.cluster_id,
             server.persistence_store, server.visibility_store);
    for (const std::string& name : server.capabilities) sink.Add(kCapability, 1, name);
    if (!server.cluster_known) return {};
    sink.Add(kShards, server.history_shards);
    std::map<std::string, int> alerts;
    for (const std::string& severity : server.alerts) ++alerts[severity];
    for (const auto& [severity, count] : alerts) sink.Add(kAlerts, count, severity);
    if (!server.recommended_version.empty()) {
      sink.Add(kRecommended, 1, server.recommended_version);
    }
    return {};
  }

 private:
  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> cluster_collector{
    .name = "cluster",
    .summary = "Version, stores and capabilities of the server.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Cluster>(env); },
    .interval = Millis(60'000),
    .timeout = Millis(15'000)};

}  // namespace sidecar::temporal
