#pragma once
// Lines of /proc/net/dev: two of headings, then "NAME: " and sixteen counters. Pure functions on
// views; the views borrow.
//
//   while (auto line = NextLine(text)) {
//     if (IsNetDevHeading(*line)) continue;
//     auto device = ParseNetDev(*line);

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::host {

constexpr std::size_t kNetDevColumns = 16;

struct NetDevLine {
  std::string_view name;
  // bytes packets errs drop fifo frame compressed multicast received, then
  // bytes packets errs drop fifo colls carrier compressed sent
  std::array<std::uint64_t, kNetDevColumns> values{};
};

bool IsNetDevHeading(std::string_view line);

// kParse, naming the line. Columns of a newer kernel are left out.
Result<NetDevLine> ParseNetDev(std::string_view line);

}  // namespace sidecar::host
