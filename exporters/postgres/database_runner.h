#pragma once
// Runs queries of scope database on a session, wherever it is, and keeps what they gave in
// Databases. For the tasks that have such sessions; stateless but for these, thread-safe as far as
// no two of them run one member at once.
//
//   if (auto listed = runner.List(session, scrape); !listed) return listed;
//   auto done = runner.Run(*member, session.facts().database, session, scrape);

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/postgres/databases.h"
#include "exporters/postgres/discovery.h"
#include "exporters/postgres/query_member.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

class DatabaseRunner {
 public:
  using CountCut = std::function<void(std::string_view collector, std::size_t series)>;
  using Members = std::vector<std::shared_ptr<const QueryMember>>;

  DatabaseRunner(std::shared_ptr<Databases> databases, Members members, DatabaseFilter filter,
                 CountCut count_cut);

  // A tenth early, so that one visit serves what is due about now.
  static constexpr Millis Soon(Millis interval) { return interval * 9 / 10; }

  const Members& members() const { return members_; }
  Databases& databases() const { return *databases_; }
  const DatabaseFilter& filter() const { return filter_; }

  // By a reload, before its time: no failure of the database.
  static bool Stopped(const Scrape& scrape);
  // Which databases there are; asked in that of the DSN.
  Result<> List(Session& session, const Scrape& scrape) const;
  // The error is known to Databases too.
  Result<> Run(const QueryMember& member, const std::string& database, Session& session,
               const Scrape& scrape) const;
  bool IsDue(const QueryMember& member, const std::string& database, Mono now) const;

 private:
  QueryLimits Share(const QueryMember& member, const std::string& database) const;

  const std::shared_ptr<Databases> databases_;
  const Members members_;
  const DatabaseFilter filter_;
  const CountCut count_cut_;
};

}  // namespace sidecar::postgres
