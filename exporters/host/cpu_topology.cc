#include "exporters/host/cpu_topology.h"

#include <unistd.h>

#include <algorithm>

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

// One number; the list of online CPUs of a large machine is longer.
constexpr FileOptions kNumber{.max_bytes = 63, .optional = true};
constexpr FileOptions kList{.max_bytes = std::size_t{64} << 10U, .optional = true};

std::string_view FirstLine(std::string_view text) { return NextLine(text).value_or(""); }

// The number in a file as a label; empty when there is none: an offline CPU has no topology.
std::string NumberIn(const std::string& path) {
  const auto text = ReadFile(path, kNumber);
  if (!text || !ParseNumber<std::uint64_t>(FirstLine(*text))) return {};
  return std::string(FirstLine(*text));
}

}  // namespace

CpuTopology::CpuTopology(std::string folder)
    : folder_(std::move(folder)), online_(folder_ + "/online", kList) {}

std::string CpuTopology::PathOf(std::uint32_t cpu, const char* file) const {
  return folder_ + "/cpu" + std::to_string(cpu) + "/" + file;
}

void CpuTopology::Scan() {
  throttles_.clear();
  isolated_.clear();
  states_.clear();
  can_go_offline_ = false;
  present_ = NumberedEntries(folder_, "cpu");
  for (const std::uint32_t cpu : present_) {
    AddThrottles(cpu);
    can_go_offline_ |= ::access(PathOf(cpu, "online").c_str(), F_OK) == 0;
  }
  // Set by a boot parameter; absent before 4.2.
  const auto isolated = ReadFile(folder_ + "/isolated", kList);
  if (!isolated) return;
  if (auto cpus = ParseCpuList(*isolated)) isolated_ = std::move(*cpus);
}

void CpuTopology::AddThrottles(std::uint32_t cpu) {
  const std::string package = NumberIn(PathOf(cpu, "topology/physical_package_id"));
  const std::string core = NumberIn(PathOf(cpu, "topology/core_id"));
  if (package.empty() || core.empty()) return;
  AddThrottle(
      {package, core, KeptFile(PathOf(cpu, "thermal_throttle/core_throttle_count"), kNumber)});
  AddThrottle(
      {package, {}, KeptFile(PathOf(cpu, "thermal_throttle/package_throttle_count"), kNumber)});
}

void CpuTopology::AddThrottle(Throttle throttle) {
  const auto same = [&](const Throttle& other) {
    return other.package == throttle.package && other.core == throttle.core;
  };
  if (std::ranges::any_of(throttles_, same)) return;  // another CPU's, and it reads
  if (throttle.file.Read()) throttles_.push_back(std::move(throttle));
}

Result<std::span<const std::pair<std::uint32_t, bool>>> CpuTopology::Online() {
  using States = std::span<const std::pair<std::uint32_t, bool>>;
  if (!can_go_offline_) return States{};
  const auto text = online_.Read();
  if (!text) return Fail(text.error());
  if (!states_.empty() && *text == online_text_) return States(states_);
  states_.clear();
  const auto online = ParseCpuList(*text);
  if (!online) return Fail(online.error());
  for (const std::uint32_t cpu : present_) {
    states_.emplace_back(cpu, std::ranges::binary_search(*online, cpu));
  }
  online_text_ = *text;
  return States(states_);
}

}  // namespace sidecar::host
