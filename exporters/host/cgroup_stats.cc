#include "exporters/host/cgroup_stats.h"

#include <array>

#include "exporters/host/cgroup_text.h"

namespace sidecar::host {

void CgroupText::Blame(std::string_view file, Error error) {
  constexpr std::size_t kMaxFaults = 8;
  if (faults_.size() < kMaxFaults) faults_.push_back(std::move(error).Wrap(std::string(file)));
}

std::optional<CgroupText::Limit> CgroupText::Value(std::string_view file) {
  const auto value = With(file, ParseCgroupValue);
  if (!value) return std::nullopt;
  return Limit{*value};
}

Stat CgroupText::Number(std::string_view file, double per) {
  const auto limit = Value(file);
  if (!limit || !limit->value) return std::nullopt;
  return static_cast<double>(*limit->value) / per;
}

bool CgroupText::Keys(std::string_view file, std::initializer_list<Key> keys) {
  constexpr std::size_t kMaxKeys = 24;
  std::array<std::optional<std::uint64_t>, kMaxKeys> values{};
  std::array<CgroupKey, kMaxKeys> wanted{};
  std::size_t count = 0;
  for (const Key& key : keys) {
    if (count == kMaxKeys) break;
    wanted[count] = {key.name, &values[count]};
    ++count;
  }
  const auto read = With(file, [&](std::string_view text) -> Result<bool> {
    if (auto parsed = ParseCgroupKeys(text, std::span(wanted).first(count)); !parsed) {
      return Fail(std::move(parsed.error()));
    }
    return true;
  });
  if (!read) return false;
  count = 0;
  for (const Key& key : keys) {
    if (count == kMaxKeys) break;
    const auto& value = values[count++];
    if (value) *key.stat = static_cast<double>(*value) / key.per;
  }
  return true;
}

CgroupStats ReadCgroup(std::span<const CgroupDirectory> directories, std::string& buffer) {
  CgroupStats stats;
  // Version 1 last: on a hybrid host version 2 knows the CPU time too, less exactly named.
  for (const bool v2 : {true, false}) {
    for (const CgroupDirectory& directory : directories) {
      if (directory.v2 != v2) continue;
      CgroupText text(directory, buffer, stats.faults);
      if (!stats.processes) {
        const auto processes = text.With("cgroup.procs", CountProcesses);
        if (processes) stats.processes = static_cast<double>(*processes);
      }
      if (v2) {
        ReadCgroupV2(text, stats);
      } else {
        ReadCgroupV1(text, directory.controllers, stats);
      }
      // Asked last, so that a group that went away meanwhile is noticed.
      if (!directory.Has("cgroup.procs")) stats.gone = true;
    }
  }
  return stats;
}

}  // namespace sidecar::host
