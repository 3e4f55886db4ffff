// Memory from /proc/meminfo (proc(5)), under node_exporter's names. Every key becomes a family:
// node_exporter 1.12 has a fixed list and so lost some that 1.5 had (KReclaimable, Hugetlb).

#include "exporters/host/host_env.h"
#include "exporters/host/key_families.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

class Meminfo final : public Collector {
 public:
  // About 1.5 KB on a kernel of 2025.
  explicit Meminfo(const HostEnv& env)
      : file_(env.Proc("meminfo"), {.max_bytes = std::size_t{256} << 10U}) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    auto text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    std::size_t number = 0;
    while (const auto line = NextLine(*text)) {
      auto entry = ParseMeminfo(*line);
      if (!entry) return Fail(std::move(entry.error()).Wrap(file_.path()));
      if (auto added = Add(*entry, number++, sink); !added) return added;
    }
    return {};
  }

 private:
  Result<> Add(const MeminfoLine& entry, std::size_t number, Sink& sink) {
    const KeyFamily& family = families_.At(number, entry.key, [&](KeyFamily& fresh) {
      fresh.name = "node_memory_" + MetricWord(entry.key) + (entry.bytes ? "_bytes" : "");
      fresh.help = "The value of " + fresh.key + " in /proc/meminfo.";
    });
    const auto rows = sink.Declare(
        {.name = family.name, .help = family.help, .unit = {}, .kind = Kind::kGauge, .labels = {}});
    if (!rows) return Fail(rows.error());
    sink.Put(*rows, static_cast<double>(entry.value), std::span<const std::string_view>{});
    return {};
  }

  KeptFile file_;
  KeyFamilies families_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> meminfo_collector{
    .name = "meminfo",
    .summary = "Memory by use, each key of /proc/meminfo.",
    .on_by_default = true,
    .families = {},
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Meminfo>(*env); }};

}  // namespace sidecar::host
