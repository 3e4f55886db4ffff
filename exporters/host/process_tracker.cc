#include "exporters/host/process_tracker.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/file.h"

namespace sidecar::host {
namespace {

constexpr int kMarginMs = 100;
constexpr std::size_t kStatBytes = 4'096;
constexpr std::size_t kClockEvery = 32;  // processes between two looks at the clock
constexpr std::int32_t kMaxDepth = 256;  // of ancestors: the tree changes as it is read
constexpr std::size_t kMaxUsers = 4'096;
// Every so many passes the files of a process are read although it did not run: others can swap its
// memory out or give it a descriptor.
constexpr std::uint32_t kRefreshEvery = 16;

bool Turn(std::uint32_t pass, std::int32_t pid) {
  return (pass + static_cast<std::uint32_t>(pid)) % kRefreshEvery == 0;
}

void TakeStat(Process& process, const ProcessStat& stat) {
  process.state = stat.state;
  process.parent = stat.parent;
  process.threads = stat.threads;
  process.resident_pages = stat.resident_pages;
  process.virtual_bytes = stat.virtual_bytes;
  Growth(process.counters, Counters::kUserTicks, stat.user_ticks);
  Growth(process.counters, Counters::kSystemTicks, stat.system_ticks);
  Growth(process.counters, Counters::kMinorFaults, stat.minor_faults);
  Growth(process.counters, Counters::kMajorFaults, stat.major_faults);
}

// The growth of what stat says since `before` goes to the process's group.
void CountStat(Process& process, const Counters& before) {
  for (std::size_t i = 0; i < Counters::kInStat; ++i) {
    process.group->total[i] += process.counters[i] - before[i];
  }
}

void JoinGroup(Process& process, ProcessGroup& group, const Counters& before) {
  process.group = &group;
  process.decided = true;
  process.old_threads |= !process.newborn && !process.detailed;
  CountStat(process, before);
}

}  // namespace

ProcessTracker::ProcessTracker(std::string procfs, std::string rootfs, Mono started)
    : reader_(std::move(procfs)), passwd_(std::move(rootfs)), started_(started) {
  if (!passwd_.ends_with('/')) passwd_ += '/';
  passwd_ += "etc/passwd";
}

Result<ProcessTracker::Passed> ProcessTracker::Pass(const Scrape& scrape, const ProcessRules& rules,
                                                    const ProcessOptions& options,
                                                    std::optional<std::uint64_t> boot_time) {
  Run run{.scrape = scrape,
          .rules = rules,
          .options = options,
          .boot_time = boot_time,
          .margin_ms = std::min(kMarginMs, scrape.LeftMs() / 4)};
  if (auto listed = reader_.List(pids_); !listed) {
    ++errors_.scrapes;
    return Fail(std::move(listed.error()).Wrap("processes"));
  }
  malformed_.reset();
  if (++pass_ == 1) FindStart(run);
  Assign(run);
  ReadAll(run);
  Adopt(run);
  Forget();
  Sum(options);
  DropEmptyGroups(run);
  if (const auto other = groups_.find(kOverflow); other != groups_.end()) {
    run.passed.overflowed = other->second.now.processes;
  }
  run.passed.malformed = malformed_;
  return run.passed;
}

// When the exporter started, in the ticks of stat.
void ProcessTracker::FindStart(const Run& run) {
  constexpr Millis kTick{10};
  const auto text = reader_.ReadTop("uptime");
  const auto uptime = ParseUptimeTicks(text.value);
  if (text.access != Access::kRead || !uptime) return;  // then all that the first pass sees is old
  const auto since = static_cast<std::uint64_t>((run.scrape.clock().mono() - started_) / kTick);
  started_ticks_ = *uptime - std::min(*uptime, since);
}

// Rules that are new since the last pass, by a reload, assign every process anew. What was counted
// of it is known, so that its counters go on in the group that it comes to.
void ProcessTracker::Assign(const Run& run) {
  const bool threads = run.options.threads != threads_;
  if (!threads && run.rules.fingerprint() == fingerprint_) return;
  fingerprint_ = run.rules.fingerprint();
  threads_ = run.options.threads;
  for (auto& [pid, process] : processes_) {
    process.decided = false;
    process.group = nullptr;
    if (threads) {
      process.thread_list.reset();
      process.old_threads = true;
    } else if (process.thread_list) {
      for (Thread& thread : *process.thread_list) thread.group = nullptr, thread.ran.reset();
    }
    process.cpu_nanoseconds.reset();
  }
}

void ProcessTracker::ReadAll(Run& run) {
  const auto first = std::ranges::lower_bound(pids_, std::exchange(resume_at_, 0));
  std::rotate(pids_.begin(), first, pids_.end());  // whom the last pass left out comes first
  for (std::size_t i = 0; i < pids_.size(); ++i) {
    if (i % kClockEvery == 0 && run.OutOfTime()) {
      resume_at_ = pids_[i];
      run.passed.left_over = pids_.size() - i;
      for (; i < pids_.size(); ++i) {
        const auto found = processes_.find(pids_[i]);
        if (found != processes_.end()) found->second.listed = pass_;
      }
      break;
    }
    Visit(run, pids_[i]);
  }
  if (pass_ > 1 || started_ticks_) return;
  started_ticks_ = 0;
  for (const auto& [pid, process] : processes_) {
    started_ticks_ = std::max(*started_ticks_, process.start_ticks);
  }
}

void ProcessTracker::Visit(const Run& run, std::int32_t pid) {
  const auto nanoseconds = reader_.CpuNanoseconds(pid);  // before all else: see ReadDetails
  const auto found = processes_.find(pid);
  Process* const known = found == processes_.end() ? nullptr : &found->second;
  const bool idle = known != nullptr && nanoseconds && known->cpu_nanoseconds == nanoseconds;
  if (idle && known->decided && known->group == nullptr) {
    known->listed = pass_;  // nobody's, and it has not run: it is still what it was
    return;
  }
  const auto stat = ReadStat(pid);
  if (stat.access != Access::kRead) {
    if (known != nullptr && stat.access != Access::kGone) known->listed = pass_;
    return;
  }
  Process& process = Know(pid, stat.value);
  const bool moved = process.resident_pages != stat.value.resident_pages;
  process.listed = pass_;
  process.cpu_nanoseconds = nanoseconds;
  Follow(run, pid, process, stat.value);
  if (process.group == nullptr) return;
  if (!idle || moved || !process.detailed || process.state == 'R' || Turn(pass_, pid)) {
    ReadDetails(run, pid, process);
  }
}

ProcessRead<ProcessStat> ProcessTracker::ReadStat(std::int32_t pid) {
  const auto text = reader_.Read(pid, "stat", kStatBytes);
  if (text.access == Access::kGone) return {Access::kGone};
  auto stat = ParseProcessStat(text.value);
  if (text.access == Access::kRead && stat) return {Access::kRead, *stat};
  ++errors_.processes;
  if (text.access == Access::kRead) {
    Malformed(std::move(stat.error()).Wrap(std::to_string(pid) + "/stat"));
  }
  return {Access::kFailed};
}

// Counts what the process did since the last pass, and finds its group if it has none.
void ProcessTracker::Follow(const Run& run, std::int32_t pid, Process& process,
                            const ProcessStat& stat) {
  const Counters before = process.counters;
  TakeStat(process, stat);
  if (process.group != nullptr) return CountStat(process, before);
  if (process.decided && !run.options.recheck) return;
  process.decided = false;
  if (const auto name = NameOf(run, pid, stat)) {
    JoinGroup(process, GroupFor(run, *name), before);
  } else if (run.options.children) {
    waiting_.push_back({pid, before});
  } else {
    process.decided = true;
  }
}

// The process of this pid and start, new if need be. Its counters are those that its group has.
Process& ProcessTracker::Know(std::int32_t pid, const ProcessStat& stat) {
  const auto [slot, added] = processes_.try_emplace(pid);
  Process& process = slot->second;
  if (!added && process.start_ticks == stat.start_ticks) {
    process.newborn = false;
    return process;
  }
  process = Process{};  // the pid is another process's now
  process.start_ticks = stat.start_ticks;
  process.newborn = started_ticks_ && stat.start_ticks > *started_ticks_;
  if (!process.newborn) TakeStat(process, stat);
  return process;
}

std::optional<std::string> ProcessTracker::NameOf(const Run& run, std::int32_t pid,
                                                  const ProcessStat& stat) {
  const std::string comm(stat.comm);  // the view ends with the next read
  std::string cmdline, cgroup;
  ProcessIdentity identity{.pid = pid, .comm = comm};
  constexpr std::uint64_t kTicksPerSecond = 100;
  if (run.boot_time) {
    identity.start_hundredths = *run.boot_time * kTicksPerSecond + stat.start_ticks;
  }
  const ProcessRules::Needs& needs = run.rules.needs();
  if (needs.arguments) {
    cmdline =
        reader_.Read(pid, "cmdline", static_cast<std::size_t>(run.options.cmdline_max_bytes)).value;
    identity.arguments = SplitCmdline(cmdline);
  }
  if (needs.cgroups) {
    cgroup = reader_.Read(pid, "cgroup").value;
    identity.cgroups = ParseCgroupPaths(cgroup);
  }
  if (needs.username) {
    const auto status = ParseProcessStatus(reader_.Read(pid, "status").value);
    if (status) identity.username = UserName(status->effective_uid);
  }
  return run.rules.GroupOf(identity);
}

// From the file itself: getpwuid would ask whatever nsswitch.conf names, without a deadline.
std::string_view ProcessTracker::UserName(std::uint32_t uid) {
  if (const auto found = users_.find(uid); found != users_.end()) return found->second;
  if (users_.size() >= kMaxUsers) users_.clear();
  std::string name = std::to_string(uid);
  if (const auto passwd = ReadFile(passwd_)) {
    if (const auto user = FindUser(*passwd, uid)) name = *user;
  }
  return users_.emplace(uid, std::move(name)).first->second;
}

ProcessGroup& ProcessTracker::GroupFor(const Run& run, std::string_view name) {
  auto found = groups_.find(name);
  if (found != groups_.end()) return found->second;
  const bool other = groups_.contains(kOverflow);
  const std::size_t named = groups_.size() - (other ? 1 : 0);
  if (named >= static_cast<std::size_t>(run.options.max_groups)) name = kOverflow;
  found = groups_.try_emplace(std::string(name)).first;
  found->second.last_alive = run.scrape.clock().mono();
  return found->second;
}

// The group of the nearest ancestor that has one; none beyond an ancestor that was decided before.
ProcessGroup* ProcessTracker::Ancestor(const Process& process) const {
  std::int32_t parent = process.parent;
  for (std::int32_t depth = 0; depth < kMaxDepth; ++depth) {
    const auto found = processes_.find(parent);
    if (found == processes_.end()) return nullptr;
    if (found->second.group != nullptr) return found->second.group;
    if (found->second.decided) return nullptr;
    parent = found->second.parent;
  }
  return nullptr;
}

void ProcessTracker::Adopt(const Run& run) {
  for (const Waiting& waiting : waiting_) {
    Process& process = processes_.find(waiting.pid)->second;
    ProcessGroup* const group = Ancestor(process);
    if (group == nullptr) continue;
    JoinGroup(process, *group, waiting.before);
    if (run.OutOfTime()) {
      process.cpu_nanoseconds.reset();  // the next pass reads on
    } else {
      ReadDetails(run, waiting.pid, process);
    }
  }
  for (const Waiting& waiting : waiting_) {
    // The parent may be among those that time left out: then ask again.
    if (run.passed.left_over == 0) processes_.find(waiting.pid)->second.decided = true;
  }
  waiting_.clear();
}

void ProcessTracker::Forget() {
  std::erase_if(processes_, [this](const auto& entry) { return entry.second.listed != pass_; });
}

void ProcessTracker::DropEmptyGroups(const Run& run) {
  const Mono now = run.scrape.clock().mono();
  for (auto& [name, group] : groups_) {
    if (group.now.processes > 0) group.last_alive = now;
  }
  std::erase_if(groups_, [&](const auto& entry) {
    const ProcessGroup& group = entry.second;
    if (group.now.processes > 0) return false;
    const Millis ttl = run.options.group_ttl;
    return run.options.remove_empty_groups || (ttl > Millis(0) && now - group.last_alive >= ttl);
  });
}

void ProcessTracker::Malformed(Error error) {
  if (!malformed_) malformed_ = std::move(error);
}

}  // namespace sidecar::host
