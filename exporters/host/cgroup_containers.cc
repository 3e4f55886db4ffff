#include "exporters/host/cgroup_containers.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "exporters/host/mountinfo.h"
#include "exporters/host/process_files.h"

namespace sidecar::host {
namespace {

using State = CgroupContainer::State;

constexpr std::uint64_t kRetryEvery = 16;  // refreshes, for what could not be opened

bool IsProcfs(const std::string& path) {
  struct statfs system {};
  return ::statfs(path.c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

std::vector<CgroupMount> ParseMounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  while (const auto line = NextLine(mountinfo)) {
    auto mount = ParseCgroupMount(*line);  // a line that cannot be read mounts nothing for us
    if (mount && *mount) mounts.push_back(std::move(**mount));
  }
  return mounts;
}

void Note(CgroupContainer& container, Access access) {
  if (access == Access::kDenied) container.state = State::kDenied;
}

void Keep(CgroupContainer& container, CgroupDirectory directory) {
  container.directories.push_back(std::move(directory));
  container.state = State::kOpen;
}

}  // namespace

CgroupContainers::CgroupContainers(const Roots& roots, CgroupOptions options)
    : procfs_(roots.procfs),
      cgroup_root_(roots.sysfs + "/fs/cgroup"),
      options_(std::move(options)),
      reader_(roots.procfs),
      genuine_(IsProcfs(roots.procfs)) {}

Result<CgroupContainers::Census> CgroupContainers::Refresh(const Scrape& scrape) {
  Census census;
  ++refresh_;
  current_.clear();
  texts_.clear();
  if (auto listed = reader_.List(pids_); !listed) return Fail(std::move(listed.error()));
  ReadMounts();
  AddConfigured();
  AddOwn();
  if (options_.siblings) AddSiblings(scrape, census);
  // Who left while there was no time to look at all is not told from who was not looked at.
  if (!census.out_of_time) {
    std::erase_if(known_, [&](const auto& entry) { return entry.second.seen != refresh_; });
  }
  // What may be the machine's top group, and then is no container, takes no other's place.
  const auto rank = [&](const CgroupContainer& container) {
    if (container.id == own_id_ || container.id == kSelf) return 0;
    return container.configured ? 1 : 2;
  };
  for (const int turn : {0, 1, 2}) {
    for (auto& [id, container] : known_) {
      if (rank(container) == turn) Choose(container, census);
    }
  }
  return census;
}

void CgroupContainers::ReadMounts() {
  auto text = ReadFile(procfs_ + "/self/mountinfo", {.records = true});
  if (!text) text = std::string();
  if (*text == own_mountinfo_) return;
  own_mountinfo_ = std::move(*text);
  own_mounts_ = ParseMounts(own_mountinfo_);
}

void CgroupContainers::AddConfigured() {
  for (const CgroupOptions::Path& path : options_.paths) {
    CgroupContainer& container = known_[path.path];
    container.id = path.path;
    container.name = path.container;
    container.configured = true;
    container.seen = refresh_;
  }
}

void CgroupContainers::AddOwn() {
  own_id_.clear();
  const auto text = ReadFile(procfs_ + "/self/cgroup", {.records = true});
  if (!text) return;
  texts_.insert(*text);
  auto entries = ParseCgroupEntries(*text);
  if (!entries) return;
  own_id_ = CgroupId(*entries);
  Add("self", *text);
}

void CgroupContainers::AddSiblings(const Scrape& scrape, Census& census) {
  for (const std::int32_t pid : pids_) {
    if (scrape.stop().stop_requested() || scrape.LeftMs() == 0) {
      census.out_of_time = true;
      return;
    }
    const auto text = reader_.Read(pid, "cgroup");
    if (text.access != Access::kRead || texts_.contains(text.value)) continue;
    texts_.emplace(text.value);
    Add(std::to_string(pid), text.value);
  }
}

void CgroupContainers::Add(std::string process, std::string_view text) {
  auto entries = ParseCgroupEntries(text);
  if (!entries) return;  // one that ended while it was read
  std::string id = CgroupId(*entries);
  if (entries->empty() || !options_.ids.Keeps(id)) return;
  CgroupContainer& container = known_[id];
  if (container.seen == refresh_) return;
  container.id = std::move(id);
  if (container.process != process) container.tried = 0;
  container.process = std::move(process);
  container.entries = std::move(*entries);
  container.seen = refresh_;
}

void CgroupContainers::Choose(CgroupContainer& container, Census& census) {
  if (current_.size() >= options_.max_containers) {
    container.directories.clear();
    container.state = State::kAbsent;
    container.tried = 0;
    ++census.over_limit;
    return;
  }
  const bool retry =
      container.configured || container.tried == 0 || refresh_ - container.tried >= kRetryEvery;
  if (container.state != State::kOpen && retry) Open(container);
  switch (container.state) {
    case State::kOpen:
      current_.push_back(&container);
      break;
    case State::kDenied:
      ++census.denied;
      break;
    case State::kUnmounted:
      ++census.unmounted;
      break;
    case State::kAbsent:
      ++census.absent;
      break;
    case State::kTop:
      break;
  }
}

bool CgroupContainers::Reopen(CgroupContainer& container) {
  Open(container);
  return container.state == State::kOpen;
}

void CgroupContainers::Open(CgroupContainer& container) {
  container.tried = refresh_;
  container.directories.clear();
  container.start_ticks.reset();
  if (container.configured) {
    OpenConfigured(container);
  } else {
    container.state = State::kUnmounted;
    std::optional<std::vector<CgroupMount>> its_mounts;
    for (const CgroupEntry& entry : container.entries) {
      const bool found = OpenEntry(container, entry, "self", own_mounts_);
      if (found || container.process == "self") continue;
      if (!its_mounts) {
        const auto text =
            ReadFile(procfs_ + "/" + container.process + "/mountinfo", {.records = true});
        its_mounts = text ? ParseMounts(*text) : std::vector<CgroupMount>();
      }
      OpenEntry(container, entry, container.process, *its_mounts);
    }
  }
  if (container.state == State::kOpen) Describe(container);
}

// A configured path is one below every mount: of the host's, where its /sys is mounted for us.
void CgroupContainers::OpenConfigured(CgroupContainer& container) {
  container.state = State::kAbsent;
  const auto preferred = [&](const CgroupMount& mount) {
    return StripRoot(mount.mountpoint, cgroup_root_).size() != mount.mountpoint.size();
  };
  const bool any = std::ranges::any_of(own_mounts_, preferred);
  std::set<std::string> opened;  // hierarchies
  for (const CgroupMount& mount : own_mounts_) {
    if (any && !preferred(mount)) continue;
    std::string hierarchy;
    for (const std::string& option : mount.options) hierarchy += option + ",";
    if (opened.contains(hierarchy)) continue;
    const std::string below = container.id == "/" ? std::string() : container.id;
    auto found = CgroupDirectory::Open(procfs_ + "/self/root", mount.mountpoint + below, genuine_);
    Note(container, found.access);
    if (found.access != Access::kRead) continue;
    found.directory.v2 = mount.v2;
    found.directory.controllers = mount.options;
    opened.insert(std::move(hierarchy));
    Keep(container, std::move(found.directory));
  }
}

bool CgroupContainers::OpenEntry(CgroupContainer& container, const CgroupEntry& entry,
                                 const std::string& process,
                                 const std::vector<CgroupMount>& mounts) {
  for (const CgroupMount& mount : mounts) {
    const auto path = PathIn(mount, entry);
    if (!path) continue;
    auto found = CgroupDirectory::Open(procfs_ + "/" + process + "/root", *path, genuine_);
    if (found.access != Access::kRead) {
      if (container.state != State::kOpen) Note(container, found.access);
      continue;
    }
    found.directory.v2 = entry.v2;
    found.directory.controllers = entry.controllers;
    if (!found.directory.IsTop()) {
      Keep(container, std::move(found.directory));
    } else if (container.state == State::kUnmounted) {
      container.state = State::kTop;
    }
    return true;
  }
  return false;
}

void CgroupContainers::Describe(CgroupContainer& container) {
  std::string process = container.process;
  if (container.configured) {
    std::string buffer;
    const auto text = container.directories.front().Read("cgroup.procs", buffer);
    std::string_view rest = text.value;
    const auto pid = ParseNumber<std::int32_t>(NextLine(rest).value_or(std::string_view()));
    if (text.access != Access::kRead || !pid || *pid <= 0) return;  // 0: of another pid namespace
    process = std::to_string(*pid);
  }
  std::string comm;
  if (const auto text = ReadFile(procfs_ + "/" + process + "/stat")) {
    if (const auto stat = ParseProcessStat(*text)) {
      comm = stat->comm;
      container.start_ticks = stat->start_ticks;
    }
  }
  if (container.configured) return;
  const auto mountinfo = ReadFile(procfs_ + "/" + process + "/mountinfo", {.records = true});
  container.name = options_.names.Name(container.id, comm, mountinfo ? *mountinfo : std::string());
}

}  // namespace sidecar::host
