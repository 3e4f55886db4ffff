#pragma once
// Pieces of visibility queries (temporal.md 2). Pure functions.
//
//   Between("CloseTime", a, b)  // CloseTime BETWEEN '2026-08-21T10:00:00.000001Z' AND '...'

#include <cstdint>
#include <string>
#include <string_view>

namespace sidecar::temporal {

// Both ends, Unix microseconds, are inside. SQL stores cut literals and rows to microseconds;
// Elasticsearch keeps nanoseconds, so the upper end is the last of its microsecond. It is never in
// the year 9999, where servers up to 1.31 have every open run's close time.
std::string Between(std::string_view attribute, std::int64_t low_us, std::int64_t high_us);

}  // namespace sidecar::temporal
