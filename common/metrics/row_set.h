#pragma once
// Finds rows whose labels repeat. Keys are compared as bytes: those of one label list as they lie
// in the batch, others as sorted name and value pairs in which empty values are left out, since to
// Prometheus an empty label is none. Memory is kept between uses. Not thread-safe.
//
//   seen.Start(rows);
//   if (!seen.Insert(key)) ++dropped;

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace sidecar {

struct FamilyRows;

std::uint64_t HashText(std::string_view text, std::uint64_t seed = 0);

class RowSet {
 public:
  RowSet() = default;

  // Forgets what it holds. `key_bytes`: the SortedBytes of the families to come.
  void Start(std::size_t keys, std::size_t key_bytes = 0);
  // False if it is there already. `key` must stay where it is until the next Start.
  bool Insert(std::string_view key);
  // The same for labels of any list; the key is copied.
  bool InsertSorted(const FamilyRows& family, std::string_view row);
  static std::size_t SortedBytes(const FamilyRows& family);  // at most

 private:
  struct Slot {
    const char* data;
    std::uint32_t size, hash;  // hash 0: free
  };
  using Pair = std::pair<std::string_view, std::string_view>;

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::vector<Pair> pairs_;
  std::unique_ptr<char[]> keys_;  // sorted ones
  std::size_t capacity_ = 0, used_ = 0;
};

}  // namespace sidecar
