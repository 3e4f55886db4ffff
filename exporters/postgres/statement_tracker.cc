#include "exporters/postgres/statement_tracker.h"

#include <algorithm>

namespace sidecar::postgres {
namespace {

constexpr unsigned kRunsOutside = 10;

}  // namespace

void StatementTracker::Begin() { ++run_; }

void StatementTracker::Add(const StatementKey& key, std::string_view user,
                           std::string_view database, const StatementNumbers& numbers) {
  const auto [found, added] = statements_.try_emplace(key);
  Statement& statement = found->second;
  if (statement.run != run_) {
    statement.before = statement.now;
    statement.compared = !added;
    statement.now = {};
    statement.run = run_;
    statement.user = user;
    statement.database = database;
  }
  for (std::size_t i = 0; i < kStatementColumns; ++i) statement.now[i] += numbers[i];
}

// What it grew since the last run. In the first run nothing is known to have grown; later, one that
// is new or was reset grew by all it has.
void StatementTracker::Measure(Statement& statement, StatementNumbers& growth) const {
  const bool reset = statement.compared && statement.now[kCalls] < statement.before[kCalls];
  for (std::size_t i = 0; i < kStatementColumns; ++i) {
    if (statement.compared && !reset) {
      growth[i] = std::max(0.0, statement.now[i] - statement.before[i]);
    } else {
      growth[i] = run_ == 1 ? 0 : statement.now[i];
    }
  }
  statement.grown = run_ == 1 ? statement.now[kTime] : growth[kTime];
}

void StatementTracker::End(std::size_t limit) {
  std::erase_if(statements_, [this](const auto& item) { return item.second.run != run_; });
  std::vector<std::pair<Statement*, StatementNumbers>> grown;
  grown.reserve(statements_.size());
  for (auto& [key, statement] : statements_) {
    grown.push_back({&statement, {}});
    Measure(statement, grown.back().second);
  }
  // By what they grew; who is shown already wins a tie, then the order of keys.
  std::vector<Statement*> ranked;
  ranked.reserve(grown.size());
  for (const auto& [statement, growth] : grown) ranked.push_back(statement);
  std::ranges::stable_sort(ranked, [](const Statement* a, const Statement* b) {
    return std::pair(a->grown, a->shown) > std::pair(b->grown, b->shown);
  });
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    Statement& statement = *ranked[i];
    if (i < limit && (statement.grown > 0 || statement.shown || run_ == 1)) {
      statement.shown = true;
      statement.outside = 0;
    } else if (statement.shown && ++statement.outside >= kRunsOutside) {
      statement.shown = false;
    }
  }
  for (const auto& [statement, growth] : grown) {
    Other& other = others_[{statement->user, statement->database}];
    other.run = run_;
    if (statement->shown) continue;
    for (std::size_t i = 0; i < kStatementColumns; ++i) other.sum[i] += growth[i];
  }
  std::erase_if(others_,
                [this](const auto& item) { return run_ - item.second.run >= kRunsOutside; });
}

std::vector<std::pair<StatementKey, const StatementTracker::Statement*>> StatementTracker::Shown()
    const {
  std::vector<std::pair<StatementKey, const Statement*>> shown;
  for (const auto& [key, statement] : statements_) {
    if (statement.shown) shown.emplace_back(key, &statement);
  }
  return shown;
}

}  // namespace sidecar::postgres
