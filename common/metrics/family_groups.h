#pragma once
// The families of several batches, put together by name. A view: valid while the batches live.
//
//   const FamilyGroups all(snapshot.parts);
//   for (const FamilyGroups::Group& group : all.groups())
//     for (auto at = group.first; at != kNone; at = all.members()[at].next) ...

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/metrics/batch_impl.h"

namespace sidecar {

class FamilyGroups {
 public:
  struct Member {
    std::uint32_t part, family, next;  // the next of its group, or kNone
  };
  struct Group {
    std::uint32_t first, last;  // members
    Kind kind;                  // the first member's
    bool several_parts;
  };

  explicit FamilyGroups(std::span<const std::shared_ptr<const Batch>> parts);

  // In order of their first rows.
  const std::vector<Group>& groups() const { return groups_; }
  // The first member's name and help.
  const FamilyInfo& info(const Group& group) const { return rows(members_[group.first]).info; }
  const std::vector<Member>& members() const { return members_; }
  const Batch::Impl& batch(const Member& member) const { return *batches_[member.part]; }
  const FamilyRows& rows(const Member& member) const {
    return batch(member).families[member.family];
  }
  bool Has(std::string_view name) const { return Find(name, HashText(name)) != kNone; }

 private:
  std::uint32_t Find(std::string_view name, std::uint64_t hash) const {
    return names_.Find(hash,
                       [&](std::uint32_t group) { return info(groups_[group]).name == name; });
  }
  void Add(std::uint32_t part, const Ordered& ordered);

  std::vector<const Batch::Impl*> batches_;
  std::vector<Group> groups_;
  std::vector<Member> members_;
  IndexTable names_;  // of groups
};

}  // namespace sidecar
