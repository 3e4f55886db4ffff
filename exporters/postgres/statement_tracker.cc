#include "exporters/postgres/statement_tracker.h"

#include <algorithm>
#include <functional>

namespace sidecar::postgres {
namespace {

constexpr unsigned kRunsOutside = 10;

}  // namespace

void StatementTracker::Begin(bool anew) {
  ++run_;
  anew_ = anew || run_ == 1;
}

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

// What it grew since the last run: one that is new or was reset by all it has.
void StatementTracker::Measure(Statement& statement, StatementNumbers& growth) const {
  if (anew_) {
    statement.grown = statement.now[kTime];
    return;
  }
  const bool reset = statement.compared && statement.now[kCalls] < statement.before[kCalls];
  for (std::size_t i = 0; i < kStatementColumns; ++i) {
    if (statement.compared && !reset) {
      growth[i] = std::max(0.0, statement.now[i] - statement.before[i]);
    } else {
      growth[i] = statement.now[i];
    }
  }
  statement.grown = growth[kTime];
}

void StatementTracker::Choose(const std::vector<Statement*>& ranked, std::size_t limit) const {
  std::vector<Statement*> outside;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    Statement& statement = *ranked[i];
    if (i < limit && (statement.grown > 0 || statement.shown || anew_)) {
      statement.shown = true;
      statement.outside = 0;
    } else if (statement.shown && ++statement.outside >= kRunsOutside) {
      statement.shown = false;
    } else if (statement.shown) {
      outside.push_back(&statement);
    }
    shown += statement.shown ? 1 : 0;
  }
  std::ranges::stable_sort(outside, std::greater(), &Statement::outside);
  for (std::size_t i = 0; i < outside.size() && shown > 2 * limit; ++i, --shown) {
    outside[i]->shown = false;
  }
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
  Choose(ranked, limit);
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
