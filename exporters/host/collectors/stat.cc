// The kernel's own counters from /proc/stat (proc(5)), under node_exporter's names.

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kInterrupts = Counter("node_intr_total", "Interrupts served.");
constexpr auto kSwitches = Counter("node_context_switches_total", "Switches between tasks.");
constexpr auto kForks = Counter("node_forks_total", "Processes and threads created.");
constexpr auto kBoot = Gauge("node_boot_time_seconds", "When the system booted, in Unix time.");
constexpr auto kRunning = Gauge("node_procs_running", "Tasks that run or could run.");
constexpr auto kBlocked = Gauge("node_procs_blocked", "Tasks that wait for I/O.");
constexpr auto kSoftirqs = Counter("node_softirqs_total", "Soft interrupts served.", "vector");
constexpr FamilyInfo kFamilies[] = {kInterrupts.info(), kSwitches.info(), kForks.info(),
                                    kBoot.info(),       kRunning.info(),  kBlocked.info(),
                                    kSoftirqs.info()};

// In the order of the softirq line's columns (include/linux/interrupt.h).
constexpr std::array<std::string_view, KernelStat::kVectors> kVectors = {
    "hi",           "timer",   "net_tx", "net_rx",  "block",
    "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu"};

struct Options {
  bool softirq = false;
  void Read(TableReader& table) {
    table.Field("softirq", softirq, "Adds node_softirqs_total.").Flag("collector.stat.softirq");
  }
};

class Stat final : public Collector {
 public:
  Stat(std::shared_ptr<HostEnv> env, Options options)
      : env_(std::move(env)), options_(options), path_(env_->Proc("stat")) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    const auto shared = env_->Stat(scrape);
    if (!shared) return Fail(shared.error());
    const auto text = Whole(path_, std::string_view(**shared));
    if (!text) return Fail(text.error());
    auto stat = ParseKernelStat(*text);
    if (!stat) return Fail(std::move(stat.error()).Wrap(path_));
    bool any = false;
    const auto add = [&](const auto& family, std::optional<std::uint64_t> value) {
      if (value) sink.Add(family, *value);
      any |= value.has_value();
    };
    add(kInterrupts, stat->interrupts);
    add(kSwitches, stat->context_switches);
    add(kForks, stat->forks);
    add(kBoot, stat->boot_time);
    add(kRunning, stat->running);
    add(kBlocked, stat->blocked);
    if (!any) return Fail(Errc::kParse, path_ + ": none of the known keys");
    for (std::size_t i = 0; options_.softirq && i < kVectors.size(); ++i) {
      if (stat->softirqs[i]) sink.Add(kSoftirqs, *stat->softirqs[i], kVectors[i]);
    }
    return {};
  }

 private:
  std::shared_ptr<HostEnv> env_;  // a run left behind may outlive the generation
  Options options_;
  std::string path_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> stat_collector{
    .name = "stat",
    .summary = "Interrupts, context switches, forks, boot time, running and blocked tasks.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { Options{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      return std::make_unique<Stat>(env, options);
    }};

}  // namespace sidecar::host
