#pragma once
// The families of cgroup: cAdvisor's names, and cgroup_* for what it does not have.
//
//   sink.Add(cgroup_families::kMemoryUsage, 4096, "db", "/kubepods/4fa6");

#include "common/metrics/family.h"

namespace sidecar::host::cgroup_families {

constexpr auto kCpuUsage = Counter("container_cpu_usage_seconds_total",
                                   "CPU time that the container has used, of all CPUs together.",
                                   "container", "id", "cpu");
constexpr auto kCpuUser =
    Counter("container_cpu_user_seconds_total", "CPU time in user mode.", "container", "id");
constexpr auto kCpuSystem =
    Counter("container_cpu_system_seconds_total", "CPU time in the kernel.", "container", "id");
constexpr auto kCfsPeriods =
    Counter("container_cpu_cfs_periods_total",
            "Enforcement periods of the CPU quota in which the container ran.", "container", "id");
constexpr auto kCfsThrottledPeriods =
    Counter("container_cpu_cfs_throttled_periods_total",
            "Periods in which the CPU quota was used up.", "container", "id");
constexpr auto kCfsThrottled =
    Counter("container_cpu_cfs_throttled_seconds_total",
            "Time that the container was kept from running, summed over CPUs.", "container", "id");
constexpr auto kCfsBurstPeriods =
    Counter("container_cpu_cfs_burst_periods_total", "Periods in which saved quota was used.",
            "container", "id");
constexpr auto kCfsBurst =
    Counter("container_cpu_cfs_burst_seconds_total",
            "CPU time above the quota, from what earlier periods saved.", "container", "id");
constexpr auto kForcedIdle =
    Counter("cgroup_core_sched_force_idle_seconds_total",
            "Time that CPUs had to idle because of core scheduling.", "container", "id");
constexpr auto kMemoryUsage =
    Gauge("container_memory_usage_bytes", "Memory in use, page cache included.", "container", "id");
constexpr auto kMemoryWorkingSet =
    Gauge("container_memory_working_set_bytes",
          "Memory in use without the file pages that were not used of late.", "container", "id");
constexpr auto kMemoryRss =
    Gauge("container_memory_rss", "Anonymous memory, in bytes.", "container", "id").In("bytes");
constexpr auto kMemoryCache =
    Gauge("container_memory_cache", "Page cache, in bytes.", "container", "id").In("bytes");
constexpr auto kMemoryMapped = Gauge("container_memory_mapped_file",
                                     "File pages that are mapped, in bytes.", "container", "id")
                                   .In("bytes");
constexpr auto kMemorySwap =
    Gauge("container_memory_swap", "Memory in swap, in bytes.", "container", "id").In("bytes");
constexpr auto kMemoryPeak = Gauge("container_memory_max_usage_bytes",
                                   "The most memory that was ever in use.", "container", "id");
constexpr auto kMemoryKernel =
    Gauge("container_memory_kernel_usage", "Memory of the kernel for the container, in bytes.",
          "container", "id")
        .In("bytes");
constexpr auto kMemoryActiveFile = Gauge("container_memory_total_active_file_bytes",
                                         "File pages that were used of late.", "container", "id");
constexpr auto kMemoryInactiveFile =
    Gauge("container_memory_total_inactive_file_bytes", "File pages that were not used of late.",
          "container", "id");
constexpr auto kMemoryDirty =
    Gauge("container_memory_file_dirty_bytes", "File pages to be written.", "container", "id");
constexpr auto kMemoryWriteback = Gauge("container_memory_file_writeback_bytes",
                                        "File pages that are being written.", "container", "id");
constexpr auto kMemoryFailcnt = Counter(
    "container_memory_failcnt", "Allocations that met the memory limit.", "container", "id");
constexpr auto kMemoryFailures = Counter("container_memory_failures_total",
                                         "Page faults: pgfault, and pgmajfault of those that "
                                         "waited for storage; hierarchy includes the groups below.",
                                         "container", "id", "failure_type", "scope");
constexpr auto kPgscan =
    Counter("container_memory_pgscan_total", "Pages scanned to free memory.", "container", "id");
constexpr auto kPgsteal =
    Counter("container_memory_pgsteal_total", "Pages freed.", "container", "id");
constexpr auto kRefaultFile =
    Counter("container_memory_workingset_refault_file_total",
            "File pages that were freed and soon needed again.", "container", "id");
constexpr auto kRefaultAnon =
    Counter("container_memory_workingset_refault_anon_total",
            "Anonymous pages that were swapped out and soon needed again.", "container", "id");
constexpr auto kEventsHigh =
    Counter("container_memory_events_high_total",
            "Allocations that were slowed down above memory.high.", "container", "id");
constexpr auto kEventsMax =
    Counter("container_memory_events_max_total",
            "Allocations that were about to exceed memory.max.", "container", "id");
constexpr auto kOomEvents = Counter(
    "container_oom_events_total",
    "Processes that the out-of-memory killer ended, groups below included.", "container", "id");
constexpr auto kMemoryEvents =
    Counter("cgroup_memory_events_total",
            "Events of memory.events that cAdvisor has no name for: low, oom, oom_group_kill.",
            "container", "id", "event");
constexpr auto kMemoryLocalEvents =
    Counter("cgroup_memory_events_local_total",
            "Events of the group alone, without the groups below.", "container", "id", "event");
constexpr auto kMemoryHigh =
    Gauge("cgroup_memory_high_bytes",
          "Memory above which allocations are slowed down; absent where there is no such bound.",
          "container", "id");
constexpr auto kMemoryOomGroup =
    Gauge("cgroup_memory_oom_group", "Whether the out-of-memory killer ends the group as a whole.",
          "container", "id");
constexpr auto kProcesses =
    Gauge("container_processes", "Processes in the container.", "container", "id");
constexpr auto kThreads =
    Gauge("container_threads", "Threads in the container.", "container", "id");
constexpr auto kThreadsMax =
    Gauge("container_threads_max", "Threads that it may have; 0: no limit.", "container", "id");
constexpr auto kThreadLimitHits =
    Counter("cgroup_pids_limit_hits_total", "Forks that failed for container_threads_max.",
            "container", "id");
constexpr auto kDying =
    Gauge("cgroup_dying_descendants", "Groups below that were removed and still hold memory.",
          "container", "id");
constexpr auto kFsReadBytes = Counter("container_fs_reads_bytes_total",
                                      "Bytes read from the device.", "container", "id", "device");
constexpr auto kFsWriteBytes = Counter("container_fs_writes_bytes_total",
                                       "Bytes written to the device.", "container", "id", "device");
constexpr auto kFsReads =
    Counter("container_fs_reads_total", "Reads from the device.", "container", "id", "device");
constexpr auto kFsWrites =
    Counter("container_fs_writes_total", "Writes to the device.", "container", "id", "device");
constexpr auto kBlkio =
    Counter("container_blkio_device_usage_total", "Bytes by device and operation.", "container",
            "id", "device", "major", "minor", "operation")
        .In("bytes");
constexpr auto kCostUsage =
    Counter("container_fs_io_cost_usage_seconds_total", "Device time that the cost model charged.",
            "container", "id", "device");
constexpr auto kCostWait = Counter("container_fs_io_cost_wait_seconds_total",
                                   "Time that I/O waited for budget.", "container", "id", "device");
constexpr auto kCostIndebt =
    Counter("container_fs_io_cost_indebt_seconds_total", "Time in debt to the cost model.",
            "container", "id", "device");
constexpr auto kCostIndelay =
    Counter("container_fs_io_cost_indelay_seconds_total",
            "Time that threads were delayed for debt.", "container", "id", "device");
constexpr auto kIoDiscardBytes =
    Counter("cgroup_io_discarded_bytes_total", "Bytes discarded on the device.", "container", "id",
            "device");
constexpr auto kIoDiscards =
    Counter("cgroup_io_discards_total", "Discards on the device.", "container", "id", "device");
constexpr auto kCpuWaiting =
    Counter("container_pressure_cpu_waiting_seconds_total",
            "Time in which some task waited for a CPU.", "container", "id");
constexpr auto kCpuStalled =
    Counter("container_pressure_cpu_stalled_seconds_total",
            "Time in which no task ran because all waited for a CPU.", "container", "id");
constexpr auto kMemoryWaiting =
    Counter("container_pressure_memory_waiting_seconds_total",
            "Time in which some task waited for memory.", "container", "id");
constexpr auto kMemoryStalled =
    Counter("container_pressure_memory_stalled_seconds_total",
            "Time in which no task ran because all waited for memory.", "container", "id");
constexpr auto kIoWaiting = Counter("container_pressure_io_waiting_seconds_total",
                                    "Time in which some task waited for I/O.", "container", "id");
constexpr auto kIoStalled =
    Counter("container_pressure_io_stalled_seconds_total",
            "Time in which no task ran because all waited for I/O.", "container", "id");
constexpr auto kIrqStalled = Counter("cgroup_pressure_irq_stalled_seconds_total",
                                     "Time that interrupts took from tasks.", "container", "id");
constexpr auto kSpecPeriod = Gauge("container_spec_cpu_period",
                                   "Period of the CPU quota, in microseconds.", "container", "id")
                                 .In("microseconds");
constexpr auto kSpecQuota =
    Gauge("container_spec_cpu_quota",
          "CPU time in each period, in microseconds; absent where there is no quota.", "container",
          "id")
        .In("microseconds");
constexpr auto kSpecShares =
    Gauge("container_spec_cpu_shares",
          "Weight of the container where CPUs are short, in the units of version 1: 2 to 262144.",
          "container", "id");
constexpr auto kSpecMemory =
    Gauge("container_spec_memory_limit_bytes", "Memory limit; 0: none.", "container", "id");
constexpr auto kSpecReservation = Gauge(
    "container_spec_memory_reservation_limit_bytes",
    "Memory that is protected (version 2) or aimed at (version 1); 0: none.", "container", "id");
constexpr auto kSpecSwap = Gauge(
    "container_spec_memory_swap_limit_bytes",
    "Limit of swap (version 2) or of memory and swap (version 1); 0: none.", "container", "id");
constexpr auto kStart = Gauge(
    "container_start_time_seconds",
    "When the container's first process started, in seconds since the epoch.", "container", "id");
constexpr auto kLastSeen =
    Gauge("container_last_seen", "When the container was last seen, in seconds since the epoch.",
          "container", "id")
        .In("seconds");

constexpr auto kContainers =
    Gauge("cgroup_containers", "Containers whose control groups are read.");
constexpr auto kUnread =
    Gauge("cgroup_unread_containers",
          "Containers that are not: denied (another user's; CAP_SYS_PTRACE), unmounted (no mount "
          "shows the group), absent (configured, not there), limit (max_containers).",
          "reason");

constexpr FamilyInfo kAll[] = {kCpuUsage.info(),
                               kCpuUser.info(),
                               kCpuSystem.info(),
                               kCfsPeriods.info(),
                               kCfsThrottledPeriods.info(),
                               kCfsThrottled.info(),
                               kCfsBurstPeriods.info(),
                               kCfsBurst.info(),
                               kForcedIdle.info(),
                               kMemoryUsage.info(),
                               kMemoryWorkingSet.info(),
                               kMemoryRss.info(),
                               kMemoryCache.info(),
                               kMemoryMapped.info(),
                               kMemorySwap.info(),
                               kMemoryPeak.info(),
                               kMemoryKernel.info(),
                               kMemoryActiveFile.info(),
                               kMemoryInactiveFile.info(),
                               kMemoryDirty.info(),
                               kMemoryWriteback.info(),
                               kMemoryFailcnt.info(),
                               kMemoryFailures.info(),
                               kPgscan.info(),
                               kPgsteal.info(),
                               kRefaultFile.info(),
                               kRefaultAnon.info(),
                               kEventsHigh.info(),
                               kEventsMax.info(),
                               kOomEvents.info(),
                               kMemoryEvents.info(),
                               kMemoryLocalEvents.info(),
                               kMemoryHigh.info(),
                               kMemoryOomGroup.info(),
                               kProcesses.info(),
                               kThreads.info(),
                               kThreadsMax.info(),
                               kThreadLimitHits.info(),
                               kDying.info(),
                               kFsReadBytes.info(),
                               kFsWriteBytes.info(),
                               kFsReads.info(),
                               kFsWrites.info(),
                               kBlkio.info(),
                               kCostUsage.info(),
                               kCostWait.info(),
                               kCostIndebt.info(),
                               kCostIndelay.info(),
                               kIoDiscardBytes.info(),
                               kIoDiscards.info(),
                               kCpuWaiting.info(),
                               kCpuStalled.info(),
                               kMemoryWaiting.info(),
                               kMemoryStalled.info(),
                               kIoWaiting.info(),
                               kIoStalled.info(),
                               kIrqStalled.info(),
                               kSpecPeriod.info(),
                               kSpecQuota.info(),
                               kSpecShares.info(),
                               kSpecMemory.info(),
                               kSpecReservation.info(),
                               kSpecSwap.info(),
                               kStart.info(),
                               kLastSeen.info(),
                               kContainers.info(),
                               kUnread.info()};

}  // namespace sidecar::host::cgroup_families
