#pragma once
// The mounts that the filesystem collector shows, with what it knows about each. Parsed anew when
// the text of mountinfo has changed; a mount that stays (by its id) keeps its state. One thread.
//
//   table.Update(text);
//   for (MountEntry& entry : table.entries()) ...

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/host/mountinfo.h"
#include "exporters/host/name_filter.h"
#include "exporters/host/statfs_workers.h"

namespace sidecar::host {

struct MountEntry {
  Mount mount;
  std::string mountpoint;        // the label: without the root
  std::vector<Mount> covered{};  // mounts of the same labels under it, which nobody can reach
  // How it is asked; mounts over each other have one, since statfs sees the upper one alone.
  std::shared_ptr<StatfsProbe> probe;
  bool upper = false;   // the one that asks
  bool prompt = false;  // its type answers from memory, as do those on the way to it
  bool proven = false;  // it did answer promptly: asked without a worker from now on
  std::string error{};  // what the last scrape said of it
};

class MountTable {
 public:
  MountTable(std::string root, NameFilter mount_points, NameFilter fs_types);

  void Update(std::string_view text);
  std::vector<MountEntry>& entries() { return entries_; }
  // The first line of the text that is no mount. The others are shown all the same.
  const std::optional<Error>& fault() const { return fault_; }

 private:
  void Parse(std::string_view text);
  void Adopt(std::vector<MountEntry> old);
  std::string Path(const MountEntry& entry) const;

  std::string root_;
  NameFilter mount_points_, fs_types_;
  std::string text_;
  bool parsed_ = false;
  std::vector<MountEntry> entries_;
  std::optional<Error> fault_;
};

}  // namespace sidecar::host
