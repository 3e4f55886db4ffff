#pragma once
// The files of a control group, version 2 and 1 (cgroups(7)), and where a process has its groups,
// parsed. Pure functions on views, which borrow; thread-safe. Strict about what they know (kParse
// names the bytes), tolerant of the keys, operations and devices that later kernels add.
//
//   std::optional<std::uint64_t> periods;
//   const CgroupKey wanted[] = {{"nr_periods", &periods}};
//   auto parsed = ParseCgroupKeys(text, wanted);    // no such line: no value

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sidecar::host {

// "KEY VALUE" lines: cpu.stat, memory.stat, memory.events, pids.events, cgroup.stat.
struct CgroupKey {
  std::string_view name;
  std::optional<std::uint64_t>* value;
};
Result<> ParseCgroupKeys(std::string_view text, std::span<const CgroupKey> wanted);

// A file of one number; none when it says "max" or, as cpu.cfs_quota_us does, -1.
Result<std::optional<std::uint64_t>> ParseCgroupValue(std::string_view text);

// cpu.max: "200000 100000" or "max 100000", in microseconds.
struct CpuMax {
  std::optional<std::uint64_t> quota;
  std::uint64_t period = 0;
};
Result<CpuMax> ParseCpuMax(std::string_view text);

// One device of io.stat or of a blkio.throttle.* file. Costs are microseconds.
struct CgroupIo {
  enum : std::size_t {
    kReadBytes,
    kWriteBytes,
    kReads,
    kWrites,
    kDiscardedBytes,
    kDiscards,
    kCostUsage,
    kCostWait,
    kCostIndebt,
    kCostIndelay,
    kColumns
  };
  std::uint32_t major = 0, minor = 0;
  std::array<std::optional<std::uint64_t>, kColumns> values{};
};
// Devices without keys, which the kernel lists too, are left out.
Result<std::vector<CgroupIo>> ParseIoStat(std::string_view text);

// A blkio file, "8:0 Read 4096", whose counts go to the columns for bytes or for operations of
// `devices`, which another file may have filled in part.
enum class BlkioUnit : std::uint8_t { kBytes, kOperations };
Result<> ParseBlkio(std::string_view text, BlkioUnit unit, std::vector<CgroupIo>& devices);

// How many lines cgroup.procs has.
Result<std::uint64_t> CountProcesses(std::string_view text);

// A line of /proc/PID/cgroup: "4:memory:/a", "1:name=systemd:/a", "0::/a". Version 2 has no
// controllers here. A path may start with "/..": outside the cgroup namespace of who reads. Groups
// that were removed, which processes that ended keep until they are reaped, are left out.
struct CgroupEntry {
  bool v2 = false;
  std::vector<std::string> controllers;
  std::string path;

  bool operator==(const CgroupEntry&) const = default;
};
Result<std::vector<CgroupEntry>> ParseCgroupEntries(std::string_view text);

// What identifies a container: the path that its resources have. Of version 1 that of the memory
// controller comes first; "self" for the group at the root of our namespace, because "/" is the
// machine's in cAdvisor. Only the entries of this path are the container's.
inline constexpr std::string_view kSelf = "self";
std::string CgroupId(std::vector<CgroupEntry>& entries);

// A line of /proc/PID/mountinfo, if it mounts control groups.
struct CgroupMount {
  bool v2 = false;
  std::vector<std::string> options;  // of version 1; its controllers among them, or name=systemd
  std::string root;                  // the group that is mounted
  std::string mountpoint;
};
Result<std::optional<CgroupMount>> ParseCgroupMount(std::string_view line);

// Where `mount` has the group of `entry`; none when it is not below what is mounted.
std::optional<std::string> PathIn(const CgroupMount& mount, const CgroupEntry& entry);

}  // namespace sidecar::host
