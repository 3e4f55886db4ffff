#pragma once
// The inside of a Batch: for Sink, the encoders and snapshot.cc only.
//
// A row is 16 bytes and a slice of one text buffer that all families share; a histogram's or
// summary's numbers lie in vectors of their own and the row holds their index. A family of one name
// and kind may have several label lists (variants): each is an entry of `families`, and whoever
// reads puts them together by name. Everything is addressed by 32-bit offsets, so a batch holds
// less than 4 GiB.

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/metrics/batch.h"
#include "common/metrics/family.h"
#include "common/metrics/packed.h"
#include "common/metrics/row_set.h"

namespace sidecar {

inline constexpr std::size_t kAhead = 8;  // rows
inline constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Grows only; what is handed out is an offset, because growing moves the bytes.
class TextBuffer {
 public:
  // Where the next `size` bytes go; they count once committed.
  char* Reserve(std::size_t size) {
    if (capacity_ - size_ < size) Grow(size);
    return data_.get() + size_;
  }
  void Commit(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }
  void Clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  const char* data() const { return data_.get(); }

 private:
  void Grow(std::size_t size);

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

// Strings in a row of text: the length in groups of seven bits, then the bytes. Equal strings have
// equal bytes, so rows of one label list are compared without looking inside.
inline constexpr std::size_t kMaxLengthBytes = 5;
inline char* PutString(char* out, std::string_view text) {
  std::size_t size = text.size();
  for (; size >= 0x80; size >>= 7U) *out++ = static_cast<char>(size | 0x80U);
  *out++ = static_cast<char>(size);
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}
inline std::string_view TakeString(const char*& at) {
  std::size_t size = 0;
  unsigned shift = 0;
  for (;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    size |= std::size_t{byte & 0x7FU} << shift;
    if (byte < 0x80) break;
  }
  const std::string_view text(at, size);
  at += size;
  return text;
}

struct Row {
  double value;  // of a compound family: the bits of an index into `compounds`
  std::uint32_t text, size;
};
// A histogram's bounds and cumulative counts, a summary's quantiles and values: offsets of
// `numbers`.
struct Compound {
  std::uint32_t keys, values, size;  // of keys; a histogram has one value more
  std::uint32_t exemplars, exemplar_count;
  double count, sum;
};
struct StoredExemplar {
  double value;
  std::int64_t time_ms;
  std::uint32_t bucket, text, size;  // name, value, name, value, ...
};

// Open addressing from a hash to indices; the caller compares what they stand for.
class IndexTable {
 public:
  template <class Equal>
  std::uint32_t Find(std::uint64_t hash, Equal equal) const {
    if (slots_.empty()) return kNone;
    for (std::size_t i = hash;; ++i) {
      const Slot& slot = slots_[i & (slots_.size() - 1)];
      if (slot.index == kNone) return kNone;
      if (slot.hash == hash && equal(slot.index)) return slot.index;
    }
  }
  void Insert(std::uint64_t hash, std::uint32_t index);
  void Reserve(std::size_t count);  // so that so many do not make it grow
  void Clear();

 private:
  void Resize(std::size_t slots);

  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t index = kNone;
  };
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

struct FamilyRows {
  FamilyInfo info;  // views of `text` and `labels`
  std::unique_ptr<char[]> text;
  std::vector<std::string_view> labels;
  std::uint64_t hash = 0;              // of the name
  std::uint32_t head = 0;              // the first entry of this name
  std::uint32_t foreign_rows = kNone;  // the entry that holds them, once there is one
  bool has_variants = false;           // of a head: others have it too
  bool foreign = false;                // rows carry their own label names, sorted
  bool lasting = false;                // a constant of the program: survives Clear without rows
  std::vector<Row> rows;

  bool compound() const { return info.kind == Kind::kHistogram || info.kind == Kind::kSummary; }
  void Describe(const FamilyInfo& described);
};

// All that is looked at of a family that no other batch has: families lie far apart in memory, and
// most of them are read by nobody while they do not change.
struct Ordered {
  std::uint64_t hash;  // of the name
  std::uint32_t family;
  Kind kind;
};

struct Batch::Impl {
  std::vector<FamilyRows> families;
  std::vector<Ordered> order;  // families that have rows, by their first row
  TextBuffer text;
  std::vector<double> numbers;
  std::vector<Compound> compounds;
  std::vector<StoredExemplar> exemplars;
  std::size_t samples = 0;
  std::size_t series = 0;  // a histogram of two bounds is five
  std::size_t family_bytes = 0;
  std::optional<Error> failure;
  std::vector<Error> warnings;
  // PutForeign's, kept for their capacity.
  std::vector<std::pair<std::string_view, std::string_view>> foreign_labels;
  mutable PackedTexts packed;  // made by who reads

  void Clear();
  std::size_t Seal();
  bool SameAs(const Impl& other) const;
  // What the batch holds, spare capacity left out.
  std::size_t bytes() const;

  // The first entry of a name, or kNone.
  std::uint32_t FindName(std::string_view name) const;
  // The entry with this name and these labels, or kNone.
  std::uint32_t FindFamily(const FamilyInfo& info, bool foreign) const;
  // The caller has looked it up and checked its kind. What this adds to bytes() is FamilyBytes.
  std::uint32_t AddFamily(const FamilyInfo& info, bool foreign);
  static std::size_t FamilyBytes(const FamilyInfo& info);
  // The one that is there or is made. What is said of a family may change from run to run: the
  // first that has rows in this one is right.
  std::uint32_t TakeFamily(const FamilyInfo& info, bool foreign);

  // The entry that a constant of the program was found as before, or kNone. The name's address is
  // compared too: a Family on the stack may be followed by another at the same address.
  std::uint32_t FindConstant(const void* key, const char* name) const;
  void RememberConstant(const void* key, const char* name, std::uint32_t family);

  void AddRow(std::uint32_t family, Row row) {
    std::vector<Row>& rows = families[family].rows;
    if (rows.empty()) Enter(family);
    rows.push_back(row);
    ++samples;
  }
  // Keys equal to those of the family's last row are stored once.
  double AddCompound(const FamilyRows& family, std::span<const double> keys,
                     std::span<const double> values, double count, double sum);
  void CopyRow(std::uint32_t to, const Impl& from, const FamilyRows& family, const Row& row);
  std::size_t RowBytes(const FamilyRows& family, const Row& row) const;  // with what it points to
  // The entry for foreign rows of a family.
  std::uint32_t ForeignRows(std::uint32_t index);
  static std::size_t SeriesOf(const Impl& batch, const FamilyRows& family, const Row& row);

  // Rows of one family lie apart in the text where families were filled in turn: whoever walks the
  // rows asks for one ahead of time.
  void Prefetch(const FamilyRows& family, std::size_t row) const {
    if (row < family.rows.size()) __builtin_prefetch(text.data() + family.rows[row].text);
  }
  std::string_view RowText(const Row& row) const { return {text.data() + row.text, row.size}; }
  const Compound& CompoundOf(const Row& row) const {
    std::uint64_t index = 0;
    std::memcpy(&index, &row.value, sizeof index);
    return compounds[index];
  }
  std::span<const double> Numbers(std::uint32_t offset, std::size_t size) const {
    return {numbers.data() + offset, size};
  }

 private:
  void Enter(std::uint32_t family) {
    order.push_back({families[family].hash, family, families[family].info.kind});
  }
  struct Constant {
    const void* key = nullptr;
    const char* name = nullptr;
    std::uint32_t family = 0;
  };
  void DropUnused();
  void IndexFamily(std::uint32_t index);
  void SetHelp(std::uint32_t index, std::string_view help);
  // Families of one name.
  std::size_t SealFamilies(std::span<const std::uint32_t> group);
  std::size_t SealVariants();
  static std::uint64_t HashKey(const FamilyInfo& info, bool foreign);

  IndexTable names_;      // heads by name
  IndexTable keys_;       // all by name and labels
  IndexTable constants_;  // of `known_`, by address
  std::vector<Constant> known_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_head_;  // SealVariants': head, place
  std::vector<std::uint32_t> group_;
  RowSet seen_;
};

}  // namespace sidecar
