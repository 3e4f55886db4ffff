#include "common/metrics/batch.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "common/metrics/batch_impl.h"

namespace sidecar {

void TextBuffer::Grow(std::size_t size) {
  const std::size_t capacity = std::max<std::size_t>({4096, capacity_ * 2, size_ + size});
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ != 0) std::memcpy(grown.get(), data_.get(), size_);
  data_ = std::move(grown);
  capacity_ = capacity;
}

void IndexTable::Insert(std::uint64_t hash, std::uint32_t index) {
  if (slots_.size() < 2 * (count_ + 1)) Resize(std::max<std::size_t>(64, slots_.size() * 2));
  std::size_t i = hash;
  while (slots_[i & (slots_.size() - 1)].index != kNone) ++i;
  slots_[i & (slots_.size() - 1)] = {hash, index};
  ++count_;
}

void IndexTable::Reserve(std::size_t count) {
  const std::size_t slots = std::bit_ceil(2 * (count + 1));
  if (slots > slots_.size()) Resize(slots);
}

void IndexTable::Resize(std::size_t slots) {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(slots, {});
  count_ = 0;
  for (const Slot& slot : old) {
    if (slot.index != kNone) Insert(slot.hash, slot.index);
  }
}

void IndexTable::Clear() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  count_ = 0;
}

namespace {

constexpr std::size_t kSmallBytes = 256U << 10U;

// Not ==, to which -0 is 0.
bool SameBits(std::span<const double> a, std::span<const double> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

bool SameCompound(const Compound& a, const Compound& b) {
  const std::array<double, 2> of_a{a.count, a.sum}, of_b{b.count, b.sum};
  return a.keys == b.keys && a.values == b.values && a.size == b.size && SameBits(of_a, of_b);
}

// Their offsets too: the texts are compared as a whole.
bool SameRows(const FamilyRows& a, const FamilyRows& b) {
  static_assert(std::has_unique_object_representations_v<std::array<std::uint32_t, 2>> &&
                sizeof(Row) == sizeof(double) + sizeof(std::array<std::uint32_t, 2>));
  const bool alike = a.info.kind == b.info.kind && a.foreign == b.foreign &&
                     a.rows.size() == b.rows.size() && a.info.name == b.info.name &&
                     a.info.help == b.info.help && std::ranges::equal(a.info.labels, b.info.labels);
  return alike && std::memcmp(a.rows.data(), b.rows.data(), a.rows.size() * sizeof(Row)) == 0;
}

std::uint64_t HashPointer(const void* key) {
  const std::uint64_t product = reinterpret_cast<std::uintptr_t>(key) * 0x9E37'79B9'7F4A'7C15U;
  return product >> 32U;
}

}  // namespace

Batch::Batch() : impl_(std::make_unique<Impl>()) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

void Batch::Clear() { impl_->Clear(); }
std::size_t Batch::Seal() { return impl_->Seal(); }
std::size_t Batch::samples() const { return impl_->samples; }
const std::optional<Error>& Batch::failure() const { return impl_->failure; }
const std::vector<Error>& Batch::warnings() const { return impl_->warnings; }

bool Batch::SameAs(const Batch& other) const { return impl_->SameAs(other.impl()); }
bool Batch::small() const { return impl_->bytes() <= kSmallBytes; }

bool Batch::Impl::SameAs(const Impl& other) const {
  // What was refused has left no row behind.
  const bool whole =
      !failure && !other.failure && warnings.empty() && other.warnings.empty() && exemplars.empty();
  if (!whole || text.size() != other.text.size() || order.size() != other.order.size() ||
      !SameBits(numbers, other.numbers) || compounds.size() != other.compounds.size() ||
      !other.exemplars.empty()) {
    return false;
  }
  for (std::size_t i = 0; i < compounds.size(); ++i) {
    if (!SameCompound(compounds[i], other.compounds[i])) return false;
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (!SameRows(families[order[i].family], other.families[other.order[i].family])) return false;
  }
  return text.size() == 0 || std::memcmp(text.data(), other.text.data(), text.size()) == 0;
}

void Batch::Impl::Clear() {
  DropUnused();
  for (const Ordered& entry : order) families[entry.family].rows.clear();
  order.clear();
  text.Clear();
  numbers.clear();
  compounds.clear();
  exemplars.clear();
  samples = 0;
  series = 0;
  failure.reset();
  warnings.clear();
  packed.Clear();
}

// Names that a run declared and the next did not use would pile up: those that had no rows go.
void Batch::Impl::DropUnused() {
  const auto unused = [this](const FamilyRows& family) {
    const bool foreign =
        family.foreign_rows != kNone && !families[family.foreign_rows].rows.empty();
    return family.rows.empty() && !foreign && !family.lasting;
  };
  if (std::none_of(families.begin(), families.end(), unused)) return;
  // Marked first: removing moves the entries that `unused` looks at.
  for (FamilyRows& family : families) family.head = unused(family) ? kNone : 0;
  std::erase_if(families, [](const FamilyRows& family) { return family.head == kNone; });
  names_.Clear();
  keys_.Clear();
  constants_.Clear();
  known_.clear();
  family_bytes = 0;
  order.clear();
  for (std::uint32_t i = 0; i < families.size(); ++i) {
    families[i].foreign_rows = kNone;
    family_bytes += FamilyBytes(families[i].info);
    IndexFamily(i);
    if (!families[i].rows.empty()) Enter(i);
  }
}

std::size_t Batch::Impl::bytes() const {
  return text.size() + samples * sizeof(Row) + numbers.size() * sizeof(double) +
         compounds.size() * sizeof(Compound) + exemplars.size() * sizeof(StoredExemplar) +
         family_bytes;
}

std::size_t Batch::Impl::FamilyBytes(const FamilyInfo& info) {
  std::size_t bytes = sizeof(FamilyRows) + info.name.size() + info.help.size() + info.unit.size();
  for (const std::string_view label : info.labels) bytes += sizeof(std::string_view) + label.size();
  return bytes;
}

std::uint32_t Batch::Impl::FindName(std::string_view name) const {
  return names_.Find(HashText(name),
                     [&](std::uint32_t index) { return families[index].info.name == name; });
}

std::uint32_t Batch::Impl::FindFamily(const FamilyInfo& info, bool foreign) const {
  return keys_.Find(HashKey(info, foreign), [&](std::uint32_t index) {
    const FamilyRows& family = families[index];
    return family.foreign == foreign && family.info.name == info.name &&
           (foreign || std::ranges::equal(family.info.labels, info.labels));
  });
}

void FamilyRows::Describe(const FamilyInfo& described) {
  std::size_t size = described.name.size() + described.help.size() + described.unit.size();
  for (const std::string_view label : described.labels) size += label.size();
  auto kept_text = std::make_unique_for_overwrite<char[]>(size + 1);
  char* at = kept_text.get();
  const auto keep = [&at](std::string_view part) {
    const std::string_view kept(at, part.size());
    at = std::copy(part.begin(), part.end(), at);
    return kept;
  };
  std::vector<std::string_view> kept_labels;
  info = {keep(described.name), keep(described.help), keep(described.unit), described.kind, {}};
  if (!foreign) {
    for (const std::string_view label : described.labels) kept_labels.push_back(keep(label));
  }
  text = std::move(kept_text);  // only now: what is described may be what it has
  labels = std::move(kept_labels);
  info.labels = labels;
}

void Batch::Impl::SetHelp(std::uint32_t index, std::string_view help) {
  FamilyRows& family = families[index];
  if (!family.rows.empty() || family.lasting || family.info.help == help) return;
  family_bytes += help.size() - family.info.help.size();
  FamilyInfo info = family.info;
  info.help = help;
  family.Describe(info);
}

std::uint32_t Batch::Impl::TakeFamily(const FamilyInfo& info, bool foreign) {
  const std::uint32_t index = FindFamily(info, foreign);
  if (index == kNone) return AddFamily(info, foreign);
  SetHelp(index, info.help);
  return index;
}

std::uint32_t Batch::Impl::AddFamily(const FamilyInfo& info, bool foreign) {
  FamilyRows family;
  family.foreign = foreign;
  family.Describe(info);
  family.hash = HashText(info.name);
  family_bytes += FamilyBytes(family.info);
  families.push_back(std::move(family));
  const auto index = static_cast<std::uint32_t>(families.size() - 1);
  IndexFamily(index);
  return index;
}

// Enters a family into the tables and finds the others of its name.
void Batch::Impl::IndexFamily(std::uint32_t index) {
  FamilyRows& family = families[index];
  const std::uint32_t head = FindName(family.info.name);
  family.head = head == kNone ? index : head;
  family.has_variants = false;
  if (head == kNone) {
    names_.Insert(family.hash, index);
  } else {
    families[head].has_variants = true;
  }
  keys_.Insert(HashKey(family.info, family.foreign), index);
}

std::uint64_t Batch::Impl::HashKey(const FamilyInfo& info, bool foreign) {
  std::uint64_t hash = HashText(info.name, foreign ? 1 : 0);
  if (foreign) return hash;
  for (const std::string_view label : info.labels) hash = HashText(label, hash);
  return hash;
}

std::uint32_t Batch::Impl::FindConstant(const void* key, const char* name) const {
  const std::uint32_t found = constants_.Find(HashPointer(key), [&](std::uint32_t index) {
    return known_[index].key == key && known_[index].name == name;
  });
  return found == kNone ? kNone : known_[found].family;
}

void Batch::Impl::RememberConstant(const void* key, const char* name, std::uint32_t family) {
  // Families on the stack come at ever new addresses; those of a program are few.
  if (known_.size() > 4 * families.size() + 64) {
    constants_.Clear();
    known_.clear();
  }
  constants_.Insert(HashPointer(key), static_cast<std::uint32_t>(known_.size()));
  known_.push_back({key, name, family});
}

double Batch::Impl::AddCompound(const FamilyRows& family, std::span<const double> keys,
                                std::span<const double> values, double count, double sum) {
  Compound compound{0, 0, static_cast<std::uint32_t>(keys.size()), 0, 0, count, sum};
  const Compound* last = family.rows.empty() ? nullptr : &CompoundOf(family.rows.back());
  if (last != nullptr && SameBits(Numbers(last->keys, last->size), keys)) {
    compound.keys = last->keys;
  } else {
    compound.keys = static_cast<std::uint32_t>(numbers.size());
    numbers.insert(numbers.end(), keys.begin(), keys.end());
  }
  compound.values = static_cast<std::uint32_t>(numbers.size());
  numbers.insert(numbers.end(), values.begin(), values.end());
  compound.exemplars = static_cast<std::uint32_t>(exemplars.size());
  compounds.push_back(compound);
  return std::bit_cast<double>(std::uint64_t{compounds.size() - 1});
}

std::size_t Batch::Impl::RowBytes(const FamilyRows& family, const Row& row) const {
  std::size_t bytes = sizeof(Row) + row.size;
  if (!family.compound()) return bytes;
  const Compound& compound = CompoundOf(row);
  bytes += sizeof(Compound) + (2 * std::size_t{compound.size} + 1) * sizeof(double);
  for (std::uint32_t i = 0; i < compound.exemplar_count; ++i) {
    bytes += sizeof(StoredExemplar) + exemplars[compound.exemplars + i].size;
  }
  return bytes;
}

std::uint32_t Batch::Impl::ForeignRows(std::uint32_t index) {
  const FamilyInfo info = families[index].info;  // adding moves the family, not its text
  std::uint32_t found = families[index].foreign_rows;
  if (found != kNone && !families[found].rows.empty()) return found;
  found = TakeFamily(info, true);
  families[index].foreign_rows = found;
  return found;
}

std::size_t Batch::Impl::SeriesOf(const Impl& batch, const FamilyRows& family, const Row& row) {
  if (!family.compound()) return 1;
  const std::size_t keys = batch.CompoundOf(row).size;
  return family.info.kind == Kind::kHistogram ? keys + 3 : keys + 2;
}

void Batch::Impl::CopyRow(std::uint32_t to, const Impl& from, const FamilyRows& family,
                          const Row& row) {
  const auto copy_text = [&](std::uint32_t offset, std::uint32_t size) {
    char* const at = text.Reserve(size);
    const auto start = static_cast<std::uint32_t>(text.size());
    if (size != 0) std::memcpy(at, from.text.data() + offset, size);
    text.Commit(at + size);
    return start;
  };
  Row copy{row.value, copy_text(row.text, row.size), row.size};
  if (family.compound()) {
    const Compound& c = from.CompoundOf(row);
    const std::size_t values = family.info.kind == Kind::kHistogram ? c.size + 1 : c.size;
    copy.value = AddCompound(families[to], from.Numbers(c.keys, c.size),
                             from.Numbers(c.values, values), c.count, c.sum);
    for (std::uint32_t i = 0; i < c.exemplar_count; ++i) {
      StoredExemplar exemplar = from.exemplars[c.exemplars + i];
      exemplar.text = copy_text(exemplar.text, exemplar.size);
      exemplars.push_back(exemplar);
    }
    compounds.back().exemplar_count = c.exemplar_count;
  }
  series += SeriesOf(from, family, row);
  AddRow(to, copy);
}

std::size_t Batch::Impl::Seal() {
  std::size_t dropped = 0;
  by_head_.clear();
  for (std::uint32_t place = 0; place < order.size(); ++place) {
    const std::uint32_t head = families[order[place].family].head;
    if (families[head].has_variants) {
      by_head_.emplace_back(head, place);
    } else {
      dropped += SealFamilies({&order[place].family, 1});
    }
  }
  if (!by_head_.empty()) dropped += SealVariants();
  if (dropped != 0) {
    std::erase_if(order, [&](const Ordered& o) { return families[o.family].rows.empty(); });
  }
  return dropped;
}

std::size_t Batch::Impl::SealVariants() {
  std::size_t dropped = 0;
  std::sort(by_head_.begin(), by_head_.end());
  for (auto first = by_head_.begin(); first != by_head_.end();) {
    const auto last = std::find_if(first, by_head_.end(),
                                   [&](const auto& entry) { return entry.first != first->first; });
    group_.clear();
    for (; first != last; ++first) group_.push_back(order[first->second].family);
    dropped += SealFamilies(group_);
  }
  return dropped;
}

// Of a lone family with fixed labels the rows' bytes are the key.
std::size_t Batch::Impl::SealFamilies(std::span<const std::uint32_t> group) {
  std::size_t rows = 0, bytes = 0;
  const bool plain = group.size() == 1 && !families[group[0]].foreign;
  for (const std::uint32_t index : group) {
    rows += families[index].rows.size();
    if (!plain) bytes += RowSet::SortedBytes(families[index]);
  }
  if (rows < 2) return 0;
  seen_.Start(rows, bytes);
  std::size_t dropped = 0;
  for (const std::uint32_t index : group) {
    FamilyRows& family = families[index];
    std::size_t ahead = kAhead;
    dropped += std::erase_if(family.rows, [&](const Row& row) {
      Prefetch(family, ahead++);
      const bool fresh =
          plain ? seen_.Insert(RowText(row)) : seen_.InsertSorted(family, RowText(row));
      if (!fresh) series -= SeriesOf(*this, family, row);
      return !fresh;
    });
  }
  samples -= dropped;
  return dropped;
}

}  // namespace sidecar
