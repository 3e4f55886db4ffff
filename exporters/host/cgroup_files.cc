#include "exporters/host/cgroup_files.h"

#include <algorithm>

#include "common/base/parse.h"
#include "exporters/host/mountinfo.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kMaxDevices = 4'096;  // a few hundred are on the largest hosts

auto Malformed(std::string_view what, std::string_view bytes,
               std::source_location where = std::source_location::current()) {
  return Fail(Errc::kParse, std::string(what) + " in " + Quoted(bytes), where);
}

// The kernel ends every line: half a number is a wrong number.
Result<> Complete(std::string_view text) {
  if (text.empty()) return Fail(Errc::kParse, "empty");
  if (!text.ends_with('\n')) {
    return Fail(Errc::kParse, "cut off at " + Quoted(text.substr(text.rfind('\n') + 1)));
  }
  return {};
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return parts;
}

struct Device {
  std::uint32_t major, minor;
};
std::optional<Device> ParseDevice(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = ParseNumber<std::uint32_t>(text.substr(0, colon));
  const auto minor = ParseNumber<std::uint32_t>(text.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  return Device{*major, *minor};
}

constexpr std::string_view kIoKeys[CgroupIo::kColumns] = {
    "rbytes", "wbytes",     "rios",      "wios",        "dbytes",
    "dios",   "cost.usage", "cost.wait", "cost.indebt", "cost.indelay"};

// "rbytes=4096" into its column. Other keys are none of ours, whatever they hold: cost.vrate is a
// fraction.
bool AddIoKey(std::string_view field, CgroupIo& device, bool& any) {
  const std::size_t equals = field.find('=');
  const auto* const key = std::ranges::find(kIoKeys, field.substr(0, equals));
  if (equals == std::string_view::npos || key == std::end(kIoKeys)) return true;
  const auto value = ParseNumber<std::uint64_t>(field.substr(equals + 1));
  if (!value) return false;
  device.values[static_cast<std::size_t>(key - std::begin(kIoKeys))] = value;
  any = true;
  return true;
}

std::optional<std::size_t> BlkioColumn(std::string_view operation, BlkioUnit unit) {
  const bool bytes = unit == BlkioUnit::kBytes;
  if (operation == "Read") return bytes ? CgroupIo::kReadBytes : CgroupIo::kReads;
  if (operation == "Write") return bytes ? CgroupIo::kWriteBytes : CgroupIo::kWrites;
  if (operation == "Discard") return bytes ? CgroupIo::kDiscardedBytes : CgroupIo::kDiscards;
  return std::nullopt;  // Sync, Async, Total
}

// Of one file the lines of a device stand together, and files list devices alike.
CgroupIo* FindDevice(std::vector<CgroupIo>& devices, Device wanted) {
  const auto found = std::ranges::find_if(devices, [&](const CgroupIo& device) {
    return device.major == wanted.major && device.minor == wanted.minor;
  });
  if (found != devices.end()) return &*found;
  if (devices.size() >= kMaxDevices) return nullptr;
  devices.push_back({.major = wanted.major, .minor = wanted.minor});
  return &devices.back();
}

bool ClimbsOut(std::string_view path) {
  return path == "/.." || path.starts_with("/../") || path.ends_with("/..") ||
         path.find("/../") != std::string_view::npos;
}

// "" is version 2.
constexpr std::string_view kResources[] = {"memory", "cpu", "cpuacct", "", "blkio", "pids"};

bool IsOf(const CgroupEntry& entry, std::string_view resource) {
  if (resource.empty()) return entry.v2;
  return std::ranges::find(entry.controllers, resource) != entry.controllers.end();
}

}  // namespace

Result<> ParseCgroupKeys(std::string_view text, std::span<const CgroupKey> wanted) {
  if (auto complete = Complete(text); !complete) return complete;
  while (const auto line = NextLine(text)) {
    std::string_view rest = *line;
    const auto key = std::ranges::find(wanted, NextField(rest), &CgroupKey::name);
    if (key == wanted.end()) continue;
    const auto value = ParseNumber<std::uint64_t>(NextField(rest));
    if (!value || !NextField(rest).empty()) return Malformed("not a number", *line);
    *key->value = value;
  }
  return {};
}

Result<std::optional<std::uint64_t>> ParseCgroupValue(std::string_view text) {
  if (auto complete = Complete(text); !complete) return Fail(std::move(complete.error()));
  const std::string_view line = text.substr(0, text.size() - 1);
  if (line == "max" || line == "-1") return std::optional<std::uint64_t>();
  const auto value = ParseNumber<std::uint64_t>(line);
  if (!value) return Malformed("not a number", line);
  return value;
}

Result<CpuMax> ParseCpuMax(std::string_view text) {
  if (auto complete = Complete(text); !complete) return Fail(std::move(complete.error()));
  std::string_view rest = text.substr(0, text.size() - 1);
  const std::string_view line = rest;
  CpuMax parsed;
  if (const std::string_view quota = NextField(rest); quota != "max") {
    parsed.quota = ParseNumber<std::uint64_t>(quota);
    if (!parsed.quota) return Malformed("not a number", line);
  }
  const auto period = ParseNumber<std::uint64_t>(NextField(rest));
  if (!period) return Malformed("no period", line);
  parsed.period = *period;
  return parsed;
}

Result<std::vector<CgroupIo>> ParseIoStat(std::string_view text) {
  std::vector<CgroupIo> devices;
  if (text.empty()) return devices;  // no device had any I/O yet
  if (auto complete = Complete(text); !complete) return Fail(std::move(complete.error()));
  while (const auto line = NextLine(text)) {
    std::string_view rest = *line;
    const auto number = ParseDevice(NextField(rest));
    if (!number) return Malformed("no device", *line);
    CgroupIo device{.major = number->major, .minor = number->minor};
    bool any = false;
    // Kernels 5.x write a device without I/O as a bare "8:0 " and the next on the same line.
    for (std::string_view field = NextField(rest); !field.empty(); field = NextField(rest)) {
      if (const auto next = ParseDevice(field); next && !any) {
        device = {.major = next->major, .minor = next->minor};
      } else if (!AddIoKey(field, device, any)) {
        return Malformed("not a number", *line);
      }
    }
    if (any && devices.size() < kMaxDevices) devices.push_back(device);
  }
  return devices;
}

Result<> ParseBlkio(std::string_view text, BlkioUnit unit, std::vector<CgroupIo>& devices) {
  if (auto complete = Complete(text); !complete) return complete;
  CgroupIo* device = nullptr;
  while (const auto line = NextLine(text)) {
    std::string_view rest = *line;
    const std::string_view first = NextField(rest);
    if (first == "Total") continue;  // of all devices
    const auto number = ParseDevice(first);
    if (!number) return Malformed("no device", *line);
    const auto column = BlkioColumn(NextField(rest), unit);
    const auto value = ParseNumber<std::uint64_t>(NextField(rest));
    if (!value) return Malformed("not a number", *line);
    if (!column) continue;
    if (device == nullptr || device->major != number->major || device->minor != number->minor) {
      device = FindDevice(devices, *number);
    }
    if (device != nullptr) device->values[*column] = value;
  }
  return {};
}

Result<std::uint64_t> CountProcesses(std::string_view text) {
  if (text.empty()) return 0U;
  if (auto complete = Complete(text); !complete) return Fail(std::move(complete.error()));
  return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

Result<std::vector<CgroupEntry>> ParseCgroupEntries(std::string_view text) {
  constexpr std::size_t kMaxHierarchies = 64;  // each has a controller or a name of its own
  std::vector<CgroupEntry> entries;
  if (auto complete = Complete(text); !complete) return Fail(std::move(complete.error()));
  while (const auto line = NextLine(text)) {  // a path may hold blanks and colons, no newline
    const std::size_t first = line->find(':');
    const std::size_t second = first == std::string_view::npos ? first : line->find(':', first + 1);
    if (second == std::string_view::npos || line->substr(second + 1, 1) != "/") {
      return Malformed("no control group", *line);
    }
    const auto id = ParseNumber<std::uint32_t>(line->substr(0, first));
    if (!id) return Malformed("no hierarchy", *line);
    if (line->ends_with(" (deleted)")) continue;
    const std::string_view controllers = line->substr(first + 1, second - first - 1);
    entries.push_back({.v2 = *id == 0 && controllers.empty(),
                       .controllers = Split(controllers),
                       .path = std::string(line->substr(second + 1))});
    if (entries.size() > kMaxHierarchies) return Fail(Errc::kParse, "more than 64 hierarchies");
  }
  return entries;
}

std::string CgroupId(std::vector<CgroupEntry>& entries) {
  std::string path = "/";
  for (const std::string_view resource : kResources) {
    const auto found = std::ranges::find_if(entries, [&](const CgroupEntry& entry) {
      return IsOf(entry, resource) && entry.path != "/";
    });
    if (found == entries.end()) continue;
    path = found->path;
    break;
  }
  std::erase_if(entries, [&](const CgroupEntry& entry) {
    return entry.path != path || std::ranges::none_of(kResources, [&](std::string_view resource) {
             return IsOf(entry, resource);
           });
  });
  return path == "/" ? std::string(kSelf) : path;
}

Result<std::optional<CgroupMount>> ParseCgroupMount(std::string_view line) {
  if (line.find(" - cgroup") == std::string_view::npos) return std::optional<CgroupMount>();
  auto mount = ParseMount(line);
  if (!mount) return Fail(std::move(mount.error()));
  const bool v2 = mount->fs_type == "cgroup2";
  if (!v2 && mount->fs_type != "cgroup") return std::optional<CgroupMount>();
  std::string_view rest = line;
  for (int before = 3; before > 0; --before) NextField(rest);  // id, parent, device
  const std::string_view root = NextField(rest);
  std::vector<std::string> options;
  if (!v2) options = Split(line.substr(line.rfind(' ') + 1));
  return CgroupMount{.v2 = v2,
                     .options = std::move(options),
                     .root = Unescaped(root),
                     .mountpoint = std::move(mount->mountpoint)};
}

std::optional<std::string> PathIn(const CgroupMount& mount, const CgroupEntry& entry) {
  if (mount.v2 != entry.v2) return std::nullopt;
  if (!entry.v2 &&
      (entry.controllers.empty() ||
       std::ranges::find(mount.options, entry.controllers.front()) == mount.options.end())) {
    return std::nullopt;
  }
  std::string_view below = entry.path;
  if (mount.root != "/") {
    below = StripRoot(below, mount.root);
    if (below.size() == entry.path.size()) return std::nullopt;  // it does not begin with the root
  }
  if (ClimbsOut(below)) return std::nullopt;
  return below == "/" ? mount.mountpoint : mount.mountpoint + std::string(below);
}

}  // namespace sidecar::host
