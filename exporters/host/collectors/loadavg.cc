// Load averages from /proc/loadavg (proc(5)), under node_exporter's names.

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kLoad1 = Gauge("node_load1", "Load average over one minute.");
constexpr auto kLoad5 = Gauge("node_load5", "Load average over five minutes.");
constexpr auto kLoad15 = Gauge("node_load15", "Load average over fifteen minutes.");
constexpr FamilyInfo kFamilies[] = {kLoad1.info(), kLoad5.info(), kLoad15.info()};

class Loadavg final : public Collector {
 public:
  explicit Loadavg(const HostEnv& env) : file_(env.Proc("loadavg")) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    const auto text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    auto loads = ParseLoadAverages(*text);
    if (!loads) return Fail(std::move(loads.error()).Wrap(file_.path()));
    sink.Add(kLoad1, loads->one);
    sink.Add(kLoad5, loads->five);
    sink.Add(kLoad15, loads->fifteen);
    return {};
  }

 private:
  KeptFile file_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> loadavg_collector{
    .name = "loadavg",
    .summary = "Load averages.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Loadavg>(*env); }};

}  // namespace sidecar::host
