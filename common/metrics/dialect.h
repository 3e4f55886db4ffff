#pragma once
// What the formats differ in. Lines of samples are the same in all of them, but for exemplars.

#include <memory>

#include "common/metrics/family_groups.h"
#include "common/metrics/output.h"

namespace sidecar {

class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual void Begin(std::size_t group, Output& output) = 0;  // HELP, TYPE and what else there is
  virtual void End(Output& output) = 0;
  virtual bool exemplars() const = 0;
  // What of a group's text other groups decide, as a hash.
  virtual std::uint64_t Shape(std::size_t group) const = 0;
};

// Of these groups, some of which may be left out. They must outlive the dialect.
std::unique_ptr<Dialect> MakeText(const FamilyGroups& all);
std::unique_ptr<Dialect> MakeOpenMetrics(const FamilyGroups& all);

// "# HELP name text\n", or nothing without a help.
void PutHelp(Output& output, std::string_view name, std::string_view help, bool quotes);

}  // namespace sidecar
