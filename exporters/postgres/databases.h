#pragma once
// What is known of the server's databases: which there are, and the last rows of each query of
// scope database in each of them. Filled by visits and by the slow session, read by scrapes, kept
// over reloads. Thread-safe.
//
//   databases.Discovered({{"orders", true}}, now);
//   databases.Store(key, "orders", batch, series, now);
//   for (const auto& result : databases.Results(key)) sink.Append(*result.rows);

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/metrics/batch.h"

namespace sidecar::postgres {

class Databases {
 public:
  struct Found {
    std::string name;
    bool may_connect = true;
    std::string oid{};  // another one: another database, of the same name
  };
  struct Result {
    std::string database;
    std::shared_ptr<const Batch> rows{};  // of the last run that had any
    Mono at{};                            // when those were read
    Mono tried{};
    std::size_t series = 0;           // that it wants: those shown and those cut
    std::optional<Error> error{};     // of the last run
    std::optional<Error> disabled{};  // it does not apply there
    bool wanted = true;
  };
  struct Counts {
    std::size_t visited = 0, pending = 0, denied = 0, failed = 0;
  };

  // What is not among them vanishes, with its rows, and so do those of a name that another database
  // has now (renamed, or dropped and made anew).
  void Discovered(std::vector<Found> found, Mono now);
  void SetHome(std::string database);  // that of the DSN
  std::string home() const;            // empty: not known yet
  void Forget(const std::string& database);
  void Rediscover();  // soon: a visit failed, maybe because its database is gone
  std::optional<Mono> discovered_at() const;
  std::vector<std::string> names() const;  // those that may be connected to

  void Store(const std::string& key, const std::string& database, std::shared_ptr<const Batch> rows,
             std::size_t series, Mono now);
  void Failed(const std::string& key, const std::string& database, Error error, Mono now);
  void Disabled(const std::string& key, const std::string& database, Error why, Mono now);
  // The query is not for this database.
  void Unwanted(const std::string& key, const std::string& database, Mono now);
  // Why the rotation as a whole does not get on; none: it does.
  void Blocked(std::optional<Error> error);
  std::optional<Error> blocked() const;

  // Of the databases that there are and that the query is for, in the order of their names.
  std::vector<Result> Results(const std::string& key) const;
  // When it was last tried there; none: not yet.
  std::optional<Mono> Tried(const std::string& key, const std::string& database) const;
  bool LastFailed(const std::string& key, const std::string& database) const;
  // It timed out there; or it was not tried there yet, and timed out in another.
  bool TimedOut(const std::string& key, const std::string& database) const;
  // What each of names() wants, in their order; none: not known yet.
  std::vector<std::optional<std::int64_t>> Wants(const std::string& key) const;
  void KeepOnly(const std::vector<std::string>& keys);
  // What is looked for; another than before: the list is read anew.
  void LookFor(const std::string& filter);
  Counts counts() const;

  // Until every database was tried for `key`, or the rotation is blocked, or `until`.
  void AwaitFirst(const std::string& key, const Clock& clock, Mono until);

 private:
  using ByDatabase = std::map<std::string, Result, std::less<>>;

  Result& Tried(const std::string& key, const std::string& database, Mono now);
  bool Complete(const std::string& key) const;

  mutable std::mutex mutex_;  // guards all of it
  std::condition_variable changed_;
  std::optional<Mono> discovered_at_;
  bool rediscover_ = false;
  std::vector<Found> found_;
  std::string home_, filter_;
  std::map<std::string, ByDatabase> results_;  // by key
  std::optional<Error> blocked_;
};

}  // namespace sidecar::postgres
