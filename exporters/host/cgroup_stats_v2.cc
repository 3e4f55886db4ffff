#include <algorithm>

#include "exporters/host/cgroup_text.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr double kMicro = 1e6;

// cpu.weight 1 to 10000 as cpu.shares 2 to 262144, in whole numbers as cAdvisor and runc convert.
double SharesOf(std::uint64_t weight) {
  constexpr std::uint64_t kMaxWeight = 10'000, kMinShares = 2, kMaxShares = 262'144;
  weight = std::clamp<std::uint64_t>(weight, 1, kMaxWeight);
  return static_cast<double>(kMinShares +
                             (weight - 1) * (kMaxShares - kMinShares) / (kMaxWeight - 1));
}

void ReadCpu(CgroupText& text, CpuStats& cpu) {
  text.Keys("cpu.stat", {{"usage_usec", &cpu.usage, kMicro},
                         {"user_usec", &cpu.user, kMicro},
                         {"system_usec", &cpu.system, kMicro},
                         {"nr_periods", &cpu.periods},
                         {"nr_throttled", &cpu.throttled_periods},
                         {"throttled_usec", &cpu.throttled, kMicro},
                         {"nr_bursts", &cpu.burst_periods},
                         {"burst_usec", &cpu.bursts, kMicro},
                         {"core_sched.force_idle_usec", &cpu.forced_idle, kMicro}});
  if (const auto max = text.With("cpu.max", ParseCpuMax)) {
    cpu.limited = max->quota.has_value();
    if (max->quota) cpu.quota = static_cast<double>(*max->quota);
    cpu.period = static_cast<double>(max->period);
  }
  if (const auto weight = text.Value("cpu.weight"); weight && weight->value) {
    cpu.shares = SharesOf(*weight->value);
  }
}

void ReadEvents(CgroupText& text, std::string_view file, MemoryStats::Events& events) {
  text.Keys(file, {{"low", &events.low},
                   {"high", &events.high},
                   {"max", &events.max},
                   {"oom", &events.oom},
                   {"oom_kill", &events.oom_kill},
                   {"oom_group_kill", &events.oom_group_kill}});
}

void ReadMemory(CgroupText& text, MemoryStats& memory) {
  memory.usage = text.Number("memory.current");
  memory.max_usage = text.Number("memory.peak");  // since 5.19
  memory.swap = text.Number("memory.swap.current");
  text.Keys("memory.stat", {{"anon", &memory.rss},
                            {"file", &memory.cache},
                            {"file_mapped", &memory.mapped_file},
                            {"kernel", &memory.kernel},  // since 5.18
                            {"active_file", &memory.active_file},
                            {"inactive_file", &memory.inactive_file},
                            {"file_dirty", &memory.file_dirty},
                            {"file_writeback", &memory.file_writeback},
                            {"pgfault", &memory.faults},
                            {"pgmajfault", &memory.major_faults},
                            {"pgscan", &memory.pgscan},
                            {"pgsteal", &memory.pgsteal},
                            {"workingset_refault_file", &memory.refault_file},
                            {"workingset_refault_anon", &memory.refault_anon}});
  memory.tree_faults = memory.faults;  // version 2 counts the groups below always
  memory.tree_major_faults = memory.major_faults;
  ReadEvents(text, "memory.events", memory.events);
  ReadEvents(text, "memory.events.local", memory.local_events);
  memory.limit_hits = memory.events.max;
  if (const auto limit = text.Value("memory.max")) memory.limit = limit->OrZero();
  if (const auto low = text.Value("memory.low")) memory.reservation = low->OrZero();
  if (const auto swap = text.Value("memory.swap.max")) memory.swap_limit = swap->OrZero();
  memory.high_limit = text.Number("memory.high");
  memory.whole_group_killed = text.Number("memory.oom.group");
}

void ReadPressure(CgroupText& text, std::string_view file, PressureStats& stats) {
  const auto pressure = text.With(file, ParsePressure);
  if (!pressure) return;
  if (pressure->some) stats.some = static_cast<double>(*pressure->some) / kMicro;
  if (pressure->full) stats.full = static_cast<double>(*pressure->full) / kMicro;
}

}  // namespace

void ReadCgroupV2(CgroupText& text, CgroupStats& stats) {
  ReadCpu(text, stats.cpu);
  ReadMemory(text, stats.memory);
  ReadPressure(text, "cpu.pressure", stats.cpu_pressure);
  ReadPressure(text, "memory.pressure", stats.memory_pressure);
  ReadPressure(text, "io.pressure", stats.io_pressure);
  ReadPressure(text, "irq.pressure", stats.irq_pressure);
  if (auto io = text.With("io.stat", ParseIoStat)) stats.io = std::move(*io);
  stats.threads = text.Number("pids.current");
  if (const auto max = text.Value("pids.max")) stats.max_threads = max->OrZero();
  text.Keys("pids.events", {{"max", &stats.thread_limit_hits}});
  text.Keys("cgroup.stat", {{"nr_dying_descendants", &stats.dying_groups}});
}

}  // namespace sidecar::host
