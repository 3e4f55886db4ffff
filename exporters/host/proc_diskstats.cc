#include "exporters/host/proc_diskstats.h"

#include <string>

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kOldest = 11;      // 2.6.25 and later
constexpr std::size_t kShownLine = 256;  // of a line in an error

auto Bad(std::string_view why, std::string_view line) {
  return Fail(Errc::kParse,
              std::string(why) + " in '" + std::string(line.substr(0, kShownLine)) + "'");
}

}  // namespace

std::string_view DiskName(std::string_view line) {
  NextField(line);
  NextField(line);
  return NextField(line);
}

Result<DiskLine> ParseDisk(std::string_view line) {
  std::string_view rest = line;
  DiskLine disk;
  disk.major = NextField(rest);
  disk.minor = NextField(rest);
  disk.name = NextField(rest);
  if (!ParseNumber<std::uint32_t>(disk.major) || !ParseNumber<std::uint32_t>(disk.minor)) {
    return Bad("no device number", line);
  }
  while (disk.count < kDiskStats) {
    const std::string_view field = NextField(rest);
    if (field.empty()) break;
    const auto value = ParseNumber<std::uint64_t>(field);
    if (!value) return Bad("not a number", line);
    disk.stats[disk.count++] = *value;
  }
  if (disk.count < kOldest) return Bad("fewer than 14 columns", line);
  return disk;
}

}  // namespace sidecar::host
