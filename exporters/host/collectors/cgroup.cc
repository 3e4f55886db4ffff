// Control groups of this container and of those beside it, version 1 and 2, under cAdvisor's names.
//
//   [host.collectors.cgroup]
//   enabled = true
//   [[host.collectors.cgroup.paths]]           # beside those that are found
//   path = "/system.slice/postgresql.service"
//   container = "postgres"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/log/log.h"
#include "exporters/host/cgroup_containers.h"
#include "exporters/host/cgroup_families.h"
#include "exporters/host/cgroup_stats.h"
#include "exporters/host/process_files.h"

namespace sidecar::host {
namespace {

namespace families = cgroup_families;

constexpr double kMicro = 1e6, kTick = 100;

// Values of one container, without those that are not there.
class Rows {
 public:
  Rows(const CgroupContainer& container, Sink& sink) : container_(container), sink_(sink) {}

  template <class Family, class... Labels>
  void Add(const Family& family, const Stat& value, const Labels&... labels) {
    if (value) sink_.Add(family, *value, container_.name, container_.id, labels...);
  }

 private:
  const CgroupContainer& container_;
  Sink& sink_;
};

void AddCpu(const CpuStats& cpu, Rows& rows) {
  rows.Add(families::kCpuUsage, cpu.usage, "total");
  rows.Add(families::kCpuUser, cpu.user);
  rows.Add(families::kCpuSystem, cpu.system);
  rows.Add(families::kForcedIdle, cpu.forced_idle);
  rows.Add(families::kSpecPeriod, cpu.period);
  rows.Add(families::kSpecQuota, cpu.quota);
  rows.Add(families::kSpecShares, cpu.shares);
  if (!cpu.limited) return;
  rows.Add(families::kCfsPeriods, cpu.periods);
  rows.Add(families::kCfsThrottledPeriods, cpu.throttled_periods);
  rows.Add(families::kCfsThrottled, cpu.throttled);
  rows.Add(families::kCfsBurstPeriods, cpu.burst_periods);
  rows.Add(families::kCfsBurst, cpu.bursts);
}

void AddMemory(const MemoryStats& memory, Rows& rows) {
  rows.Add(families::kMemoryUsage, memory.usage);
  if (memory.usage && memory.inactive_file) {
    rows.Add(families::kMemoryWorkingSet,
             Stat(std::max(*memory.usage - *memory.inactive_file, 0.0)));
  }
  rows.Add(families::kMemoryRss, memory.rss);
  rows.Add(families::kMemoryCache, memory.cache);
  rows.Add(families::kMemoryMapped, memory.mapped_file);
  rows.Add(families::kMemorySwap, memory.swap);
  rows.Add(families::kMemoryPeak, memory.max_usage);
  rows.Add(families::kMemoryKernel, memory.kernel);
  rows.Add(families::kMemoryActiveFile, memory.active_file);
  rows.Add(families::kMemoryInactiveFile, memory.inactive_file);
  rows.Add(families::kMemoryDirty, memory.file_dirty);
  rows.Add(families::kMemoryWriteback, memory.file_writeback);
  rows.Add(families::kMemoryFailcnt, memory.limit_hits);
  rows.Add(families::kMemoryFailures, memory.faults, "pgfault", "container");
  rows.Add(families::kMemoryFailures, memory.tree_faults, "pgfault", "hierarchy");
  rows.Add(families::kMemoryFailures, memory.major_faults, "pgmajfault", "container");
  rows.Add(families::kMemoryFailures, memory.tree_major_faults, "pgmajfault", "hierarchy");
  rows.Add(families::kPgscan, memory.pgscan);
  rows.Add(families::kPgsteal, memory.pgsteal);
  rows.Add(families::kRefaultFile, memory.refault_file);
  rows.Add(families::kRefaultAnon, memory.refault_anon);
  rows.Add(families::kSpecMemory, memory.limit);
  rows.Add(families::kSpecReservation, memory.reservation);
  rows.Add(families::kSpecSwap, memory.swap_limit);
  rows.Add(families::kMemoryHigh, memory.high_limit);
  rows.Add(families::kMemoryOomGroup, memory.whole_group_killed);
}

void AddMemoryEvents(const MemoryStats& memory, Rows& rows) {
  const MemoryStats::Events& all = memory.events;
  rows.Add(families::kEventsHigh, all.high);
  rows.Add(families::kEventsMax, all.max);
  rows.Add(families::kOomEvents, all.oom_kill);
  rows.Add(families::kMemoryEvents, all.low, "low");
  rows.Add(families::kMemoryEvents, all.oom, "oom");
  rows.Add(families::kMemoryEvents, all.oom_group_kill, "oom_group_kill");
  const MemoryStats::Events& local = memory.local_events;
  rows.Add(families::kMemoryLocalEvents, local.low, "low");
  rows.Add(families::kMemoryLocalEvents, local.high, "high");
  rows.Add(families::kMemoryLocalEvents, local.max, "max");
  rows.Add(families::kMemoryLocalEvents, local.oom, "oom");
  rows.Add(families::kMemoryLocalEvents, local.oom_kill, "oom_kill");
  rows.Add(families::kMemoryLocalEvents, local.oom_group_kill, "oom_group_kill");
}

void AddRest(const CgroupStats& stats, Rows& rows) {
  rows.Add(families::kProcesses, stats.processes);
  rows.Add(families::kThreads, stats.threads);
  rows.Add(families::kThreadsMax, stats.max_threads);
  rows.Add(families::kThreadLimitHits, stats.thread_limit_hits);
  rows.Add(families::kDying, stats.dying_groups);
  rows.Add(families::kCpuWaiting, stats.cpu_pressure.some);
  rows.Add(families::kCpuStalled, stats.cpu_pressure.full);
  rows.Add(families::kMemoryWaiting, stats.memory_pressure.some);
  rows.Add(families::kMemoryStalled, stats.memory_pressure.full);
  rows.Add(families::kIoWaiting, stats.io_pressure.some);
  rows.Add(families::kIoStalled, stats.io_pressure.full);
  rows.Add(families::kIrqStalled, stats.irq_pressure.full);
}

void AddIo(const CgroupIo& io, const std::string& device, Rows& rows) {
  const std::string major = std::to_string(io.major), minor = std::to_string(io.minor);
  const auto value = [&](std::size_t column, double per = 1) -> Stat {
    const auto& number = io.values[column];
    return number ? Stat(static_cast<double>(*number) / per) : std::nullopt;
  };
  rows.Add(families::kFsReadBytes, value(CgroupIo::kReadBytes), device);
  rows.Add(families::kFsWriteBytes, value(CgroupIo::kWriteBytes), device);
  rows.Add(families::kFsReads, value(CgroupIo::kReads), device);
  rows.Add(families::kFsWrites, value(CgroupIo::kWrites), device);
  rows.Add(families::kBlkio, value(CgroupIo::kReadBytes), device, major, minor, "Read");
  rows.Add(families::kBlkio, value(CgroupIo::kWriteBytes), device, major, minor, "Write");
  rows.Add(families::kIoDiscardBytes, value(CgroupIo::kDiscardedBytes), device);
  rows.Add(families::kIoDiscards, value(CgroupIo::kDiscards), device);
  rows.Add(families::kCostUsage, value(CgroupIo::kCostUsage, kMicro), device);
  rows.Add(families::kCostWait, value(CgroupIo::kCostWait, kMicro), device);
  rows.Add(families::kCostIndebt, value(CgroupIo::kCostIndebt, kMicro), device);
  rows.Add(families::kCostIndelay, value(CgroupIo::kCostIndelay, kMicro), device);
}

class Cgroup final : public Collector {
 public:
  Cgroup(std::shared_ptr<HostEnv> env, CgroupOptions options)
      : env_(std::move(env)),
        max_containers_(options.max_containers),
        containers_(env_->roots(), std::move(options)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    auto census = containers_.Refresh(scrape);
    if (!census) return Fail(std::move(census.error()));
    const auto stat = env_->Stat(scrape);
    const auto boot_time = stat ? ParseBootTime(**stat) : std::nullopt;
    const double now =
        std::chrono::duration<double>(scrape.clock().wall().time_since_epoch()).count();
    devices_.clear();
    std::size_t read = 0;
    for (CgroupContainer* container : containers_.current()) {
      if (scrape.stop().stop_requested() || scrape.LeftMs() == 0) {
        census->out_of_time = true;
        break;
      }
      if (AddContainer(*container, boot_time, now, sink)) ++read;
    }
    AddCensus(*census, read, sink);
    return {};
  }

 private:
  bool AddContainer(CgroupContainer& container, std::optional<std::uint64_t> boot_time, double now,
                    Sink& sink);
  void AddCensus(const CgroupContainers::Census& census, std::size_t read, Sink& sink);
  const std::string& DeviceName(const CgroupIo& io);

  std::shared_ptr<HostEnv> env_;
  std::size_t max_containers_;
  CgroupContainers containers_;
  std::string buffer_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> devices_;  // of this scrape
  std::size_t denied_ = 0;
};

bool Cgroup::AddContainer(CgroupContainer& container, std::optional<std::uint64_t> boot_time,
                          double now, Sink& sink) {
  CgroupStats stats = ReadCgroup(container.directories, buffer_);
  if (stats.gone) {  // perhaps there is another of its path
    if (!containers_.Reopen(container)) return false;
    stats = ReadCgroup(container.directories, buffer_);
    if (stats.gone) return false;
  }
  Rows rows(container, sink);
  AddCpu(stats.cpu, rows);
  AddMemory(stats.memory, rows);
  AddMemoryEvents(stats.memory, rows);
  AddRest(stats, rows);
  for (const CgroupIo& io : stats.io) AddIo(io, DeviceName(io), rows);
  if (boot_time && container.start_ticks) {
    rows.Add(families::kStart, Stat(static_cast<double>(*boot_time) +
                                    static_cast<double>(*container.start_ticks) / kTick));
  }
  rows.Add(families::kLastSeen, Stat(now));
  for (Error& fault : stats.faults) sink.Warn(std::move(fault).Wrap(Quoted(container.id)));
  return true;
}

void Cgroup::AddCensus(const CgroupContainers::Census& census, std::size_t read, Sink& sink) {
  sink.Add(families::kContainers, read);
  sink.Add(families::kUnread, census.denied, "denied");
  sink.Add(families::kUnread, census.unmounted, "unmounted");
  sink.Add(families::kUnread, census.absent, "absent");
  sink.Add(families::kUnread, census.over_limit, "limit");
  if (census.denied != denied_ && census.denied > 0) {
    env_->runtime().log.Info(
        "containers of other users cannot be read without CAP_SYS_PTRACE",
        {{"collector", "cgroup"}, {"containers", std::to_string(census.denied)}});
  }
  denied_ = census.denied;
  if (census.over_limit > 0) {
    sink.Warn({Errc::kLimit, "more than " + std::to_string(max_containers_) + " containers: " +
                                 std::to_string(census.over_limit) + " are not read"});
  }
  if (census.out_of_time) sink.Warn({Errc::kTimeout, "no time for all containers"});
}

// "/dev/sda" as cAdvisor has it; a device that went away is "8:0".
const std::string& Cgroup::DeviceName(const CgroupIo& io) {
  const auto [entry, fresh] = devices_.try_emplace({io.major, io.minor});
  if (!fresh) return entry->second;
  const std::string number = std::to_string(io.major) + ":" + std::to_string(io.minor);
  std::array<char, 512> target{};
  const std::string link = env_->Sys("dev/block/" + number);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  const std::string_view path(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t slash = path.rfind('/');
  const bool known = slash != std::string_view::npos && slash + 1 < path.size();
  entry->second = known ? "/dev/" + std::string(path.substr(slash + 1)) : number;
  return entry->second;
}

CgroupNames::From ReadFrom(TableReader& table) {
  std::string from = "auto";
  table.Field("container_from", from,
              "Label container: auto (the kubelet's name, or the path's last part, shortened), "
              "path (that alone) or comm (the first process's command).");
  if (from == "path") return CgroupNames::From::kPath;
  if (from == "comm") return CgroupNames::From::kComm;
  if (from != "auto") table.Reject("container_from", "must be auto, path or comm");
  return CgroupNames::From::kAuto;
}

void ReadNames(TableReader& table, CgroupNames& names) {
  for (TableReader& name : table.Tables("names")) {
    std::string id, container;
    name.Field("id", id, "Regular expression: found in the group's path.")
        .Field("container", container,
               "Its label container; \\1 is the first part in parentheses.");
    if (name.describing()) continue;
    if (container.empty()) name.Reject({}, "needs a container");
    if (const auto added = names.Add(id, container); !added) {
      name.Reject("id", added.error().message);
    }
  }
}

void ReadPaths(TableReader& table, std::vector<CgroupOptions::Path>& paths) {
  for (TableReader& entry : table.Tables("paths")) {
    CgroupOptions::Path path;
    entry.Field("path", path.path, "A control group, below where they are mounted: /app.slice.")
        .Field("container", path.container, "Its label container; the path's last part if empty.");
    if (entry.describing()) continue;
    while (path.path.size() > 1 && path.path.ends_with('/')) path.path.pop_back();
    if (!path.path.starts_with('/') || (path.path + "/").find("/../") != std::string::npos ||
        path.path.find('\0') != std::string::npos) {
      entry.Reject("path", "must begin with / and may not hold '..'");
    }
    if (path.container.empty()) path.container = ShortName(path.path);
    if (std::ranges::count(paths, path.path, &CgroupOptions::Path::path) > 0) {
      entry.Reject("path", "is there twice");
    }
    paths.push_back(std::move(path));
  }
}

CgroupOptions ReadOptions(TableReader& table) {
  CgroupOptions options;
  table.Field("siblings", options.siblings,
              "Containers of the other processes too, through /proc/PID/root where need be.");
  options.names = CgroupNames(ReadFrom(table));
  std::int64_t most = static_cast<std::int64_t>(options.max_containers);
  table.Field("max_containers", most, "Containers past it are not read, and the run says so.", 1,
              10'000);
  options.max_containers = static_cast<std::size_t>(most);
  FilterOptions ids;
  ids.Read(table, {.key = "id", .flag = "collector.cgroup.id", .noun = "control groups by path"});
  if (!table.describing()) options.ids = ids.Compile(table);
  ReadNames(table, options.names);
  ReadPaths(table, options.paths);
  return options;
}

}  // namespace

extern constinit const CollectorSpec<HostEnv> cgroup_collector{
    .name = "cgroup",
    .summary = "Control groups of this container and those beside it, under cAdvisor's names.",
    .on_by_default = false,
    .families = families::kAll,
    .describe = [](TableReader& table) { ReadOptions(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      return std::make_unique<Cgroup>(env, ReadOptions(table));
    }};

}  // namespace sidecar::host
