#pragma once
// The families of process_groups: process-exporter's names, and what its users were missing.
//
//   sink.Add(process_families::kProcesses, 3, "postgres");

#include "common/metrics/family.h"

namespace sidecar::host::process_families {

constexpr auto kProcesses = Gauge("namedprocess_namegroup_num_procs",
                                  "Processes that belong to the group now.", "groupname");
constexpr auto kCpuSeconds = Counter(
    "namedprocess_namegroup_cpu_seconds_total",
    "CPU time of the group's processes, those that have ended included.", "groupname", "mode");
constexpr auto kReadBytes =
    Counter("namedprocess_namegroup_read_bytes_total",
            "Bytes that the group's processes caused to be fetched from storage.", "groupname")
        .In("bytes");
constexpr auto kWriteBytes =
    Counter("namedprocess_namegroup_write_bytes_total",
            "Bytes that the group's processes caused to be sent to storage.", "groupname")
        .In("bytes");
constexpr auto kMajorFaults = Counter("namedprocess_namegroup_major_page_faults_total",
                                      "Page faults that had to wait for storage.", "groupname");
constexpr auto kMinorFaults = Counter("namedprocess_namegroup_minor_page_faults_total",
                                      "Page faults without a wait for storage.", "groupname");
constexpr auto kContextSwitches =
    Counter("namedprocess_namegroup_context_switches_total",
            "Context switches of all threads: voluntary (to wait) or nonvoluntary (preempted).",
            "groupname", "ctxswitchtype");
constexpr auto kMemory =
    Gauge("namedprocess_namegroup_memory_bytes",
          "Memory by kind; pages that processes share count in each, but in the proportional ones.",
          "groupname", "memtype");
constexpr auto kDescriptors =
    Gauge("namedprocess_namegroup_open_filedesc", "Open file descriptors.", "groupname");
constexpr auto kWorstDescriptorRatio = Gauge(
    "namedprocess_namegroup_worst_fd_ratio",
    "Open file descriptors by their soft limit, of the process where it is highest.", "groupname");
constexpr auto kOldestStart =
    Gauge("namedprocess_namegroup_oldest_start_time_seconds",
          "When the group's oldest process started, in seconds since the epoch.", "groupname");
constexpr auto kThreads =
    Gauge("namedprocess_namegroup_num_threads", "Threads of the group's processes.", "groupname");
constexpr auto kStates =
    Gauge("namedprocess_namegroup_states",
          "Processes by state, that of their first thread; with the option threads, all threads.",
          "groupname", "state");
constexpr auto kWchan =
    Gauge("namedprocess_namegroup_threads_wchan",
          "First threads of processes by the kernel function that they wait in; with the option "
          "threads, all threads.",
          "groupname", "wchan");
constexpr auto kDenied = Gauge(
    "namedprocess_namegroup_denied_procs",
    "Processes of which a file may not be read (or, smaps_rollup, is too dear): what it would "
    "add to is not exported for the group.",
    "groupname", "file");

constexpr auto kThreadCount =
    Gauge("namedprocess_namegroup_thread_count", "Threads of a name.", "groupname", "threadname");
constexpr auto kThreadCpuSeconds =
    Counter("namedprocess_namegroup_thread_cpu_seconds_total", "CPU time of threads of a name.",
            "groupname", "threadname", "mode");
constexpr auto kThreadIoBytes = Counter("namedprocess_namegroup_thread_io_bytes_total",
                                        "Bytes that threads of a name moved from and to storage.",
                                        "groupname", "threadname", "iomode");
constexpr auto kThreadMajorFaults = Counter(
    "namedprocess_namegroup_thread_major_page_faults_total",
    "Page faults of threads of a name that had to wait for storage.", "groupname", "threadname");
constexpr auto kThreadMinorFaults = Counter(
    "namedprocess_namegroup_thread_minor_page_faults_total",
    "Page faults of threads of a name without a wait for storage.", "groupname", "threadname");
constexpr auto kThreadContextSwitches =
    Counter("namedprocess_namegroup_thread_context_switches_total",
            "Context switches of threads of a name.", "groupname", "threadname", "ctxswitchtype");

constexpr auto kScrapeErrors =
    Counter("namedprocess_scrape_errors", "Runs in which no process could be listed.");
constexpr auto kReadErrors =
    Counter("namedprocess_scrape_procread_errors", "Processes that could not be read.");
constexpr auto kPartialErrors =
    Counter("namedprocess_scrape_partial_errors",
            "Files of processes that could not be read, where the process itself could.");

constexpr FamilyInfo kAll[] = {kProcesses.info(),
                               kCpuSeconds.info(),
                               kReadBytes.info(),
                               kWriteBytes.info(),
                               kMajorFaults.info(),
                               kMinorFaults.info(),
                               kContextSwitches.info(),
                               kMemory.info(),
                               kDescriptors.info(),
                               kWorstDescriptorRatio.info(),
                               kOldestStart.info(),
                               kThreads.info(),
                               kStates.info(),
                               kWchan.info(),
                               kDenied.info(),
                               kThreadCount.info(),
                               kThreadCpuSeconds.info(),
                               kThreadIoBytes.info(),
                               kThreadMajorFaults.info(),
                               kThreadMinorFaults.info(),
                               kThreadContextSwitches.info(),
                               kScrapeErrors.info(),
                               kReadErrors.info(),
                               kPartialErrors.info()};

}  // namespace sidecar::host::process_families
