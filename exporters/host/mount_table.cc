#include "exporters/host/mount_table.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

// Mountpoints below which a path may wait for a server: the lookup alone would hang.
class Hazards {
 public:
  void Add(std::string_view mountpoint) { below_.emplace_back(mountpoint); }
  bool On(std::string_view path) const {
    return std::ranges::any_of(below_, [&](const std::string& hazard) {
      return StripRoot(path, hazard) != path && path != hazard;
    });
  }

 private:
  std::vector<std::string> below_;
};

// What makes two mounts one series. The upper of two such mounts, which comes last, is the one that
// statfs sees.
std::string Identity(const MountEntry& entry) {
  std::string key = entry.mount.source;
  key.append(1, '\0').append(entry.mountpoint).append(1, '\0').append(entry.mount.fs_type);
  return key;
}

}  // namespace

MountTable::MountTable(std::string root, NameFilter mount_points, NameFilter fs_types)
    : root_(std::move(root)),
      mount_points_(std::move(mount_points)),
      fs_types_(std::move(fs_types)) {
  while (root_.ends_with('/')) root_.pop_back();
}

void MountTable::Update(std::string_view text) {
  if (parsed_ && text == text_) return;
  text_ = text;
  parsed_ = true;
  std::vector<MountEntry> old = std::exchange(entries_, {});
  Parse(text_);
  Adopt(std::move(old));
}

void MountTable::Parse(std::string_view text) {
  fault_.reset();
  Hazards hazards;
  std::unordered_map<std::string, std::size_t> places;
  while (const auto line = NextLine(text)) {
    const bool cut = text.empty() && text_.back() != '\n';
    auto mount =
        cut ? Result<Mount>(Fail(Errc::kParse, "the last line is cut")) : ParseMount(*line);
    if (!mount) {
      if (!fault_) fault_ = std::move(mount.error());
      continue;
    }
    // A root that hangs takes this process along: nothing to guard against.
    if (IsRemote(mount->fs_type) && mount->mountpoint != "/") hazards.Add(mount->mountpoint);
    MountEntry entry{.mount = std::move(*mount), .mountpoint = {}, .probe = {}};
    entry.mountpoint = StripRoot(entry.mount.mountpoint, root_);
    if (!mount_points_.Keeps(entry.mountpoint) || !fs_types_.Keeps(entry.mount.fs_type)) continue;
    const auto [place, added] = places.try_emplace(Identity(entry), entries_.size());
    if (added) {
      entries_.push_back(std::move(entry));
    } else {
      MountEntry& below = entries_[place->second];
      entry.covered = std::move(below.covered);
      entry.covered.push_back(std::move(below.mount));
      below = std::move(entry);
    }
  }
  for (MountEntry& entry : entries_) {
    entry.prompt = IsPrompt(entry.mount.fs_type) && !hazards.On(entry.mount.mountpoint);
  }
}

void MountTable::Adopt(std::vector<MountEntry> old) {
  std::unordered_map<std::uint64_t, MountEntry*> by_id;
  for (MountEntry& entry : old) by_id.emplace(entry.mount.id, &entry);
  std::unordered_map<std::string_view, std::shared_ptr<StatfsProbe>> by_path;
  // From the last, so that the probe is that of the upper mount.
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    auto& probe = by_path[entry->mountpoint];
    entry->upper = probe == nullptr;
    if (const auto found = by_id.find(entry->mount.id); found != by_id.end()) {
      MountEntry& known = *found->second;
      // Ids are used again.
      if (known.mount.mountpoint == entry->mount.mountpoint &&
          known.mount.source == entry->mount.source &&
          known.mount.fs_type == entry->mount.fs_type) {
        entry->proven = known.proven && entry->prompt;
        entry->error = std::move(known.error);
        if (!probe) probe = std::move(known.probe);
      }
    }
    if (!probe) probe = std::make_shared<StatfsProbe>(Path(*entry), !entry->prompt);
    entry->probe = probe;
  }
}

std::string MountTable::Path(const MountEntry& entry) const {
  return root_.empty() ? entry.mountpoint : root_ + entry.mountpoint;
}

}  // namespace sidecar::host
