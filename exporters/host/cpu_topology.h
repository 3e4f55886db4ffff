#pragma once
// What sysfs says about the CPUs beyond /proc/stat: which share a core, how often those were
// throttled, which are online or isolated. What is static is looked up by Scan and cached; a scrape
// then costs one read per counter and one for the list of online CPUs. One thread.
//
//   CpuTopology topology(env.Sys("devices/system/cpu"));
//   if (cpus_changed) topology.Scan();
//   for (CpuTopology::Throttle& throttle : topology.throttles()) ...

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"

namespace sidecar::host {

class CpuTopology {
 public:
  // A counter that the CPUs of a core or package share.
  struct Throttle {
    std::string package, core;  // core is empty for a package's counter
    KeptFile file;
  };

  explicit CpuTopology(std::string folder);

  // Looks at every CPU's folder: after a start and when CPUs came or went.
  void Scan();
  // Of cores and packages; empty on virtual machines.
  std::vector<Throttle>& throttles() { return throttles_; }
  // CPUs whose folder is there, each with whether it is online; empty when none of them can be
  // taken offline. The view lives until the next call.
  Result<std::span<const std::pair<std::uint32_t, bool>>> Online();
  const std::vector<std::uint32_t>& isolated() const { return isolated_; }

 private:
  std::string PathOf(std::uint32_t cpu, const char* file) const;
  void AddThrottles(std::uint32_t cpu);
  void AddThrottle(Throttle throttle);

  std::string folder_;
  std::vector<Throttle> throttles_;
  std::vector<std::uint32_t> present_, isolated_;
  bool can_go_offline_ = false;
  KeptFile online_;
  std::string online_text_;  // what states_ was made from
  std::vector<std::pair<std::uint32_t, bool>> states_;
};

}  // namespace sidecar::host
