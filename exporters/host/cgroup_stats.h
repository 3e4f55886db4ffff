#pragma once
// What one control group says of itself, whatever version says it: seconds and bytes. What is not
// there, because the kernel or the version lacks it or the controller is off, has no value; never
// 0 for it.
//
//   CgroupStats stats = ReadCgroup(directories, buffer);
//   if (stats.memory.usage) ...

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "exporters/host/cgroup_directory.h"
#include "exporters/host/cgroup_files.h"

namespace sidecar::host {

using Stat = std::optional<double>;

struct CpuStats {
  Stat usage, user, system;
  Stat periods, throttled_periods, throttled, burst_periods, bursts;
  Stat forced_idle;
  bool limited = false;        // there is a quota
  Stat quota, period, shares;  // quota and period in microseconds, as they are configured
};

struct MemoryStats {
  Stat usage, max_usage, rss, cache, mapped_file, swap, kernel;
  Stat active_file, inactive_file, file_dirty, file_writeback;
  Stat faults, major_faults, tree_faults, tree_major_faults;  // tree: groups below included
  Stat pgscan, pgsteal, refault_file, refault_anon;
  Stat limit_hits;  // an allocation met the limit
  // 0 is none: cAdvisor's way to say it, which dashboards rely on.
  Stat limit, reservation, swap_limit;
  Stat high_limit;  // none when there is none
  Stat whole_group_killed;

  struct Events {
    Stat low, high, max, oom, oom_kill, oom_group_kill;
  };
  Events events, local_events;  // local: without groups below
};

struct PressureStats {
  Stat some, full;
};

struct CgroupStats {
  CpuStats cpu;
  MemoryStats memory;
  PressureStats cpu_pressure, memory_pressure, io_pressure, irq_pressure;
  std::vector<CgroupIo> io;
  Stat processes, threads, max_threads;  // max_threads 0: no limit
  Stat thread_limit_hits, dying_groups;
  bool gone = false;            // a directory was removed: what is here is of no one moment
  std::vector<Error> faults{};  // files that say what no kernel does, named
};

CgroupStats ReadCgroup(std::span<const CgroupDirectory> directories, std::string& buffer);

}  // namespace sidecar::host
