// Processes summed up by groups that the configuration names, under process-exporter's names.
//
//   [host.collectors.process_groups]
//   enabled = true
//   [[host.collectors.process_groups.groups]]      # the first that matches
//   name = "postgres:{{.Matches.role}}"
//   comm = ["postgres"]
//   cmdline = ["^postgres: (?P<role>\\w+)"]

#include "exporters/host/host_env.h"
#include "exporters/host/process_families.h"
#include "exporters/host/process_rules.h"
#include "exporters/host/process_tracker.h"

namespace sidecar::host {
namespace {

namespace families = process_families;

constexpr std::uint64_t kTicksPerSecond = 100;
constexpr std::string_view kStateNames[kStates] = {"Running", "Sleeping", "Waiting", "Zombie",
                                                   "Other"};
constexpr std::string_view kGuardedFiles[kGuarded] = {"io", "fd", "smaps_rollup"};

double Seconds(std::uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(kTicksPerSecond);
}

struct Options {
  ProcessOptions process;
  ProcessRules rules;

  void Read(TableReader& table);

 private:
  void ReadGroups(TableReader& table);
};

void Options::Read(TableReader& table) {
  table
      .Field("children", process.children,
             "Processes that no group matches belong to the group of their nearest ancestor.")
      .Field("threads", process.threads,
             "Families by thread name, and states of all threads; four files a thread that ran.")
      .Field("smaps", process.smaps,
             "Proportional memory from smaps_rollup: 25 times the cost of all else.")
      .Field("smaps_interval", process.smaps_interval, "A process's smaps_rollup at most so often.")
      .Field("smaps_max_resident_bytes", process.smaps_max_resident_bytes,
             "No smaps_rollup of processes with more: 20 ms for each GB.", 0, 1LL << 50U)
      .Field(
          "recheck", process.recheck,
          "Match processes without a group again when they have run: they may have changed name.")
      .Field("remove_empty_groups", process.remove_empty_groups,
             "Drop a group, with its counters, when its last process has ended.")
      .Field("group_ttl", process.group_ttl,
             "Drop a group, with its counters, when it has been empty for so long. 0: never.")
      .Field("max_groups", process.max_groups,
             "Processes of further groups belong to the group __other__.", 1, 100'000)
      .Field("cmdline_max_bytes", process.cmdline_max_bytes,
             "Command lines are matched up to this length.", 64, 1 << 20U);
  ReadGroups(table);
}

void Options::ReadGroups(TableReader& table) {
  for (TableReader& group : table.Tables("groups")) {
    ProcessRule rule;
    group.Field("name", rule.name, "The group's name: text with {{.Comm}} and the like.")
        .Field("comm", rule.comm, "One of them is the process's name (15 bytes).")
        .Field("exe", rule.exe, "One of them is the program: its base name, or with / its path.")
        .Field("cmdline", rule.cmdline, "Regular expressions: all are found in the command line.");
    if (group.describing()) continue;
    if (const auto added = rules.Add(rule); !added) group.Reject({}, added.error().message);
  }
  if (!rules.empty() || table.Has("groups")) return;
  // Every process by its name; kernel threads have no command line.
  const auto added = rules.Add({.name = "{{.Comm}}", .cmdline = {".+"}});
  if (!added) table.Reject({}, added.error().message);
}

// The groups' counters: the same ones after a reload.
std::shared_ptr<ProcessTracker> TrackerOf(const HostEnv& env) {
  const Roots& roots = env.roots();
  return env.Kept<ProcessTracker>("process_groups/" + roots.procfs + "/" + roots.rootfs, [&] {
    return std::make_shared<ProcessTracker>(roots.procfs, roots.rootfs, env.runtime().clock.mono());
  });
}

class ProcessGroups final : public Collector {
 public:
  ProcessGroups(std::shared_ptr<HostEnv> env, Options options)
      : env_(std::move(env)), tracker_(TrackerOf(*env_)), options_(std::move(options)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    const auto stat = env_->Stat(scrape);
    const auto boot_time = stat ? ParseBootTime(**stat) : std::nullopt;
    auto passed = tracker_->Pass(scrape, options_.rules, options_.process, boot_time);
    if (!passed) return Fail(std::move(passed.error()));
    for (const auto& [name, group] : tracker_->groups()) {
      AddCounters(name, group, sink);
      AddGauges(name, group, boot_time, sink);
      AddMemory(name, group, sink);
      if (options_.process.threads) AddThreads(name, group, sink);
    }
    const ProcessTracker::Errors& errors = tracker_->errors();
    sink.Add(families::kScrapeErrors, errors.scrapes);
    sink.Add(families::kReadErrors, errors.processes);
    sink.Add(families::kPartialErrors, errors.parts);
    WarnOf(std::move(*passed), sink);
    return {};
  }

 private:
  static void AddCounters(const std::string& name, const ProcessGroup& group, Sink& sink);
  static void AddGauges(const std::string& name, const ProcessGroup& group,
                        std::optional<std::uint64_t> boot_time, Sink& sink);
  void AddMemory(const std::string& name, const ProcessGroup& group, Sink& sink) const;
  static void AddThreads(const std::string& name, const ProcessGroup& group, Sink& sink);
  void WarnOf(ProcessTracker::Passed passed, Sink& sink) const;

  std::shared_ptr<HostEnv> env_;
  // Shared with the generations before and after a reload, of which one runs at a time.
  std::shared_ptr<ProcessTracker> tracker_;
  Options options_;
};

void ProcessGroups::AddCounters(const std::string& name, const ProcessGroup& group, Sink& sink) {
  const Counters& total = group.total;
  sink.Add(families::kCpuSeconds, Seconds(total[Counters::kUserTicks]), name, "user");
  sink.Add(families::kCpuSeconds, Seconds(total[Counters::kSystemTicks]), name, "system");
  if (group.io_known && group.now.denied[kIo] == 0) {
    sink.Add(families::kReadBytes, total[Counters::kReadBytes], name);
    sink.Add(families::kWriteBytes, total[Counters::kWriteBytes], name);
  }
  sink.Add(families::kMajorFaults, total[Counters::kMajorFaults], name);
  sink.Add(families::kMinorFaults, total[Counters::kMinorFaults], name);
  sink.Add(families::kContextSwitches, total[Counters::kVoluntary], name, "voluntary");
  sink.Add(families::kContextSwitches, total[Counters::kNonvoluntary], name, "nonvoluntary");
}

void ProcessGroups::AddGauges(const std::string& name, const ProcessGroup& group,
                              std::optional<std::uint64_t> boot_time, Sink& sink) {
  const ProcessGroup::Now& now = group.now;
  sink.Add(families::kProcesses, now.processes, name);
  sink.Add(families::kThreads, now.threads, name);
  if (now.denied[kDescriptors] == 0) {
    sink.Add(families::kDescriptors, now.descriptors, name);
    sink.Add(families::kWorstDescriptorRatio, now.worst_descriptor_ratio, name);
  }
  if (boot_time && now.processes > 0) {  // whole seconds, as precise as the time of the boot
    sink.Add(families::kOldestStart, *boot_time + now.oldest_start_ticks / kTicksPerSecond, name);
  }
  for (std::size_t i = 0; i < kStates; ++i) {
    sink.Add(families::kStates, now.states[i], name, kStateNames[i]);
  }
  for (const auto& [wchan, count] : group.wchans) {
    sink.Add(families::kWchan, count, name, *wchan);
  }
  for (std::size_t i = 0; i < kGuarded; ++i) {
    if (now.denied[i] > 0) sink.Add(families::kDenied, now.denied[i], name, kGuardedFiles[i]);
  }
}

void ProcessGroups::AddMemory(const std::string& name, const ProcessGroup& group,
                              Sink& sink) const {
  const ProcessGroup::Now& now = group.now;
  sink.Add(families::kMemory, now.resident_bytes, name, "resident");
  sink.Add(families::kMemory, now.virtual_bytes, name, "virtual");
  sink.Add(families::kMemory, now.swapped_bytes, name, "swapped");
  if (!options_.process.smaps || now.denied[kSmaps] > 0) return;
  sink.Add(families::kMemory, now.proportional_bytes, name, "proportionalResident");
  sink.Add(families::kMemory, now.proportional_swapped_bytes, name, "proportionalSwapped");
}

void ProcessGroups::AddThreads(const std::string& name, const ProcessGroup& group, Sink& sink) {
  for (const auto& [thread, of_name] : group.threads) {
    if (of_name.alive == 0) continue;  // their counters wait for the next of the name
    const Counters& total = of_name.total;
    sink.Add(families::kThreadCount, of_name.alive, name, thread);
    sink.Add(families::kThreadCpuSeconds, Seconds(total[Counters::kUserTicks]), name, thread,
             "user");
    sink.Add(families::kThreadCpuSeconds, Seconds(total[Counters::kSystemTicks]), name, thread,
             "system");
    if (of_name.io_known && of_name.io_denied == 0) {
      sink.Add(families::kThreadIoBytes, total[Counters::kReadBytes], name, thread, "read");
      sink.Add(families::kThreadIoBytes, total[Counters::kWriteBytes], name, thread, "write");
    }
    sink.Add(families::kThreadMajorFaults, total[Counters::kMajorFaults], name, thread);
    sink.Add(families::kThreadMinorFaults, total[Counters::kMinorFaults], name, thread);
    sink.Add(families::kThreadContextSwitches, total[Counters::kVoluntary], name, thread,
             "voluntary");
    sink.Add(families::kThreadContextSwitches, total[Counters::kNonvoluntary], name, thread,
             "nonvoluntary");
  }
}

void ProcessGroups::WarnOf(ProcessTracker::Passed passed, Sink& sink) const {
  if (passed.left_over > 0) {
    sink.Warn({Errc::kTimeout, "no time for " + std::to_string(passed.left_over) +
                                   " processes: what they show is of an earlier run"});
  }
  if (passed.overflowed > 0) {
    sink.Warn({Errc::kLimit, "more than " + std::to_string(options_.process.max_groups) +
                                 " groups: " + std::to_string(passed.overflowed) +
                                 " processes are in the group " +
                                 std::string(ProcessTracker::kOverflow)});
  }
  if (passed.malformed) sink.Warn(std::move(*passed.malformed));
}

}  // namespace

extern constinit const CollectorSpec<HostEnv> process_groups_collector{
    .name = "process_groups",
    .summary = "Processes summed up by groups, under process-exporter's names.",
    .on_by_default = false,
    .families = families::kAll,
    .describe = [](TableReader& table) { Options{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      return std::make_unique<ProcessGroups>(env, std::move(options));
    }};

}  // namespace sidecar::host
