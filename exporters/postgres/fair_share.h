#pragma once
// How a limit is shared: whoever wants little gets it, the others an even part of what is left. Who
// was not asked yet counts as one that wants all, so that the sum never passes the limit. Pure.
//
//   FairShare(50'000, {10, std::nullopt, 90'000}, 2);  // 24'995

#include <cstdint>
#include <optional>
#include <vector>

namespace sidecar::postgres {

// What the one at `index` of `wants` may have at most; 1 at least.
std::int64_t FairShare(std::int64_t limit, std::vector<std::optional<std::int64_t>> wants,
                       std::size_t index);

}  // namespace sidecar::postgres
