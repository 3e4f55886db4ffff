#pragma once
// One control group's directory in one hierarchy, held open: what is read through it is of that
// very group, also when another of the same path takes its place. Files are opened for each read,
// so that 64 containers hold hundreds of descriptors and not thousands. Movable; one thread.
//
//   auto dir = CgroupDirectory::Open("/proc/7/root", "/sys/fs/cgroup", true);
//   if (dir) { auto text = dir->Read("cpu.stat", buffer); if (text.access == Access::kRead) ... }

#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"
#include "exporters/host/process_reader.h"

namespace sidecar::host {

class CgroupDirectory {
 public:
  // `path` below `root`, which is a process's /proc/PID/root: links are followed inside of it only.
  // With `genuine` anything but the kernel's own cgroup file system is Access::kGone: a container
  // may mount what it likes in its place. Null and the reason when there is none.
  struct Opened;
  static Opened Open(const std::string& root, const std::string& path, bool genuine);

  // The text lives in `buffer`. kGone: no such file, or the group has been removed.
  ProcessRead<std::string_view> Read(std::string_view file, std::string& buffer) const;
  bool Has(const char* file) const;

  // The group that all others of the hierarchy are in, which is the machine's and no container's.
  // It cannot be told by its path, which in a cgroup namespace is "/" for others too.
  bool IsTop() const { return v2 ? !Has("cgroup.events") : Has("release_agent"); }

  bool v2 = false;
  std::vector<std::string> controllers;  // of version 1

 private:
  UniqueFd fd_;
};

struct CgroupDirectory::Opened {
  Access access = Access::kGone;
  CgroupDirectory directory{};
};

}  // namespace sidecar::host
