#include "exporters/postgres/fair_share.h"

#include <algorithm>
#include <limits>

namespace sidecar::postgres {

std::int64_t FairShare(std::int64_t limit, std::vector<std::optional<std::int64_t>> wants,
                       std::size_t index) {
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  // It may have grown since it was asked.
  if (index < wants.size()) wants[index].reset();
  std::ranges::sort(wants, {}, [](const auto& want) { return want.value_or(kAll); });
  std::int64_t left = limit;
  auto others = static_cast<std::int64_t>(wants.size());
  for (const std::optional<std::int64_t>& want : wants) {
    if (want.value_or(kAll) > left / others) break;
    left -= *want;
    --others;
  }
  return std::max<std::int64_t>(left / std::max<std::int64_t>(others, 1), 1);
}

}  // namespace sidecar::postgres
