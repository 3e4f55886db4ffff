#pragma once
// The one connection that goes from database to database: finds out which there are, and runs in
// each what is due there, one login for all of it. A login that is wanted anyway, to see whether
// there can be one, is spent on the database that has waited longest (ADR 11). Works on its own
// clock a few seconds at a time; what it found is in Databases. One thread at a time; `open` keeps
// alive what its sessions need.
//
//   Rotation rotation(open, runner, discovery, next_login);   // a Task of the lane "rotating"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/collect/collector.h"
#include "exporters/postgres/database_runner.h"

namespace sidecar::postgres {

class Rotation final : public Task {
 public:
  // A session of a database; empty: of the configured one. Its Ready fails with kNoData when there
  // is no such database.
  using Open = std::function<std::unique_ptr<Session>(const std::string& database)>;
  // When a login is wanted for its own sake; none: not while logins fail.
  using NextLogin = std::function<std::optional<Mono>()>;

  // The list of databases is read where it is older than `discovery`.
  Rotation(Open open, std::shared_ptr<const DatabaseRunner> runner, Millis discovery,
           NextLogin next_login);

  // Works so long at most before it lets a reload take over; so long in one database.
  static constexpr Millis kStretch{5'000}, kVisit = QueryDef::kLongestVisit;

  Result<> Run(const Scrape& scrape) override;
  Mono NotBefore() const override;

 private:
  struct Visit {
    std::string database;
    DatabaseRunner::Members due;
    Mono last;             // the longest ago that one of them was tried
    bool overdue = false;  // one of them is worth a login of its own
  };

  // Late: what timed out there, or was not tried there yet and timed out elsewhere.
  enum class Pace : std::uint8_t { kPrompt, kLate };

  Result<> Work(const Scrape& scrape);
  std::vector<Visit> Next(Mono now) const;
  std::vector<Visit> Due(Mono now, Pace pace) const;
  Millis Patience(const QueryMember& member, const std::string& database) const;
  Result<> Make(const Visit& visit, Session& session, const Scrape& scrape);
  void Missing(const Visit& visit, Error error, Mono now);
  Result<> Answers(const Scrape& scrape);
  void RunDue(const QueryMember& member, const std::string& database, Session& session,
              const Scrape& scrape);
  void FailAll(const Visit& visit, const Error& error, Mono now);

  const Open open_;
  const std::shared_ptr<const DatabaseRunner> runner_;
  const DatabaseRunner::Members& members_;  // the runner's
  Databases& databases_;                    // the runner's
  const Millis discovery_;
  const NextLogin next_login_;
  std::vector<std::string> keys_;
  int failures_ = 0;
  Mono retry_at_{};
  bool server_answered_ = false;  // the database of the DSN, in this run
  Mono put_off_until_{};
  std::set<std::string> gone_;  // that a login called so; the list may still have them
};

}  // namespace sidecar::postgres
