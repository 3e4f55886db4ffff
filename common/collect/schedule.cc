#include <algorithm>

#include "common/collect/collector.h"

namespace sidecar {
namespace {

constexpr Millis kShortest{100};
constexpr Millis kLongestTimeout = std::chrono::minutes(10);
constexpr std::int64_t kMostSeries = 10'000'000;

}  // namespace

void Schedule::Read(TableReader& table) {
  auto series = static_cast<std::int64_t>(limits.series);
  table
      .Field("interval", interval,
             "Runs in the background this often and serves the last result with its age; 0 runs "
             "in the scrape.")
      .Field("timeout", timeout, "The longest that one run may take.")
      .Field("max_age", max_age,
             "Background results older than this are not served; 0 is three intervals.")
      .Field("series_limit", series, "More series than this fail the run with reason limit.", 1,
             kMostSeries);
  limits =
      Limits::OfSeries(static_cast<std::size_t>(std::clamp<std::int64_t>(series, 1, kMostSeries)));
  if (interval < Millis(0) || (interval > Millis(0) && interval < kShortest)) {
    table.Reject("interval", "must be 0 or at least 100ms");
  }
  if (timeout < Millis(1) || timeout > kLongestTimeout) {
    table.Reject("timeout", "must be between 1ms and 10m");
  }
  if (max_age < Millis(0) || (max_age > Millis(0) && max_age < interval)) {
    table.Reject("max_age", "must be 0 or at least the interval");
  }
}

}  // namespace sidecar
