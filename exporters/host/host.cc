#include "exporters/host/host.h"

#include "exporters/host/host_env.h"
#include "exporters/host/peer_flags.h"

namespace sidecar::host {
namespace {

class Host final : public Exporter {
 public:
  Identity identity() const override { return {"host", "node", 9100}; }
  std::span<const std::string_view> refused_flags() const override { return PeerFlags(); }

  Result<Plan> Build(TableReader& table, Keep& keep, Runtime runtime) override {
    Roots roots;
    roots.Read(table);
    const auto env = std::make_shared<HostEnv>(std::move(roots), runtime, &keep);
    auto collectors = ReadCollectors<HostEnv>(Collectors(), env, table);
    if (!collectors) return Fail(std::move(collectors.error()));
    return Plan{std::move(*collectors), {}, {}};
  }
  void AddRoutes(Router&) override {}
};

}  // namespace

std::unique_ptr<Exporter> MakeHost() { return std::make_unique<Host>(); }

}  // namespace sidecar::host
