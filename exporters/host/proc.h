#pragma once
// What the kernel writes into /proc, parsed. Pure functions on views, which borrow; no state, so
// thread-safe. Strict about what they know (a number that is none, or beyond 64 bits, is kParse and
// names the bytes), tolerant of what later kernels add (keys, lines and columns they do not know).
//
//   auto text = Whole(file.path(), file.Read());
//   while (auto line = NextLine(*text)) {
//     const auto entry = ParseMeminfo(*line);

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/parse.h"
#include "common/base/result.h"

namespace sidecar::host {

// The text itself, or kParse when it is empty or its last line is cut: all that the kernel writes
// ends with a newline, and half a number is a wrong number.
Result<std::string_view> Whole(std::string_view path, Result<std::string_view> text);

// One "cpuN" line of /proc/stat, in ticks of 10 ms. Columns that an old kernel lacks are 0: steal
// came with 2.6.11, guest with 2.6.24, guest_nice with 2.6.33.
struct CpuTicks {
  enum : std::size_t { kUser, kNice, kSystem, kIdle, kSteal = 7, kGuest, kGuestNice, kColumns };
  std::uint32_t cpu = 0;
  std::array<std::uint64_t, kColumns> ticks{};
};
// Nothing for the sum of all CPUs ("cpu ").
Result<std::optional<CpuTicks>> ParseCpuTicks(std::string_view line);

// The other lines of /proc/stat. A line that is not there is no value.
struct KernelStat {
  static constexpr std::size_t kVectors = 10;
  std::optional<std::uint64_t> interrupts, context_switches, boot_time, forks, running, blocked;
  std::array<std::optional<std::uint64_t>, kVectors> softirqs;
};
Result<KernelStat> ParseKernelStat(std::string_view text);

// A line "MemTotal: 24684084 kB" of meminfo; bytes when it has a unit.
struct MeminfoLine {
  std::string_view key;
  std::uint64_t value = 0;
  bool bytes = false;
};
Result<MeminfoLine> ParseMeminfo(std::string_view line);

// A line "pgfault 5662139" of vmstat.
struct VmstatLine {
  std::string_view key;
  double value = 0;
};
Result<VmstatLine> ParseVmstat(std::string_view line);

// A file of /proc/pressure: total stall time in microseconds. cpu has no full line before 5.13, irq
// has no other.
struct Pressure {
  std::optional<std::uint64_t> some, full;
};
Result<Pressure> ParsePressure(std::string_view text);

struct LoadAverages {
  double one = 0, five = 0, fifteen = 0;
};
Result<LoadAverages> ParseLoadAverages(std::string_view text);

struct FileHandles {
  std::uint64_t allocated = 0, maximum = 0;
};
Result<FileHandles> ParseFileHandles(std::string_view text);

// One processor of /proc/cpuinfo, as text; empty where the architecture does not say. ARM calls its
// flags Features.
struct CpuInfo {
  std::string_view processor, vendor, family, model, model_name, microcode, stepping, cache_size,
      package, core, mhz, flags, bugs;
};
// Takes the next processor off `rest`; nothing when there is none.
std::optional<CpuInfo> NextCpuInfo(std::string_view& rest);

// A list of CPUs as sysfs writes it: "0-3,8" is 0, 1, 2, 3, 8; an empty list has none. CPUs past
// 65535, which no kernel has, and CPUs out of order are kParse.
Result<std::vector<std::uint32_t>> ParseCpuList(std::string_view text);

}  // namespace sidecar::host
