#include "exporters/host/proc_net_dev.h"

#include <string>

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kShownLine = 256;  // of a line in an error

auto Bad(std::string_view why, std::string_view line) {
  return Fail(Errc::kParse,
              std::string(why) + " in '" + std::string(line.substr(0, kShownLine)) + "'");
}

}  // namespace

bool IsNetDevHeading(std::string_view line) { return line.find('|') != std::string_view::npos; }

Result<NetDevLine> ParseNetDev(std::string_view line) {
  const std::size_t colon = line.rfind(':');  // a name may hold one, the counters do not
  if (colon == std::string_view::npos) return Bad("no device name", line);
  std::string_view name = line.substr(0, colon), rest = line.substr(colon + 1);
  NetDevLine device{.name = NextField(name)};
  if (device.name.empty()) return Bad("no device name", line);
  for (std::uint64_t& value : device.values) {
    const std::string_view field = NextField(rest);
    if (field.empty()) return Bad("fewer than 16 counters", line);
    const auto number = ParseNumber<std::uint64_t>(field);
    if (!number) return Bad("not a number", line);
    value = *number;
  }
  return device;
}

}  // namespace sidecar::host
