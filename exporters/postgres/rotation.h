#pragma once
// The one connection that goes from database to database: finds out which there are, and runs in
// each what is due there, one login for all of it. Works on its own clock a few seconds at a time;
// what it found is in Databases.
//
//   Rotation rotation(open, databases, members, filter);   // a Task of the lane "rotating"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/collect/collector.h"
#include "exporters/postgres/databases.h"
#include "exporters/postgres/discovery.h"
#include "exporters/postgres/query_member.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

class Rotation final : public Task {
 public:
  // A session of a database; empty: of the configured one. Its Ready fails with kNoData when there
  // is no such database.
  using Open = std::function<std::unique_ptr<Session>(const std::string& database)>;
  using CountCut = std::function<void(std::string_view collector, std::size_t series)>;
  using Members = std::vector<std::shared_ptr<const QueryMember>>;

  // The list of databases is read every `discovery`.
  Rotation(Open open, std::shared_ptr<Databases> databases, Members members, DatabaseFilter filter,
           Millis discovery, CountCut count_cut);

  // Works so long at most before it lets a reload take over; so long in one database.
  static constexpr Millis kStretch{5'000}, kVisit{30'000};

  Result<> Run(const Scrape& scrape) override;
  Mono NotBefore() const override;

 private:
  struct Visit {
    std::string database;
    Members due;
    Mono last;  // the longest ago that one of them was tried
  };

  // Late: what timed out there, or was not tried there yet and timed out elsewhere.
  enum class Pace : std::uint8_t { kPrompt, kLate };

  Result<> Work(const Scrape& scrape);
  Result<> List(Session& session, const Scrape& scrape);
  std::vector<Visit> Next(Mono now) const;
  std::vector<Visit> Due(Mono now, Pace pace) const;
  bool IsDue(const QueryMember& member, const std::string& database, Mono now) const;
  Result<> Make(const Visit& visit, Session& session, const Scrape& scrape);
  Result<> Answers(const Scrape& scrape);
  void RunDue(const QueryMember& member, const std::string& database, Session& session,
              const Scrape& scrape);
  QueryLimits Share(const QueryMember& member, const std::string& database) const;
  void FailAll(const Visit& visit, const Error& error, Mono now);

  const Open open_;
  const std::shared_ptr<Databases> databases_;
  const Members members_;
  const DatabaseFilter filter_;
  const Millis discovery_;
  const CountCut count_cut_;
  std::vector<std::string> keys_;
  int failures_ = 0;
  Mono retry_at_{};
  bool server_answered_ = false;  // the database of the DSN, in this run
  Mono put_off_until_{};
};

}  // namespace sidecar::postgres
