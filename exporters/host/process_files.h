#pragma once
// The files of /proc/PID, parsed (proc(5)). Pure functions on views, which borrow; thread-safe.
// Strict about the fields they know (kParse names the bytes), tolerant of what later kernels add.
//
//   const auto stat = ParseProcessStat("42 (my (odd) name) S 1 ...");
//   if (stat && stat->comm == "my (odd) name") ...

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sidecar::host {

// stat: of a process the sums over its threads, but state and comm of its first thread.
struct ProcessStat {
  std::string_view comm;  // may hold blanks and parentheses; 15 bytes, of kernel threads up to 63
  char state = 0;
  std::int32_t parent = 0;
  std::uint64_t minor_faults = 0, major_faults = 0;
  std::uint64_t user_ticks = 0, system_ticks = 0;  // of 10 ms: USER_HZ is 100 on every Linux
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // since boot; with the pid it identifies a process
  std::uint64_t virtual_bytes = 0, resident_pages = 0;
};
Result<ProcessStat> ParseProcessStat(std::string_view text);

// status: context switches are of the one thread, in /proc/PID of the first.
struct ProcessStatus {
  std::uint32_t effective_uid = 0;
  std::uint64_t swapped_bytes = 0;  // kernel threads have no VmSwap
  std::uint64_t voluntary = 0, nonvoluntary = 0;
};
Result<ProcessStatus> ParseProcessStatus(std::string_view text);

// io: bytes that storage moved, sums over all threads, those that have ended included.
struct ProcessIo {
  std::uint64_t read_bytes = 0, write_bytes = 0;
};
Result<ProcessIo> ParseProcessIo(std::string_view text);

inline constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
// limits: the soft limit of "Max open files".
Result<std::uint64_t> ParseOpenFilesLimit(std::string_view text);

// smaps_rollup.
struct ProportionalMemory {
  std::uint64_t resident_bytes = 0, swapped_bytes = 0;
};
Result<ProportionalMemory> ParseSmapsRollup(std::string_view text);

// The first number of schedstat: nanoseconds that the thread ran.
Result<std::uint64_t> ParseSchedstat(std::string_view text);

// uptime, in ticks of 10 ms.
Result<std::uint64_t> ParseUptimeTicks(std::string_view text);

// The line "btime" of /proc/stat: when the system booted, in seconds since the epoch.
std::optional<std::uint64_t> ParseBootTime(std::string_view stat);

// cmdline: arguments end with NUL; a process that sets its title leaves NULs behind it.
std::vector<std::string_view> SplitCmdline(std::string_view text);

// cgroup: the path of each hierarchy, in the file's order.
std::vector<std::string_view> ParseCgroupPaths(std::string_view text);

// The name of `uid` in a passwd file.
std::optional<std::string_view> FindUser(std::string_view passwd, std::uint32_t uid);

}  // namespace sidecar::host
