// Any bytes as /proc/net/dev: what parses has a name without blanks.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/base/parse.h"
#include "exporters/host/proc_net_dev.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sidecar;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (const auto line = NextLine(rest)) {
    if (host::IsNetDevHeading(*line)) continue;
    const auto device = host::ParseNetDev(*line);
    if (!device && device.error().message.size() > 512) std::abort();
    if (device && (device->name.empty() || device->name.find(' ') != std::string_view::npos)) {
      std::abort();
    }
  }
  return 0;
}
