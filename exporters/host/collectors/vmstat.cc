// Counters and levels of virtual memory from /proc/vmstat, under node_exporter's names. Which of
// them count up the file does not say, so their type is unknown, as it is there.

#include <re2/re2.h>

#include "exporters/host/host_env.h"
#include "exporters/host/key_families.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

struct Options {
  std::string fields = "^(oom_kill|pgpg|pswp|pg.*fault).*";
  void Read(TableReader& table) {
    table.Field("fields", fields, "Which keys to export: a regular expression, found anywhere.")
        .Flag("collector.vmstat.fields");
  }
};

class Vmstat final : public Collector {
 public:
  Vmstat(const HostEnv& env, std::unique_ptr<const RE2> wanted)
      // About 4 KB on a kernel of 2025.
      : file_(env.Proc("vmstat"), {.max_bytes = std::size_t{256} << 10U, .records = true}),
        wanted_(std::move(wanted)) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    auto text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    std::size_t number = 0;
    while (const auto line = NextLine(*text)) {
      auto entry = ParseVmstat(*line);
      if (!entry) return Fail(std::move(entry.error()).Wrap(file_.path()));
      if (auto added = Add(*entry, number++, sink); !added) return added;
    }
    return {};
  }

 private:
  Result<> Add(const VmstatLine& entry, std::size_t number, Sink& sink) {
    const KeyFamily& family = families_.At(number, entry.key, [&](KeyFamily& fresh) {
      fresh.wanted = RE2::PartialMatch(fresh.key, *wanted_);
      fresh.name = "node_vmstat_" + MetricWord(fresh.key);
      fresh.help = "The value of " + fresh.key + " in /proc/vmstat.";
    });
    if (!family.wanted) return {};
    const auto rows = sink.Declare({.name = family.name,
                                    .help = family.help,
                                    .unit = {},
                                    .kind = Kind::kUnknown,
                                    .labels = {}});
    if (!rows) return Fail(rows.error());
    sink.Put(*rows, entry.value, std::span<const std::string_view>{});
    return {};
  }

  KeptFile file_;
  std::unique_ptr<const RE2> wanted_;
  KeyFamilies families_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> vmstat_collector{
    .name = "vmstat",
    .summary = "Virtual memory, chosen keys of /proc/vmstat.",
    .on_by_default = true,
    .families = {},
    .describe = [](TableReader& table) { Options{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      auto wanted = std::make_unique<const RE2>(options.fields, RE2::Quiet);
      if (!wanted->ok()) table.Reject("fields", "not a regular expression: " + wanted->error());
      return std::make_unique<Vmstat>(*env, std::move(wanted));
    }};

}  // namespace sidecar::host
