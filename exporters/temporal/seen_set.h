#pragma once
// The runs that a stream has counted and could be shown again: run id and the time it is ordered
// by, Unix microseconds. One thread. A run id is kept as its 128 bits, so that an entry costs about
// 60 bytes; Stream bounds how many there are.
//
//   if (seen.Insert(KeyOf(row.run_id), time)) Count(row);
//   seen.DropBelow(floor);

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace sidecar::temporal {

struct RunKey {
  std::uint64_t high = 0, low = 0;
  bool operator==(const RunKey&) const = default;
};
// The bits of a UUID; of any other text a hash, so that a server with ids of its own counts too.
RunKey KeyOf(std::string_view run_id);
// Spreads evenly whatever the id is made of: ids of client starts begin with a clock (UUIDv7,
// server 1.32), so their leading bits are no sample.
std::uint64_t Spread(const RunKey& key);

class SeenSet {
 public:
  bool Insert(const RunKey& key, std::int64_t time) { return times_.emplace(key, time).second; }
  void DropBelow(std::int64_t floor);
  std::int64_t Median() const;  // of the times; 0 if empty
  std::size_t size() const { return times_.size(); }
  auto begin() const { return times_.begin(); }
  auto end() const { return times_.end(); }

 private:
  struct Hash {
    std::size_t operator()(const RunKey& key) const { return Spread(key); }
  };
  std::unordered_map<RunKey, std::int64_t, Hash> times_;
};

}  // namespace sidecar::temporal
