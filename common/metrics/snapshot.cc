#include <algorithm>
#include <utility>

#include "common/metrics/encoder.h"
#include "common/metrics/family_groups.h"

namespace sidecar {
namespace {

struct Lost {  // a row that its part loses
  std::uint32_t family, row;
  auto operator<=>(const Lost&) const = default;
};
using LostRows = std::vector<std::vector<Lost>>;  // by part

void LoseAll(const FamilyRows& rows, const FamilyGroups::Member& member, LostRows& lost) {
  for (std::uint32_t row = 0; row < rows.rows.size(); ++row) {
    lost[member.part].push_back({member.family, row});
  }
}

// Finds what a family of several parts has twice, and the members of another kind.
void FindLost(const FamilyGroups& all, const FamilyGroups::Group& group, RowSet& seen,
              LostRows& lost) {
  const FamilyRows& first = all.rows(all.members()[group.first]);
  std::size_t count = 0, bytes = 0;
  bool plain = true;
  for (std::uint32_t at = group.first; at != kNone; at = all.members()[at].next) {
    const FamilyRows& rows = all.rows(all.members()[at]);
    count += rows.rows.size();
    bytes += RowSet::SortedBytes(rows);
    plain = plain && !rows.foreign && std::ranges::equal(rows.info.labels, first.info.labels);
  }
  seen.Start(count, plain ? 0 : bytes);
  for (std::uint32_t at = group.first; at != kNone; at = all.members()[at].next) {
    const FamilyGroups::Member& member = all.members()[at];
    const FamilyRows& rows = all.rows(member);
    if (rows.info.kind != group.kind) {
      LoseAll(rows, member, lost);
      continue;
    }
    for (std::uint32_t i = 0; i < rows.rows.size(); ++i) {
      all.batch(member).Prefetch(rows, i + kAhead);
      const std::string_view text = all.batch(member).RowText(rows.rows[i]);
      if (plain ? seen.Insert(text) : seen.InsertSorted(rows, text)) continue;
      lost[member.part].push_back({member.family, i});
    }
  }
}

// Batches are shared, so the part is copied without what it loses.
std::shared_ptr<const Batch> Without(const Batch& part, std::vector<Lost>& lost) {
  std::sort(lost.begin(), lost.end());
  const Batch::Impl& from = part.impl();
  auto copy = std::make_shared<Batch>();
  Batch::Impl& to = copy->impl();
  to.failure = from.failure;
  to.warnings = from.warnings;
  for (const Ordered& ordered : from.order) {
    const std::uint32_t index = ordered.family;
    const FamilyRows& family = from.families[index];
    auto next = std::lower_bound(lost.begin(), lost.end(), Lost{index, 0});
    const std::uint32_t added = to.AddFamily(family.info, family.foreign);
    for (std::uint32_t row = 0; row < family.rows.size(); ++row) {
      if (next != lost.end() && *next == Lost{index, row}) {
        ++next;
      } else {
        to.CopyRow(added, from, family, family.rows[row]);
      }
    }
  }
  return copy;
}

}  // namespace

std::vector<std::size_t> DropDuplicates(Snapshot& snapshot) {
  std::vector<std::size_t> counts(snapshot.parts.size());
  LostRows lost(snapshot.parts.size());
  snapshot.groups = std::make_shared<const FamilyGroups>(snapshot.parts);
  RowSet seen;
  for (const FamilyGroups::Group& group : snapshot.groups->groups()) {
    if (group.several_parts) FindLost(*snapshot.groups, group, seen, lost);
  }
  for (std::size_t part = 0; part < lost.size(); ++part) {
    counts[part] = lost[part].size();
    if (counts[part] == 0) continue;
    snapshot.groups.reset();
    snapshot.parts[part] = Without(*snapshot.parts[part], lost[part]);
  }
  return counts;
}

Snapshot Merge(std::span<const Snapshot> exporters) {
  Snapshot all;
  const bool named =
      std::ranges::none_of(exporters, [](const Snapshot& one) { return one.names.empty(); });
  for (const Snapshot& one : exporters) {
    all.parts.insert(all.parts.end(), one.parts.begin(), one.parts.end());
    if (!named) continue;  // empty is all
    for (const std::string& name : one.names) {
      if (std::ranges::find(all.names, name) == all.names.end()) all.names.push_back(name);
    }
  }
  DropDuplicates(all);
  return all;
}

}  // namespace sidecar
