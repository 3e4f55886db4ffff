#include "common/metrics/family_groups.h"

namespace sidecar {

FamilyGroups::FamilyGroups(std::span<const std::shared_ptr<const Batch>> parts) {
  std::size_t families = 0;
  for (const auto& part : parts) families += part->impl().order.size();
  groups_.reserve(families);
  members_.reserve(families);
  names_.Reserve(families);
  for (std::uint32_t part = 0; part < parts.size(); ++part) {
    batches_.push_back(&parts[part]->impl());
    for (const Ordered& ordered : batches_[part]->order) Add(part, ordered);
  }
}

void FamilyGroups::Add(std::uint32_t part, const Ordered& ordered) {
  const auto member = static_cast<std::uint32_t>(members_.size());
  members_.push_back({part, ordered.family, kNone});
  const std::uint32_t found = names_.Find(ordered.hash, [&](std::uint32_t group) {
    return info(groups_[group]).name == rows(members_[member]).info.name;
  });
  if (found == kNone) {
    names_.Insert(ordered.hash, static_cast<std::uint32_t>(groups_.size()));
    groups_.push_back({member, member, ordered.kind, false});
    return;
  }
  Group& group = groups_[found];
  group.several_parts = group.several_parts || members_[group.last].part != part;
  members_[group.last].next = member;
  group.last = member;
}

}  // namespace sidecar
