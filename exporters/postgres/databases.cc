#include "exporters/postgres/databases.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace sidecar::postgres {
namespace {

using ByName = std::unordered_map<std::string_view, const Databases::Found*>;

ByName Index(const std::vector<Databases::Found>& all) {
  ByName index;
  index.reserve(all.size());
  for (const Databases::Found& found : all) index.emplace(found.name, &found);
  return index;
}

}  // namespace

void Databases::Discovered(std::vector<Found> found, Mono now) {
  std::vector<Found> before;  // given back outside the lock
  const std::scoped_lock lock(mutex_);
  before = std::exchange(found_, std::move(found));
  discovered_at_ = now;
  rediscover_ = false;
  const ByName is = Index(found_), was = Index(before);
  for (auto& [key, results] : results_) {
    std::erase_if(results, [&](const auto& item) {
      const auto at = is.find(item.first), old = was.find(item.first);
      if (at == is.end() || !at->second->may_connect) return true;
      return old != was.end() && old->second->oid != at->second->oid;
    });
  }
  changed_.notify_all();
}

void Databases::SetHome(std::string database) {
  const std::scoped_lock lock(mutex_);
  home_ = std::move(database);
}

std::string Databases::home() const {
  const std::scoped_lock lock(mutex_);
  return home_;
}

void Databases::Forget(const std::string& database) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(found_, [&](const Found& found) { return found.name == database; });
  for (auto& [key, results] : results_) results.erase(database);
  changed_.notify_all();
}

void Databases::Rediscover() {
  const std::scoped_lock lock(mutex_);
  rediscover_ = true;
}

std::optional<Mono> Databases::discovered_at() const {
  const std::scoped_lock lock(mutex_);
  return rediscover_ ? std::nullopt : discovered_at_;
}

std::vector<std::string> Databases::names() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  for (const Found& found : found_) {
    if (found.may_connect) names.push_back(found.name);
  }
  return names;
}

Databases::Result& Databases::Tried(const std::string& key, const std::string& database, Mono now) {
  Result& result = results_[key][database];
  result.database = database;
  result.tried = now;
  changed_.notify_all();
  return result;
}

void Databases::Store(const std::string& key, const std::string& database,
                      std::shared_ptr<const Batch> rows, std::size_t series, Mono now) {
  std::shared_ptr<const Batch> old;  // given back outside the lock
  const std::scoped_lock lock(mutex_);
  Result& result = Tried(key, database, now);
  old = std::exchange(result.rows, std::move(rows));
  result.at = now;
  result.series = series;
  result.error.reset();
  result.disabled.reset();
}

void Databases::Failed(const std::string& key, const std::string& database, Error error, Mono now) {
  const std::scoped_lock lock(mutex_);
  Tried(key, database, now).error = std::move(error);
}

void Databases::Disabled(const std::string& key, const std::string& database, Error why, Mono now) {
  const std::scoped_lock lock(mutex_);
  Result& result = Tried(key, database, now);
  result.rows.reset();
  result.series = 0;
  result.error.reset();
  result.disabled = std::move(why);
}

void Databases::Unwanted(const std::string& key, const std::string& database, Mono now) {
  const std::scoped_lock lock(mutex_);
  Tried(key, database, now).wanted = false;
}

void Databases::Blocked(std::optional<Error> error) {
  const std::scoped_lock lock(mutex_);
  blocked_ = std::move(error);
  changed_.notify_all();
}

std::optional<Error> Databases::blocked() const {
  const std::scoped_lock lock(mutex_);
  return blocked_;
}

std::vector<Databases::Result> Databases::Results(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Result> all;
  const auto found = results_.find(key);
  if (found == results_.end()) return all;
  for (const auto& [database, result] : found->second) {
    if (result.wanted) all.push_back(result);
  }
  return all;
}

std::optional<Mono> Databases::Tried(const std::string& key, const std::string& database) const {
  const std::scoped_lock lock(mutex_);
  const auto found = results_.find(key);
  if (found == results_.end()) return std::nullopt;
  const auto result = found->second.find(database);
  if (result == found->second.end()) return std::nullopt;
  return result->second.tried;
}

bool Databases::LastFailed(const std::string& key, const std::string& database) const {
  const std::scoped_lock lock(mutex_);
  const auto found = results_.find(key);
  if (found == results_.end()) return false;
  const auto result = found->second.find(database);
  return result != found->second.end() && result->second.error.has_value();
}

bool Databases::TimedOut(const std::string& key, const std::string& database) const {
  const std::scoped_lock lock(mutex_);
  const auto late = [](const Result& result) {
    return result.error && result.error->code == Errc::kTimeout;
  };
  const auto found = results_.find(key);
  if (found == results_.end()) return false;
  const auto result = found->second.find(database);
  if (result != found->second.end()) return late(result->second);
  return std::ranges::any_of(found->second, [&](const auto& item) { return late(item.second); });
}

std::vector<std::optional<std::int64_t>> Databases::Wants(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::optional<std::int64_t>> wants;
  const auto found = results_.find(key);
  for (const Found& database : found_) {
    if (!database.may_connect) continue;
    wants.emplace_back();
    if (found == results_.end()) continue;
    const auto result = found->second.find(database.name);
    if (result == found->second.end()) continue;
    wants.back() = static_cast<std::int64_t>(result->second.series);
  }
  return wants;
}

void Databases::KeepOnly(const std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(results_, [&](const auto& item) {
    return std::ranges::find(keys, item.first) == keys.end();
  });
}

void Databases::LookFor(const std::string& filter) {
  const std::scoped_lock lock(mutex_);
  rediscover_ = rediscover_ || filter != filter_;
  filter_ = filter;
}

Databases::Counts Databases::counts() const {
  const std::scoped_lock lock(mutex_);
  Counts counts;
  for (const Found& found : found_) {
    if (!found.may_connect) {
      ++counts.denied;
      continue;
    }
    bool tried = false, failed = false;
    for (const auto& [key, results] : results_) {
      const auto result = results.find(found.name);
      if (result == results.end() || !result->second.wanted) continue;
      tried = true;
      failed = failed || result->second.error.has_value();
    }
    ++(failed ? counts.failed : tried ? counts.visited : counts.pending);
  }
  return counts;
}

bool Databases::Complete(const std::string& key) const {
  // A limit passes (a login probe had the last connection), and the rotation tries again.
  if (blocked_ && blocked_->code != Errc::kLimit) return true;
  if (!discovered_at_) return false;
  const auto found = results_.find(key);
  return std::ranges::all_of(found_, [&](const Found& database) {
    return !database.may_connect ||
           (found != results_.end() && found->second.contains(database.name));
  });
}

void Databases::AwaitFirst(const std::string& key, const Clock& clock, Mono until) {
  std::unique_lock lock(mutex_);
  while (!Complete(key) && clock.mono() < until) clock.WaitUntil(lock, changed_, until);
}

}  // namespace sidecar::postgres
