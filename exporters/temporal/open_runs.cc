#include "exporters/temporal/open_runs.h"

#include <algorithm>
#include <utility>

#include "exporters/temporal/series_table.h"

namespace sidecar::temporal {
namespace {

constexpr int kPage = 1'000;
constexpr int kSqlitePage = 200;  // 1,000 rows hold its one connection for a second (1.32)
constexpr std::size_t kMostKeys = 200, kMostTypes = 200, kTypesAtOnce = 8;

// Names that every store matches in a query. Others (quotes, backslashes, control characters) are
// counted where rows are read, and cannot be asked for by name.
bool Askable(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./: #@$").find(c) != std::string_view::npos;
  });
}

// The largest stay, the rest become one.
void Bound(std::map<OpenKey, std::int64_t>& counts) {
  if (counts.size() <= kMostKeys) return;
  std::vector<std::pair<OpenKey, std::int64_t>> all(counts.begin(), counts.end());
  std::ranges::stable_sort(all, std::greater<>{}, [](const auto& one) { return one.second; });
  counts.clear();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& [key, count] = all[i];
    if (i >= kMostKeys) key = {std::string(kOther), std::string(kOther), key.status};
    counts[key] += count;
  }
}

// The first by name stay, the rest become one.
void Bound(std::map<std::string, std::int64_t>& oldest) {
  if (oldest.size() <= kMostTypes) return;
  const auto rest = std::next(oldest.begin(), static_cast<std::ptrdiff_t>(kMostTypes));
  const auto least = std::min_element(
      rest, oldest.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::int64_t start = least->second;
  oldest.erase(rest, oldest.end());
  oldest.insert_or_assign(std::string(kOther), start);
}

}  // namespace

std::string OpenQuery(const ServerTraits& traits) {
  return traits.paused_status ? "ExecutionStatus IN ('Running', 'Paused')"
                              : "ExecutionStatus = 'Running'";
}

int OpenRuns::PageSize() const { return visibility_->traits().sqlite ? kSqlitePage : kPage; }

Result<OpenState> OpenRuns::Read(const Scrape& scrape, const std::string& name_space,
                                 std::int64_t open, std::int64_t most) {
  if (open > most) return ReadSome(scrape, name_space);
  types_.clear();
  return ReadAll(scrape, name_space, most);
}

Result<OpenState> OpenRuns::ReadAll(const Scrape& scrape, const std::string& name_space,
                                    std::int64_t most) {
  OpenState state;
  const std::string query = OpenQuery(visibility_->traits());
  std::string token;
  std::int64_t rows = 0;
  do {
    auto page = visibility_->List(scrape, query, PageSize(), token);
    if (!page) return Fail(std::move(page.error()));
    for (const Execution& run : page->rows) {
      if (!IsOpen(run.status)) continue;  // closed since the query began
      book_.Saw(name_space, run.task_queue, scrape.clock().mono());
      const std::string type = BoundedLabel(run.type);
      ++state.counts[{type, BoundedLabel(run.task_queue), run.status}];
      if (run.start_ns == 0) continue;
      auto [oldest, added] = state.oldest_start_ns.try_emplace(type, run.start_ns);
      oldest->second = std::min(oldest->second, run.start_ns);
    }
    rows += static_cast<std::int64_t>(page->rows.size());
    token = std::move(page->next_page_token);
    // They have become more since they were counted: twice `most` is a storm of starts.
    if (rows > 2 * most) {
      state.complete = false;
      break;
    }
  } while (!token.empty());
  Bound(state.counts);
  Bound(state.oldest_start_ns);
  return state;
}

Result<OpenState> OpenRuns::ReadSome(const Scrape& scrape, const std::string& name_space) {
  OpenState state{.complete = false};
  auto newest = visibility_->List(scrape, OpenQuery(visibility_->traits()), PageSize(), "");
  if (!newest) return Fail(std::move(newest.error()));
  for (const Execution& run : newest->rows) {
    book_.Saw(name_space, run.task_queue, scrape.clock().mono());
    if (Askable(run.type) && types_.size() < kMostTypes) types_.try_emplace(run.type);
  }
  std::vector<std::map<std::string, TypeCount>::iterator> due;
  for (auto type = types_.begin(); type != types_.end(); ++type) due.push_back(type);
  std::ranges::stable_sort(due, {}, [](const auto& type) { return type->second.at; });
  if (due.size() > kTypesAtOnce) due.resize(kTypesAtOnce);
  for (const auto& type : due) {
    auto open = visibility_->Count(
        scrape, "WorkflowType = '" + type->first + "' AND ExecutionStatus = 'Running'");
    if (!open) return Fail(std::move(open.error()));
    type->second = {.open = *open, .at = scrape.clock().mono()};
  }
  for (const auto& [type, count] : types_) {
    if (count.open >= 0) state.counts[{BoundedLabel(type), {}, Status::kRunning}] += count.open;
  }
  return state;
}

}  // namespace sidecar::temporal
