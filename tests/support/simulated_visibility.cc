#include "tests/support/simulated_visibility.h"

#include <algorithm>
#include <cstdio>
#include <tuple>

namespace sidecar::temporal {
namespace {

constexpr std::int64_t kNever = 253'402'300'799'000'000;  // 9999-12-31T23:59:59Z

// '2026-08-21T10:00:00.000001Z' with any number of fraction digits, cut to microseconds.
std::optional<std::int64_t> ParseLiteral(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "'%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &used) != 6) {
    return std::nullopt;
  }
  using std::chrono::year_month_day;
  const std::chrono::sys_days days{year_month_day{std::chrono::year{year},
                                                  std::chrono::month{static_cast<unsigned>(month)},
                                                  std::chrono::day{static_cast<unsigned>(day)}}};
  std::int64_t us = (days.time_since_epoch().count() * std::int64_t{86'400} + hour * 3600 +
                     minute * 60 + second) *
                    kSecondUs;
  std::size_t at = static_cast<std::size_t>(used);
  if (at < copy.size() && copy[at] == '.') {
    std::int64_t unit = 100'000;
    for (++at; at < copy.size() && copy[at] >= '0' && copy[at] <= '9'; ++at, unit /= 10) {
      us += (copy[at] - '0') * unit;
    }
  }
  return copy.substr(at) == "Z'" ? std::optional(us) : std::nullopt;
}

using Key = std::tuple<std::int64_t, std::int64_t, std::string_view>;  // in the order of the store

}  // namespace

std::string RunId(std::uint64_t number) {
  std::string text(37, '\0');
  std::snprintf(text.data(), text.size(), "%08x-0000-7000-8000-%012llx",
                static_cast<unsigned>(number >> 20U), static_cast<unsigned long long>(number));
  text.resize(36);
  return text;
}

SimulatedVisibility::SimulatedVisibility(std::function<std::int64_t()> now, Converter converter)
    : now_(std::move(now)), converter_(converter) {}

void SimulatedVisibility::Add(SimulatedRun run) {
  if (run.execution == 0) run.execution = run.start;
  if (run.visible == 0) run.visible = run.start;
  if (run.close != 0) run.close_visible = std::max({run.close_visible, run.visible, run.close});
  runs.push_back(std::move(run));
}

ServerTraits SimulatedVisibility::traits() {
  ServerTraits traits;
  traits.version = converter_ == Converter::kUnified ? "1.32.0" : "1.31.2";
  traits.major = 1;
  traits.minor = converter_ == Converter::kUnified ? 32 : 31;
  traits.sql = converter_ != Converter::kElasticsearch;
  traits.unified_converter = converter_ == Converter::kUnified;
  return traits;
}

std::optional<SimulatedVisibility::Filter> SimulatedVisibility::Parse(
    const std::string& query) const {
  if (query == "CloseTime IS NOT NULL") return Filter{.by = Filter::By::kClosed};
  const std::string_view text = query;
  for (const auto& [attribute, by] :
       {std::pair{"CloseTime", Filter::By::kClose}, {"ExecutionTime", Filter::By::kExecution}}) {
    const std::string begin = std::string(attribute) + " BETWEEN ";
    const auto middle = text.find(" AND ");
    if (!text.starts_with(begin) || middle == std::string_view::npos) continue;
    const auto low = ParseLiteral(text.substr(begin.size(), middle - begin.size()));
    const auto high = ParseLiteral(text.substr(middle + 5));
    if (low && high) return Filter{by, *low, *high};
  }
  return std::nullopt;
}

bool SimulatedVisibility::Matches(const SimulatedRun& run, const Filter& filter,
                                  std::int64_t now) const {
  if (run.visible > now || run.deleted <= now) return false;
  const bool closed = run.close != 0 && run.close_visible <= now;
  switch (filter.by) {
    case Filter::By::kClosed:
      return closed;
    case Filter::By::kExecution:
      return run.execution >= filter.low && run.execution <= filter.high;
    case Filter::By::kClose:
      break;
  }
  if (!closed) return converter_ == Converter::kLegacy && filter.high >= kNever;
  return run.close >= filter.low && run.close <= filter.high;
}

std::vector<const SimulatedRun*> SimulatedVisibility::Candidates(const Filter& filter) {
  if (indexed_ != runs.size()) {
    by_execution_.clear();
    by_close_.clear();
    for (const SimulatedRun& run : runs) {
      by_execution_.push_back(&run);
      if (run.close != 0) by_close_.push_back(&run);
    }
    std::ranges::sort(by_execution_, {}, &SimulatedRun::execution);
    std::ranges::sort(by_close_, {}, &SimulatedRun::close);
    indexed_ = runs.size();
  }
  if (filter.by == Filter::By::kClosed) return by_close_;
  const bool close = filter.by == Filter::By::kClose;
  if (close && filter.high >= kNever) return by_execution_;  // open runs too
  const auto& index = close ? by_close_ : by_execution_;
  const auto time = close ? &SimulatedRun::close : &SimulatedRun::execution;
  const auto first = std::ranges::lower_bound(index, filter.low, {}, time);
  const auto last = std::ranges::upper_bound(index, filter.high, {}, time);
  return first < last ? std::vector(first, last) : std::vector<const SimulatedRun*>();
}

Result<Page> SimulatedVisibility::List(const Scrape&, const std::string& query, int page_size,
                                       const std::string& token) {
  ++lists;
  called();
  if (auto error = fault()) return Fail(*error);
  const auto filter = Parse(query);
  if (!filter) return Fail(Errc::kUnsupported, "query: " + query);
  if (filter->by == Filter::By::kClosed) ++tails;
  const std::int64_t now = now_();
  std::optional<Key> after;
  if (!token.empty()) {
    long long close = 0, start = 0;
    int used = 0;
    if (std::sscanf(token.c_str(), "%lld/%lld/%n", &close, &start, &used) != 2) {
      return Fail(Errc::kUnavailable, "something went wrong, please retry");
    }
    after = Key{close, start, std::string_view(token).substr(static_cast<std::size_t>(used))};
  }
  std::vector<std::pair<Key, const SimulatedRun*>> found;
  std::optional<std::pair<Key, const SimulatedRun*>> last;  // of the page before
  for (const SimulatedRun* run : Candidates(*filter)) {
    if (!Matches(*run, *filter, now)) continue;
    const bool closed = run->close != 0 && run->close_visible <= now;
    const Key key{-(closed ? run->close : kNever), -run->start, run->run_id};
    if (!after || key > *after) {
      found.emplace_back(key, run);
    } else if (!last || key > last->first) {
      last = {key, run};
    }
  }
  if (last && repeats()) found.push_back(*last);
  const std::size_t size = std::min(rows_limit, static_cast<std::size_t>(page_size));
  const std::size_t rows = std::min(size, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(rows), found.end());
  Page page;
  for (std::size_t i = 0; i < rows; ++i) {
    const SimulatedRun& run = *found[i].second;
    const bool closed = run.close != 0 && run.close_visible <= now;
    page.rows.push_back({.workflow_id = "w-" + run.run_id,
                         .run_id = run.run_id,
                         .type = run.type,
                         .task_queue = run.queue,
                         .status = closed ? run.status : Status::kRunning,
                         .start_ns = run.start * 1'000,
                         .execution_ns = run.execution * 1'000,
                         .close_ns = closed ? run.close * 1'000 : 0});
  }
  if (rows == size) {  // a full page has a token, even if nothing follows
    const auto& [close, start, id] = found[rows - 1].first;
    page.next_page_token = std::to_string(close) + "/" + std::to_string(start) + "/";
    page.next_page_token += id;
  }
  return page;
}

Result<std::int64_t> SimulatedVisibility::Count(const Scrape&, const std::string& query) {
  ++counts;
  called();
  if (auto error = fault()) return Fail(*error);
  const auto filter = Parse(query);
  if (!filter) return Fail(Errc::kUnsupported, "query: " + query);
  const std::int64_t now = now_();
  return std::ranges::count_if(
      Candidates(*filter), [&](const SimulatedRun* run) { return Matches(*run, *filter, now); });
}

}  // namespace sidecar::temporal
