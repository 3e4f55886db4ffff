#include "exporters/temporal/seen_set.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace sidecar::temporal {
namespace {

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<RunKey> ParseUuid(std::string_view text) {
  constexpr std::size_t kLength = 36;
  if (text.size() != kLength) return std::nullopt;
  RunKey key;
  for (std::size_t i = 0; i < kLength; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const auto digit = HexDigit(text[i]);
    if (!digit) return std::nullopt;
    key.high = key.high << 4U | key.low >> 60U;
    key.low = key.low << 4U | *digit;
  }
  return key;
}

std::uint64_t Fnv1a(std::string_view bytes, std::uint64_t hash) {
  for (const char c : bytes) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  return hash;
}

std::uint64_t Mix(std::uint64_t x) {  // the finalizer of splitmix64
  x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27U) * 0x94d049bb133111ebU;
  return x ^ x >> 31U;
}

}  // namespace

RunKey KeyOf(std::string_view run_id) {
  if (const auto uuid = ParseUuid(run_id)) return *uuid;
  const std::uint64_t first = Fnv1a(run_id, 0xcbf29ce484222325U);
  return {first, Mix(Fnv1a(run_id, Mix(first)))};
}

std::uint64_t Spread(const RunKey& key) { return Mix(key.low ^ Mix(key.high)); }

void SeenSet::DropBelow(std::int64_t floor) {
  std::erase_if(times_, [floor](const auto& entry) { return entry.second < floor; });
}

std::int64_t SeenSet::Median() const {
  if (times_.empty()) return 0;
  std::vector<std::int64_t> times;
  times.reserve(times_.size());
  for (const auto& [key, time] : times_) times.push_back(time);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace sidecar::temporal
