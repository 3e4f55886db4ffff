#include <algorithm>

#include "exporters/host/cgroup_text.h"

namespace sidecar::host {
namespace {

constexpr double kNano = 1e9, kTick = 100;  // cpuacct.stat counts in USER_HZ: 100 everywhere

void ReadCpuacct(CgroupText& text, CpuStats& cpu) {
  if (const auto usage = text.Number("cpuacct.usage", kNano)) cpu.usage = usage;
  text.Keys("cpuacct.stat", {{"user", &cpu.user, kTick}, {"system", &cpu.system, kTick}});
}

void ReadCpu(CgroupText& text, CpuStats& cpu) {
  text.Keys("cpu.stat", {{"nr_periods", &cpu.periods},
                         {"nr_throttled", &cpu.throttled_periods},
                         {"throttled_time", &cpu.throttled, kNano},
                         {"nr_bursts", &cpu.burst_periods},  // since 5.14
                         {"burst_time", &cpu.bursts, kNano}});
  cpu.quota = text.Number("cpu.cfs_quota_us");
  cpu.limited = cpu.quota.has_value();
  cpu.period = text.Number("cpu.cfs_period_us");
  cpu.shares = text.Number("cpu.shares");
}

// "No limit" is the largest multiple of a page here; 0 for it, as for "max" of version 2.
Stat LimitOf(CgroupText& text, std::string_view file) {
  constexpr double kNoLimit = 4.6e18;  // 2^62, where cAdvisor draws the line
  const Stat limit = text.Number(file);
  return limit && *limit >= kNoLimit ? Stat(0) : limit;
}

void ReadMemory(CgroupText& text, MemoryStats& memory) {
  memory.usage = text.Number("memory.usage_in_bytes");
  memory.max_usage = text.Number("memory.max_usage_in_bytes");
  memory.kernel = text.Number("memory.kmem.usage_in_bytes");
  memory.limit_hits = text.Number("memory.failcnt");
  memory.limit = LimitOf(text, "memory.limit_in_bytes");
  memory.reservation = LimitOf(text, "memory.soft_limit_in_bytes");
  memory.swap_limit = LimitOf(text, "memory.memsw.limit_in_bytes");
  text.Keys("memory.stat", {{"total_rss", &memory.rss},
                            {"total_cache", &memory.cache},
                            {"total_mapped_file", &memory.mapped_file},
                            {"total_swap", &memory.swap},
                            {"total_active_file", &memory.active_file},
                            {"total_inactive_file", &memory.inactive_file},
                            {"total_dirty", &memory.file_dirty},
                            {"total_writeback", &memory.file_writeback},
                            {"pgfault", &memory.faults},
                            {"pgmajfault", &memory.major_faults},
                            {"total_pgfault", &memory.tree_faults},
                            {"total_pgmajfault", &memory.tree_major_faults}});
  text.Keys("memory.oom_control", {{"oom_kill", &memory.events.oom_kill}});  // since 4.13
}

void ReadBlkio(CgroupText& text, std::vector<CgroupIo>& io) {
  const auto add = [&](std::string_view file, BlkioUnit unit) {
    return text.With(file, [&](std::string_view content) -> Result<bool> {
      if (auto parsed = ParseBlkio(content, unit, io); !parsed) return Fail(parsed.error());
      return true;
    });
  };
  // With the groups below, as version 2 counts: since 5.1.
  if (!add("blkio.throttle.io_service_bytes_recursive", BlkioUnit::kBytes)) {
    add("blkio.throttle.io_service_bytes", BlkioUnit::kBytes);
  }
  if (!add("blkio.throttle.io_serviced_recursive", BlkioUnit::kOperations)) {
    add("blkio.throttle.io_serviced", BlkioUnit::kOperations);
  }
}

}  // namespace

void ReadCgroupV1(CgroupText& text, std::span<const std::string> controllers, CgroupStats& stats) {
  const auto has = [&](std::string_view controller) {
    return std::ranges::find(controllers, controller) != controllers.end();
  };
  if (has("cpuacct")) ReadCpuacct(text, stats.cpu);
  if (has("cpu")) ReadCpu(text, stats.cpu);
  if (has("memory")) ReadMemory(text, stats.memory);
  if (has("blkio")) ReadBlkio(text, stats.io);
  if (!has("pids")) return;
  stats.threads = text.Number("pids.current");
  if (const auto max = text.Value("pids.max")) stats.max_threads = max->OrZero();
  text.Keys("pids.events", {{"max", &stats.thread_limit_hits}});
}

}  // namespace sidecar::host
