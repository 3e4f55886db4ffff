// Any bytes as /proc/diskstats: what parses has a checked device number and eleven values or more.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/base/parse.h"
#include "exporters/host/proc_diskstats.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sidecar;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (const auto line = NextLine(rest)) {
    const auto disk = host::ParseDisk(*line);
    if (!disk) {
      if (disk.error().message.size() > 512) std::abort();
      continue;
    }
    if (disk->name != host::DiskName(*line) || disk->name.empty()) std::abort();
    if (disk->count < 11 || disk->count > host::kDiskStats) std::abort();
    if (!ParseNumber<std::uint32_t>(disk->major)) std::abort();
  }
  return 0;
}
