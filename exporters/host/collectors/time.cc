// The system's time, zone and clock sources, under node_exporter's names.

#include <chrono>
#include <ctime>

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kNow = Gauge("node_time_seconds", "The system's time, in Unix time.");
constexpr auto kOffset =
    Gauge("node_time_zone_offset_seconds", "Seconds that local time is ahead of UTC.", "time_zone");
constexpr auto kAvailable =
    Gauge("node_time_clocksource_available_info",
          "A clock source that the kernel could use; always 1.", "device", "clocksource");
constexpr auto kCurrent =
    Gauge("node_time_clocksource_current_info", "The clock source that the kernel uses; always 1.",
          "device", "clocksource");
constexpr FamilyInfo kFamilies[] = {kNow.info(), kOffset.info(), kAvailable.info(),
                                    kCurrent.info()};

struct Device {
  std::string number;
  KeptFile available, current;
};

class Time final : public Collector {
 public:
  explicit Time(const HostEnv& env) : folder_(env.Sys("devices/system/clocksource")) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    if (auto added = AddTime(scrape.clock().wall(), sink); !added) return added;
    if (devices_.empty()) FindDevices();
    for (Device& device : devices_) {
      if (auto added = AddDevice(device, sink); !added) {
        sink.Warn(std::move(added.error()));
        devices_.clear();  // look again in the next scrape
        break;
      }
    }
    return {};
  }

 private:
  static Result<> AddTime(Wall now, Sink& sink) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::seconds>(now));
    // The parts apart: nanoseconds since 1970 do not fit a double.
    const std::chrono::duration<double> fraction =
        now - std::chrono::system_clock::from_time_t(seconds);
    sink.Add(kNow, static_cast<double>(seconds) + fraction.count());
    std::tm local{};
    if (::localtime_r(&seconds, &local) == nullptr) {
      return Fail(Errc::kInternal, "localtime of " + std::to_string(seconds));
    }
    sink.Add(kOffset, local.tm_gmtoff, local.tm_zone);
    return {};
  }

  // None in a minimal sysfs; that is no fault.
  void FindDevices() {
    for (const std::uint32_t number : NumberedEntries(folder_, "clocksource")) {
      const std::string device = std::to_string(number);
      const std::string path = folder_ + "/clocksource" + device;
      devices_.push_back({device, KeptFile(path + "/available_clocksource", {.max_bytes = 4095}),
                          KeptFile(path + "/current_clocksource", {.max_bytes = 255})});
    }
  }

  static Result<> AddDevice(Device& device, Sink& sink) {
    const auto available = Whole(device.available.path(), device.available.Read());
    if (!available) return Fail(available.error());
    const auto current = Whole(device.current.path(), device.current.Read());
    if (!current) return Fail(current.error());
    const auto add = [&](const auto& family, std::string_view text) {
      std::string_view line = NextLine(text).value_or("");
      for (auto source = NextField(line); !source.empty(); source = NextField(line)) {
        sink.Add(family, 1, device.number, source);
      }
    };
    add(kAvailable, *available);
    add(kCurrent, *current);
    return {};
  }

  std::string folder_;
  std::vector<Device> devices_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> time_collector{
    .name = "time",
    .summary = "The system's time, zone and clock sources.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Time>(*env); }};

}  // namespace sidecar::host
