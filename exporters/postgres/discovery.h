#pragma once
// Which databases a server has, and which of them are wanted. Stateless, thread-safe.
//
//   auto found = Discover(session, scrape, filter);
//   if (found && Wants(member.def, found->front().name)) ...

#include <string>
#include <vector>

#include "common/collect/scrape.h"
#include "exporters/postgres/databases.h"
#include "exporters/postgres/query_def.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

inline constexpr std::size_t kMostDatabases = 10'000;

// Shell globs; include empty: all.
struct DatabaseFilter {
  std::vector<std::string> include, exclude;
  bool Has(const std::string& database) const;
  std::string Text() const;  // equal for equal filters
};

// Those that the filter has, by name.
Result<std::vector<Databases::Found>> Discover(Session& session, const Scrape& scrape,
                                               const DatabaseFilter& filter);

// Whether the definition's own globs match.
bool Wants(const QueryDef& def, const std::string& database);

}  // namespace sidecar::postgres
