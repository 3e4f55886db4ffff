#pragma once
// Which statements of pg_stat_statements are shown, and the sum of the others. A statement enters
// when it is among the first by time spent since the last run, and leaves after ten runs outside:
// a dashboard keeps its lines; where many come and go, twice the limit are shown at most. What is
// not shown is added up by user and database, by what it grew: that sum never falls, also when
// statements enter, leave, are evicted or reset; it is forgotten ten runs after the last statement
// of its user and database. Not thread-safe.
//
//   tracker.Begin();
//   for (row) tracker.Add({user, database, queryid}, numbers);
//   tracker.End(100);
//   for (const auto& statement : tracker.Shown()) ...

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sidecar::postgres {

// The columns that are added up; time first, because it ranks. Times in milliseconds.
enum StatementColumn : std::uint8_t {
  kTime,
  kCalls,
  kRowCount,
  kReadTime,
  kWriteTime,
  kSharedHit,
  kSharedRead,
  kSharedDirtied,
  kSharedWritten,
  kTempRead,
  kTempWritten,
  kPlans,
  kPlanTime,
  kWalRecords,
  kWalFpi,
  kWalBytes,
  kStatementColumns
};
using StatementNumbers = std::array<double, kStatementColumns>;

struct StatementKey {
  std::uint64_t user = 0, database = 0;  // OIDs
  std::int64_t query = 0;
  friend auto operator<=>(const StatementKey&, const StatementKey&) = default;
};

class StatementTracker {
 public:
  struct Statement {
    std::string user, database;
    StatementNumbers now{}, before{};  // of this run and the last that had it
    double grown = 0;                  // ms since the last run: the rank
    bool shown = false;
    unsigned outside = 0;   // runs that it was shown and not among the first
    std::uint64_t run = 0;  // the last that had it
    bool compared = false;  // it was there the run before
  };
  struct Other {
    StatementNumbers sum{};
    std::uint64_t run = 0;  // the last with a statement of its user and database
  };
  using Others = std::map<std::pair<std::string, std::string>, Other>;

  // `anew`: what came before is of another server, so that nothing is known to have grown.
  void Begin(bool anew = false);
  // A statement may come twice (as its own and inside a function, since PostgreSQL 14): summed.
  void Add(const StatementKey& key, std::string_view user, std::string_view database,
           const StatementNumbers& numbers);
  // Decides who is shown, and adds what the others grew.
  void End(std::size_t limit);

  // In order of their keys.
  std::vector<std::pair<StatementKey, const Statement*>> Shown() const;
  const Others& others() const { return others_; }  // by user and database
  std::size_t size() const { return statements_.size(); }

 private:
  void Measure(Statement& statement, StatementNumbers& growth) const;
  void Choose(const std::vector<Statement*>& ranked, std::size_t limit) const;

  std::map<StatementKey, Statement> statements_;
  Others others_;
  std::uint64_t run_ = 0;
  bool anew_ = true;  // this run has nothing to compare with
};

}  // namespace sidecar::postgres
