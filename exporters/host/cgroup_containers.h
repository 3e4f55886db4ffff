#pragma once
// Finds the containers whose control groups this process can read: its own, those that the
// configuration names, and those of the other processes of the procfs, through this process's
// mounts or through theirs (/proc/PID/root, which asks for the same user or CAP_SYS_PTRACE). Their
// directories stay open between scrapes. A group with the path of one that went away is another
// container: it is opened anew, and its counters begin at 0. One thread.
//
//   CgroupContainers containers(env.roots(), std::move(options));
//   auto census = containers.Refresh(scrape);
//   for (CgroupContainer* container : containers.current()) ...

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/collect/scrape.h"
#include "exporters/host/cgroup_directory.h"
#include "exporters/host/cgroup_files.h"
#include "exporters/host/cgroup_names.h"
#include "exporters/host/host_env.h"
#include "exporters/host/name_filter.h"

namespace sidecar::host {

struct CgroupOptions {
  struct Path {
    std::string path;  // below the mounts of control groups
    std::string container;
  };
  bool siblings = true;
  std::size_t max_containers = 64;
  std::vector<Path> paths{};
  NameFilter ids{};
  CgroupNames names{CgroupNames::From::kAuto};
};

struct CgroupContainer {
  enum class State : std::uint8_t {
    kOpen,
    kDenied,     // no right to pass /proc/PID/root
    kUnmounted,  // no mount shows it: not ours, not its own
    kTop,        // it is the machine, no container
    kAbsent,     // configured, and not there now
  };
  std::string id, name;
  State state = State::kAbsent;
  std::string process;  // a directory of the procfs: "self", "17"; none of a configured one
  std::vector<CgroupEntry> entries;
  std::vector<CgroupDirectory> directories;
  std::optional<std::uint64_t> start_ticks;  // of its first process
  std::uint64_t seen = 0, tried = 0;         // refreshes
  bool configured = false;
};

class CgroupContainers {
 public:
  CgroupContainers(const Roots& roots, CgroupOptions options);

  struct Census {
    std::size_t denied = 0, unmounted = 0, absent = 0;
    std::size_t over_limit = 0;  // not looked at: max_containers are open
    bool out_of_time = false;    // not all processes were looked at
  };
  // kUnavailable when there is no procfs.
  Result<Census> Refresh(const Scrape& scrape);
  // Those that are open now: our own, the configured ones, then by id.
  const std::vector<CgroupContainer*>& current() const { return current_; }
  // Looks for the groups again that have gone since they were opened.
  bool Reopen(CgroupContainer& container);

 private:
  void ReadMounts();
  void AddConfigured();
  void AddOwn();
  void AddSiblings(const Scrape& scrape, Census& census);
  void Add(std::string process, std::string_view text);
  void Choose(CgroupContainer& container, Census& census);
  void Open(CgroupContainer& container);
  void OpenConfigured(CgroupContainer& container);
  // Whether one of the mounts has it.
  bool OpenEntry(CgroupContainer& container, const CgroupEntry& entry, const std::string& process,
                 const std::vector<CgroupMount>& mounts);
  void Describe(CgroupContainer& container);

  std::string procfs_, cgroup_root_;
  CgroupOptions options_;
  ProcessReader reader_;
  bool genuine_;  // a procfs of the kernel's, not a test's folder
  std::string own_mountinfo_;
  std::vector<CgroupMount> own_mounts_;
  std::string own_id_;
  std::map<std::string, CgroupContainer, std::less<>> known_;  // by id
  std::vector<CgroupContainer*> current_;
  std::set<std::string, std::less<>> texts_;  // of /proc/PID/cgroup, in this refresh
  std::vector<std::int32_t> pids_;
  std::uint64_t refresh_ = 0;
};

}  // namespace sidecar::host
