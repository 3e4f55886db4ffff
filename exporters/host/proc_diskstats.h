#pragma once
// Lines of /proc/diskstats, in the kernel's three variants: 14 columns, 18 with discards (since
// 4.18), 20 with flushes (since 5.5). Pure functions on views; the views borrow.
//
//   auto disk = ParseDisk(line);
//   if (disk) use(disk->name, disk->stats[kReads]);

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::host {

// In the order of the columns. Times are milliseconds, sectors are 512 bytes whatever the disk has.
enum DiskStat : std::size_t {
  kReads,
  kReadsMerged,
  kReadSectors,
  kReadTime,
  kWrites,
  kWritesMerged,
  kWrittenSectors,
  kWriteTime,
  kInFlight,
  kIoTime,
  kWeightedIoTime,
  kDiscards,
  kDiscardsMerged,
  kDiscardedSectors,
  kDiscardTime,
  kFlushes,
  kFlushTime,
  kDiskStats
};

struct DiskLine {
  std::string_view major, minor, name;  // the numbers are checked
  std::array<std::uint64_t, kDiskStats> stats{};
  std::size_t count = 0;  // how many of them this kernel has; at least 11
};

// The name alone, so that what is excluded costs no parse; empty when there is none.
std::string_view DiskName(std::string_view line);

// kParse, naming the line. Columns of a newer kernel are left out.
Result<DiskLine> ParseDisk(std::string_view line);

}  // namespace sidecar::host
