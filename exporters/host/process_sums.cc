// The gauges of the groups, from what the pass knows of the processes.

#include <unistd.h>

#include <algorithm>

#include "exporters/host/process_tracker.h"

namespace sidecar::host {
namespace {

void Zero(ProcessGroup& group) {
  group.now = {};
  for (auto& [wchan, count] : group.wchans) count = 0;
  for (auto& [name, threads] : group.threads) threads.alive = threads.io_denied = 0;
}

void AddMemory(const Process& process, std::uint64_t page, ProcessGroup::Now& now) {
  now.resident_bytes += process.resident_pages * page;
  now.virtual_bytes += process.virtual_bytes;
  now.swapped_bytes += process.swapped_bytes;
  if (!process.smaps) return;
  now.proportional_bytes += process.smaps->proportional_bytes;
  now.proportional_swapped_bytes += process.smaps->proportional_swapped_bytes;
}

void AddDescriptors(const Process& process, ProcessGroup::Now& now) {
  now.descriptors += process.descriptors;
  if (process.descriptor_limit == 0 || process.descriptor_limit == kUnlimited) return;
  now.worst_descriptor_ratio =
      std::max(now.worst_descriptor_ratio, static_cast<double>(process.descriptors) /
                                               static_cast<double>(process.descriptor_limit));
}

// Each thread once: process-exporter counts the first one twice.
void AddThreads(const std::vector<Thread>& threads, ProcessGroup& group) {
  for (const Thread& thread : threads) {
    if (thread.group == nullptr) continue;
    ++group.now.states[StateOf(thread.state)];
    if (thread.wchan != nullptr) ++group.wchans[thread.wchan];
    ++thread.group->alive;
    thread.group->io_denied += thread.io_denied ? 1 : 0;
  }
}

void AddProcess(const Process& process, bool threads, std::uint64_t page) {
  ProcessGroup& group = *process.group;
  ++group.now.processes;
  group.now.threads += process.threads;
  group.now.oldest_start_ticks = std::min(group.now.oldest_start_ticks, process.start_ticks);
  AddMemory(process, page, group.now);
  AddDescriptors(process, group.now);
  for (std::size_t i = 0; i < kGuarded; ++i) group.now.denied[i] += process.denied[i] ? 1 : 0;
  if (threads && process.thread_list) return AddThreads(*process.thread_list, group);
  ++group.now.states[StateOf(process.state)];
  if (process.wchan != nullptr) ++group.wchans[process.wchan];
}

}  // namespace

void ProcessTracker::Sum(const ProcessOptions& options) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (auto& [name, group] : groups_) Zero(group);
  for (const auto& [pid, process] : processes_) {
    if (process.group != nullptr) AddProcess(process, options.threads, page);
  }
  for (auto& [name, group] : groups_) {
    std::erase_if(group.wchans, [](const auto& entry) { return entry.second == 0; });
  }
}

}  // namespace sidecar::host
