// What of a process costs more than its stat: read when it has run since.

#include <unistd.h>

#include <algorithm>

#include "common/metrics/utf8.h"
#include "exporters/host/process_tracker.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kMaxWchans = 4'096;
constexpr std::size_t kMaxThreadNames = 256;  // of a group
constexpr std::size_t kClockEvery = 32;       // threads between two looks at the clock

ThreadGroup& ThreadGroupFor(ProcessGroup& group, std::string_view comm) {
  std::string name = ToUtf8(comm);
  auto found = group.threads.find(name);
  if (found != group.threads.end()) return found->second;
  if (group.threads.size() >= kMaxThreadNames) name = ProcessTracker::kOverflow;
  return group.threads[name];
}

// Counts a thread's growth in the sums that it belongs to; the first value of an old one is no
// growth.
void Count(Thread& thread, bool known, Counters::Index counter, std::uint64_t now,
           std::initializer_list<Counters*> sums) {
  const std::uint64_t growth = Growth(thread.counters, counter, now);
  if (!known && thread.old) return;
  for (Counters* const sum : sums) {
    if (sum != nullptr) (*sum)[counter] += growth;
  }
}

void Count(Process& process, bool known, Counters::Index counter, std::uint64_t now) {
  const std::uint64_t growth = Growth(process.counters, counter, now);
  if (known || process.newborn) process.group->total[counter] += growth;
}

}  // namespace

// The caller has taken the process's CPU time before: whatever happens from then on changes it, so
// that the next pass reads again, and what these reads miss is not missed for good.
void ProcessTracker::ReadDetails(const Run& run, std::int32_t pid, Process& process) {
  ReadStatus(pid, process);
  ReadIo(pid, process);
  ReadDescriptors(pid, process);
  process.wchan = Wchan(reader_.Read(pid, "wchan"));
  if (run.options.smaps) {
    ReadSmaps(run, pid, process);
  } else {
    process.smaps.reset();
    process.denied[kSmaps] = false;
  }
  ReadThreads(run, pid, process);
  process.detailed = true;
}

void ProcessTracker::ReadStatus(std::int32_t pid, Process& process) {
  const auto text = reader_.Read(pid, "status");
  if (text.access == Access::kGone) return;
  auto status = ParseProcessStatus(text.value);
  if (!status) {
    ++errors_.parts;
    process.cpu_nanoseconds.reset();
    if (text.access == Access::kRead) {
      Malformed(std::move(status.error()).Wrap(std::to_string(pid) + "/status"));
    }
    return;
  }
  process.swapped_bytes = status->swapped_bytes;
  Count(process, process.status_known, Counters::kVoluntary, status->voluntary);
  Count(process, process.status_known, Counters::kNonvoluntary, status->nonvoluntary);
  process.status_known = true;
}

void ProcessTracker::ReadIo(std::int32_t pid, Process& process) {
  const auto text = reader_.Read(pid, "io");
  if (text.access == Access::kGone) return;  // or a kernel without CONFIG_TASK_IO_ACCOUNTING
  auto io = ParseProcessIo(text.value);
  process.denied[kIo] = text.access != Access::kRead || !io;
  if (process.denied[kIo]) {
    ++errors_.parts;
    if (text.access == Access::kRead) {
      Malformed(std::move(io.error()).Wrap(std::to_string(pid) + "/io"));
    }
    return;
  }
  Count(process, process.io_known, Counters::kReadBytes, io->read_bytes);
  Count(process, process.io_known, Counters::kWriteBytes, io->write_bytes);
  process.io_known = process.group->io_known = true;
}

void ProcessTracker::ReadDescriptors(std::int32_t pid, Process& process) {
  const auto open = reader_.CountDescriptors(pid);
  if (open.access == Access::kGone) return;
  const auto limit = reader_.DescriptorLimit(pid);
  process.denied[kDescriptors] = open.access != Access::kRead;
  if (open.access != Access::kRead || limit.access == Access::kFailed) ++errors_.parts;
  process.descriptors = open.value;
  process.descriptor_limit = limit.access == Access::kRead ? limit.value : 0;
}

// Slow in proportion to the memory (measured by users: 4 s for 200 GB), and others' doings change
// it as well: at most once an interval, and not at all for the largest.
void ProcessTracker::ReadSmaps(const Run& run, std::int32_t pid, Process& process) {
  const Mono now = run.scrape.clock().mono();
  if (process.smaps && now - process.smaps->read < run.options.smaps_interval) return;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto largest = static_cast<std::uint64_t>(run.options.smaps_max_resident_bytes);
  process.denied[kSmaps] = process.resident_pages > largest / page;
  if (process.denied[kSmaps]) return process.smaps.reset();
  const auto text = reader_.Read(pid, "smaps_rollup");  // since 4.14; of kernel threads empty
  if (text.access == Access::kGone) return;
  const auto memory = ParseSmapsRollup(text.value);
  const bool without_memory = text.access == Access::kRead && text.value.empty();
  process.denied[kSmaps] = !memory && !without_memory;
  if (process.denied[kSmaps]) {
    ++errors_.parts;
    return process.smaps.reset();
  }
  if (!process.smaps) process.smaps = std::make_unique<Process::Smaps>();
  process.smaps->read = now;
  process.smaps->proportional_bytes = memory ? memory->resident_bytes : 0;
  process.smaps->proportional_swapped_bytes = memory ? memory->swapped_bytes : 0;
}

// The context switches of a process are nowhere summed up: /proc/PID/status has its first thread's.
void ProcessTracker::ReadThreads(const Run& run, std::int32_t pid, Process& process) {
  const bool old = std::exchange(process.old_threads, false);
  if (process.threads <= 1) return process.thread_list.reset();
  if (reader_.ListThreads(pid, tids_) != Access::kRead) {
    process.old_threads = old;
    return;
  }
  if (!process.thread_list) process.thread_list = std::make_unique<std::vector<Thread>>();
  std::vector<Thread>& threads = *process.thread_list;
  for (std::size_t i = 0; i < tids_.size(); ++i) {
    if (i % kClockEvery == 0 && run.OutOfTime()) {
      process.old_threads = old;
      process.cpu_nanoseconds.reset();  // the next pass reads on
      for (Thread& thread : threads) thread.seen = true;
      break;
    }
    const std::int32_t tid = tids_[i];
    if (tid == pid && !run.options.threads) continue;  // its switches are the process's
    auto at = std::ranges::lower_bound(threads, tid, {}, &Thread::tid);
    if (at == threads.end() || at->tid != tid) {
      // The first thread comes into the list with the second one, when it is not new.
      const bool older = old || (tid == pid && process.detailed);
      at = threads.insert(at, Thread{.tid = tid, .old = older, .ran = {}});
    }
    ReadThread(run, pid, process, *at);
  }
  std::erase_if(threads, [](Thread& thread) { return !std::exchange(thread.seen, false); });
}

void ProcessTracker::ReadThread(const Run& run, std::int32_t pid, Process& process,
                                Thread& thread) {
  const auto schedstat = reader_.ReadThread(pid, thread.tid, "schedstat");
  std::optional<std::uint64_t> ran;  // none without CONFIG_SCHED_INFO
  if (schedstat.access == Access::kRead) {
    if (const auto parsed = ParseSchedstat(schedstat.value)) ran = *parsed;
  }
  if (ran && thread.ran == ran && thread.state != 'R') {
    thread.seen = true;
    return;
  }
  if (ran && thread.ran && *ran < *thread.ran)
    thread = Thread{.tid = thread.tid, .ran = {}};  // another
  thread.ran = ran;
  if (!run.options.threads) return ReadThreadStatus(pid, *process.group, thread);
  if (!ReadThreadStat(pid, *process.group, thread)) return;
  ReadThreadStatus(pid, *process.group, thread);
  ReadThreadIo(pid, thread);
  thread.wchan = Wchan(reader_.ReadThread(pid, thread.tid, "wchan"));
}

bool ProcessTracker::ReadThreadStat(std::int32_t pid, ProcessGroup& group, Thread& thread) {
  const auto text = reader_.ReadThread(pid, thread.tid, "stat");
  const auto stat = ParseProcessStat(text.value);
  if (text.access != Access::kRead || !stat) return false;
  if (thread.stat_known && thread.start_ticks != stat->start_ticks) {
    thread = Thread{.tid = thread.tid, .ran = thread.ran};
  }
  thread.start_ticks = stat->start_ticks;
  thread.state = stat->state;
  thread.group = &ThreadGroupFor(group, stat->comm);
  Counters* const sum = &thread.group->total;
  Count(thread, thread.stat_known, Counters::kUserTicks, stat->user_ticks, {sum});
  Count(thread, thread.stat_known, Counters::kSystemTicks, stat->system_ticks, {sum});
  Count(thread, thread.stat_known, Counters::kMinorFaults, stat->minor_faults, {sum});
  Count(thread, thread.stat_known, Counters::kMajorFaults, stat->major_faults, {sum});
  thread.stat_known = true;
  return true;
}

void ProcessTracker::ReadThreadStatus(std::int32_t pid, ProcessGroup& group, Thread& thread) {
  const auto text = reader_.ReadThread(pid, thread.tid, "status");
  const auto status = ParseProcessStatus(text.value);
  if (text.access != Access::kRead || !status) return;
  thread.seen = true;
  Counters* const own = thread.group == nullptr ? nullptr : &thread.group->total;
  Counters* const all = thread.tid == pid ? nullptr : &group.total;
  Count(thread, thread.status_known, Counters::kVoluntary, status->voluntary, {own, all});
  Count(thread, thread.status_known, Counters::kNonvoluntary, status->nonvoluntary, {own, all});
  thread.status_known = true;
}

void ProcessTracker::ReadThreadIo(std::int32_t pid, Thread& thread) {
  const auto text = reader_.ReadThread(pid, thread.tid, "io");
  if (text.access == Access::kGone) return;
  const auto io = ParseProcessIo(text.value);
  thread.io_denied = text.access != Access::kRead || !io;
  if (thread.io_denied) return;
  Counters* const sum = &thread.group->total;
  Count(thread, thread.io_known, Counters::kReadBytes, io->read_bytes, {sum});
  Count(thread, thread.io_known, Counters::kWriteBytes, io->write_bytes, {sum});
  thread.io_known = thread.group->io_known = true;
}

const std::string* ProcessTracker::Wchan(const ProcessRead<std::string_view>& text) {
  // "0": it waits for nothing, or we may not know.
  if (text.access != Access::kRead || text.value.empty() || text.value == "0") return nullptr;
  const std::string name = ToUtf8(text.value.substr(0, 64));
  auto found = wchans_.find(name);
  if (found == wchans_.end()) {
    if (wchans_.size() >= kMaxWchans) return &*wchans_.emplace(kOverflow).first;
    found = wchans_.insert(name).first;
  }
  return &*found;
}

}  // namespace sidecar::host
