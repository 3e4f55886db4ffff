#include "common/metrics/row_set.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/metrics/batch_impl.h"

namespace sidecar {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kFactor = 0x9E37'79B9'7F4A'7C15U;

std::uint64_t Load8(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}
std::uint64_t LoadTail(const char* at, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, size);
  return word;
}
std::uint64_t Fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace

std::uint64_t HashText(std::string_view text, std::uint64_t seed) {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t hash = Fold(seed ^ kFactor, text.size() ^ 0xA076'1D64'78BD'642FU);
  for (; left >= 16; at += 16, left -= 16) hash = Fold(Load8(at) ^ hash, Load8(at + 8) ^ kFactor);
  if (left >= 8) {
    hash = Fold(Load8(at) ^ hash, Load8(at + left - 8) ^ kFactor);
  } else if (left > 0) {
    hash = Fold(LoadTail(at, left) ^ hash, kFactor);
  }
  return Fold(hash, kFactor);
}

void RowSet::Start(std::size_t keys, std::size_t key_bytes) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(16, keys * 2));
  if (slots_.size() < size) slots_.resize(size);
  std::memset(slots_.data(), 0, size * sizeof(Slot));
  mask_ = size - 1;
  used_ = 0;
  if (key_bytes > capacity_) {
    keys_ = std::make_unique_for_overwrite<char[]>(key_bytes);
    capacity_ = key_bytes;
  }
}

bool RowSet::Insert(std::string_view key) {
  // Seeded by an address: labels come from outside, and chosen ones shall not all meet in a slot.
  const std::uint64_t hash = HashText(key, reinterpret_cast<std::uintptr_t>(this));
  const std::uint32_t mark = static_cast<std::uint32_t>(hash >> 32U) | 1U;
  for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
    Slot& slot = slots_[i];
    if (slot.hash == 0) {
      slot = {key.data(), static_cast<std::uint32_t>(key.size()), mark};
      return true;
    }
    if (slot.hash == mark && std::string_view(slot.data, slot.size) == key) return false;
  }
}

bool RowSet::InsertSorted(const FamilyRows& family, std::string_view row) {
  pairs_.clear();
  const char* at = row.data();
  for (std::size_t i = 0; at != row.data() + row.size(); ++i) {
    const std::string_view name = family.foreign ? TakeString(at) : family.labels[i];
    const std::string_view value = TakeString(at);
    if (value.empty()) continue;
    pairs_.emplace_back(name, value);
  }
  std::sort(pairs_.begin(), pairs_.end());
  char* const start = keys_.get() + used_;
  char* end = start;
  for (const auto& [name, value] : pairs_) end = PutString(PutString(end, name), value);
  used_ += static_cast<std::size_t>(end - start);
  return Insert({start, static_cast<std::size_t>(end - start)});
}

std::size_t RowSet::SortedBytes(const FamilyRows& family) {
  std::size_t names = 0;
  for (const std::string_view name : family.labels) names += name.size() + kMaxLengthBytes;
  std::size_t bytes = names * family.rows.size();
  for (const Row& row : family.rows) bytes += row.size;
  return bytes;
}

}  // namespace sidecar
