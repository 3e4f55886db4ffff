#pragma once
// The names under which a metric's samples stand: a histogram has three more, which no other metric
// may have. Pure functions.
//
//   SampleNames("h", Kind::kHistogram);               // h, h_bucket, h_sum, h_count
//   IsSampleOf("h_count", "h", Kind::kHistogram);     // true

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/family.h"

namespace sidecar::postgres {

inline constexpr std::array<std::string_view, 3> kHistogramSuffixes = {"_bucket", "_sum", "_count"};

// Its own name first: it stands behind # TYPE.
inline std::vector<std::string> SampleNames(std::string_view name, Kind kind) {
  std::vector<std::string> names{std::string(name)};
  if (kind != Kind::kHistogram) return names;
  for (const std::string_view suffix : kHistogramSuffixes) {
    names.push_back(std::string(name).append(suffix));
  }
  return names;
}

// One of those beside its own.
inline bool IsSampleOf(std::string_view sample, std::string_view name, Kind kind) {
  if (kind != Kind::kHistogram || !sample.starts_with(name)) return false;
  return std::ranges::find(kHistogramSuffixes, sample.substr(name.size())) !=
         kHistogramSuffixes.end();
}

}  // namespace sidecar::postgres
