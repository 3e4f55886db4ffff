#pragma once
// Follows the processes of one procfs and sums them up by group. Counters never fall: what a
// process did since the last pass is added to its group, and stays when the process has ended or
// its pid is somebody else's. What ran before the exporter counts from the first pass that saw it,
// what was born later from its birth. Outlives a reload (collect/keep.h); other rules assign anew,
// counters go on. Used by one run at a time; no locks.
//
//   auto passed = tracker->Pass(scrape, rules, options, boot_time);
//   for (const auto& [name, group] : tracker->groups()) ...

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/collect/scrape.h"
#include "exporters/host/process_files.h"
#include "exporters/host/process_group.h"
#include "exporters/host/process_reader.h"
#include "exporters/host/process_rules.h"

namespace sidecar::host {

struct ProcessOptions {
  bool children = true, threads = false, smaps = false, recheck = false;
  bool remove_empty_groups = false;
  Millis group_ttl{0};  // 0: for ever
  Millis smaps_interval{60'000};
  std::int64_t smaps_max_resident_bytes = 8LL << 30U;
  std::int64_t max_groups = 1'000;
  std::int64_t cmdline_max_bytes = 32 << 10U;
};

class ProcessTracker {
 public:
  // `rootfs` has etc/passwd. `started` is when the exporter began to count.
  ProcessTracker(std::string procfs, std::string rootfs, Mono started);

  struct Passed {
    std::size_t left_over = 0;         // processes that time did not allow to read: values are old
    std::uint64_t overflowed = 0;      // processes in kOverflow
    std::optional<Error> malformed{};  // the first of them
  };
  // Fails if processes cannot be listed.
  Result<Passed> Pass(const Scrape& scrape, const ProcessRules& rules,
                      const ProcessOptions& options, std::optional<std::uint64_t> boot_time);

  using Groups = std::map<std::string, ProcessGroup, std::less<>>;
  const Groups& groups() const { return groups_; }
  std::size_t processes() const { return processes_.size(); }

  struct Errors {
    std::uint64_t scrapes = 0, processes = 0, parts = 0;
  };
  const Errors& errors() const { return errors_; }

  // Groups past max_groups, and names of threads past their bound, are one.
  static constexpr std::string_view kOverflow = "__other__";

 private:
  struct Run {  // what one pass is about
    const Scrape& scrape;
    const ProcessRules& rules;
    const ProcessOptions& options;
    std::optional<std::uint64_t> boot_time;
    int margin_ms;  // left to sum up and to emit
    Passed passed{};

    bool OutOfTime() const {
      return scrape.stop().stop_requested() || scrape.LeftMs() <= margin_ms;
    }
  };
  struct Waiting {  // no rule matches; perhaps an ancestor has a group
    std::int32_t pid;
    Counters before;
  };

  void FindStart(const Run& run);
  void Assign(const Run& run);
  void ReadAll(Run& run);
  void Visit(const Run& run, std::int32_t pid);
  ProcessRead<ProcessStat> ReadStat(std::int32_t pid);
  void Follow(const Run& run, std::int32_t pid, Process& process, const ProcessStat& stat);
  Process& Know(std::int32_t pid, const ProcessStat& stat);
  std::optional<std::string> NameOf(const Run& run, std::int32_t pid, const ProcessStat& stat);
  std::string_view UserName(std::uint32_t uid);
  ProcessGroup& GroupFor(const Run& run, std::string_view name);
  ProcessGroup* Ancestor(const Process& process) const;
  void Adopt(const Run& run);
  void Forget();

  // Of a process in a group: process_details.cc.
  void ReadDetails(const Run& run, std::int32_t pid, Process& process);
  void ReadStatus(std::int32_t pid, Process& process);
  void ReadIo(std::int32_t pid, Process& process);
  void ReadDescriptors(std::int32_t pid, Process& process);
  void ReadSmaps(const Run& run, std::int32_t pid, Process& process);
  void ReadThreads(const Run& run, std::int32_t pid, Process& process);
  void ReadThread(const Run& run, std::int32_t pid, Process& process, Thread& thread);
  bool ReadThreadStat(std::int32_t pid, ProcessGroup& group, Thread& thread);
  void ReadThreadStatus(std::int32_t pid, ProcessGroup& group, Thread& thread);
  void ReadThreadIo(std::int32_t pid, Thread& thread);
  const std::string* Wchan(const ProcessRead<std::string_view>& text);
  void Malformed(Error error);

  void Sum(const ProcessOptions& options);
  void DropEmptyGroups(const Run& run);

  ProcessReader reader_;
  std::string passwd_;
  Mono started_;
  std::optional<std::uint64_t> started_ticks_;  // since boot; none before the first pass
  std::uint32_t pass_ = 0;
  std::int32_t resume_at_ = 0;  // the pid that time did not allow to read last
  std::string fingerprint_;     // of the rules that assigned
  bool threads_ = false;        // the option, likewise

  std::vector<std::int32_t> pids_, tids_;
  std::unordered_map<std::int32_t, Process> processes_;
  std::vector<Waiting> waiting_;
  Groups groups_;
  std::set<std::string, std::less<>> wchans_;
  std::unordered_map<std::uint32_t, std::string> users_;
  Errors errors_;
  std::optional<Error> malformed_;
};

}  // namespace sidecar::host
