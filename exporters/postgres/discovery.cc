#include "exporters/postgres/discovery.h"

#include <fnmatch.h>

#include <algorithm>

namespace sidecar::postgres {
namespace {

constexpr Millis kTimeout{5'000};

// Templates and databases that were left half dropped (-2) have nothing to say.
constexpr std::string_view kSql =
    "SELECT datname, pg_catalog.has_database_privilege(oid, 'CONNECT'), oid"
    " FROM pg_catalog.pg_database"
    " WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 ORDER BY 1";

template <class Globs>
bool Matches(const Globs& globs, const std::string& name) {
  return std::ranges::any_of(globs, [&](const auto& glob) {
    return ::fnmatch(std::string(glob).c_str(), name.c_str(), 0) == 0;
  });
}

class FoundReader final : public RowReader {
 public:
  explicit FoundReader(const DatabaseFilter& filter) : filter_(filter) {}
  Result<> Begin(std::span<const Column> columns) override {
    if (columns.size() != 3) return Fail(Errc::kInternal, "discovery: not the columns asked for");
    return {};
  }
  Result<> Row(std::span<const Cell> cells) override {
    if (found.size() >= kMostDatabases) {
      return Fail(Errc::kLimit, "more than " + std::to_string(kMostDatabases) + " databases");
    }
    std::string name(cells[0].value_or(""));
    if (filter_.Has(name)) {
      found.push_back({std::move(name), cells[1] == "t", std::string(cells[2].value_or(""))});
    }
    return {};
  }
  std::vector<Databases::Found> found;

 private:
  const DatabaseFilter& filter_;
};

}  // namespace

bool DatabaseFilter::Has(const std::string& database) const {
  return (include.empty() || Matches(include, database)) && !Matches(exclude, database);
}

std::string DatabaseFilter::Text() const {
  std::string text;
  for (const std::string& glob : include) text += '+' + glob + '\0';
  for (const std::string& glob : exclude) text += '-' + glob + '\0';
  return text;
}

Result<std::vector<Databases::Found>> Discover(Session& session, const Scrape& scrape,
                                               const DatabaseFilter& filter) {
  if (auto ready = session.Ready(scrape); !ready) return Fail(std::move(ready.error()));
  FoundReader reader(filter);
  const Statement statement{.name = "discovery", .sql = kSql, .timeout = kTimeout};
  // As the other queries of the session have it, so that its timeout is theirs.
  if (auto read = session.Query(scrape.Within(kTimeout), statement, reader); !read) {
    return Fail(std::move(read.error()));
  }
  return std::move(reader.found);
}

bool Wants(const QueryDef& def, const std::string& database) {
  return def.databases.empty() || Matches(def.databases, database);
}

}  // namespace sidecar::postgres
