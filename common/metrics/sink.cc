#include "common/metrics/sink.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "common/metrics/batch_impl.h"
#include "common/metrics/utf8.h"

namespace sidecar {
namespace {

constexpr std::size_t kMaxWarnings = 64;
constexpr std::size_t kExemplarCharacters = 128;  // OpenMetrics 1.0
constexpr std::size_t kAddressable = std::numeric_limits<std::uint32_t>::max();

void Refuse(Batch::Impl& batch, Errc code, std::string message) {
  if (!batch.failure) batch.failure = Error{code, std::move(message)};
}
void Refuse(Batch::Impl& batch, const FamilyRows& family, const std::string& fault) {
  Refuse(batch, Errc::kInternal, std::string(family.info.name) + ": " + fault);
}

// The family of a handle, or null: the run has failed, or the handle is none of this batch's.
FamilyRows* Open(Batch::Impl& batch, Sink::Handle handle) {
  if (batch.failure) return nullptr;
  if (handle.index >= batch.families.size()) {
    Refuse(batch, Errc::kInternal, "a handle that this batch did not give");
    return nullptr;
  }
  return &batch.families[handle.index];
}

bool Fits(Batch::Impl& batch, const FamilyRows& family, bool kind, std::size_t labels) {
  if (!kind) {
    Refuse(batch, family, "a value of another kind");
  } else if (family.info.labels.size() != labels || family.foreign) {
    Refuse(batch, family, "a row of " + std::to_string(labels) + " labels");
  } else {
    return true;
  }
  return false;
}

// Whether the bounds allow `series` more, which take `bytes`.
bool Admit(Batch::Impl& batch, const Limits& limits, std::size_t series, std::size_t bytes) {
  if (batch.series + series > limits.series) {
    Refuse(batch, Errc::kLimit, "more than " + std::to_string(limits.series) + " series");
    return false;
  }
  const std::size_t bound = std::min(limits.bytes, kAddressable);
  if (bytes > bound || batch.bytes() > bound - bytes) {
    Refuse(batch, Errc::kLimit, "more than " + std::to_string(bound) + " bytes");
    return false;
  }
  return true;
}

bool AdmitLabel(Batch::Impl& batch, const Limits& limits, const FamilyRows& family,
                std::string_view name, std::size_t size) {
  if (size <= limits.label_bytes) return true;
  Refuse(batch, Errc::kLimit,
         std::string(family.info.name) + ": label " + std::string(name) + " has " +
             std::to_string(size) + " bytes, more than " + std::to_string(limits.label_bytes));
  return false;
}

char* PutUtf8(char* out, std::string_view text) {
  return IsUtf8(text) ? PutString(out, text) : PutString(out, ToUtf8(text));
}
// Room for a string, also if each byte of it becomes a U+FFFD.
std::size_t Room(std::string_view text) { return kMaxLengthBytes + 3 * text.size(); }

// The row's labels, written and committed; false if the run failed.
bool PutLabels(Batch::Impl& batch, const Limits& limits, const FamilyRows& family,
               std::span<const std::string_view> values, std::size_t series, Row& row) {
  std::size_t room = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t size = values[i].size();
    if (size > limits.label_bytes) {
      return AdmitLabel(batch, limits, family, family.info.labels[i], size);
    }
    room += Room(values[i]);
  }
  if (!Admit(batch, limits, series, room + sizeof(Row))) return false;
  char* const start = batch.text.Reserve(room);
  char* end = start;
  for (const std::string_view value : values) end = PutUtf8(end, value);
  row.text = static_cast<std::uint32_t>(batch.text.size());
  row.size = static_cast<std::uint32_t>(end - start);
  batch.text.Commit(end);
  batch.series += series;
  return true;
}

bool Ascending(std::span<const double> values) {
  return std::ranges::adjacent_find(values, [](double a, double b) { return !(a < b); }) ==
         values.end();
}
bool Finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

const char* FaultOf(const HistogramValue& value) {
  if (value.cumulative.size() != value.bounds.size() + 1) return "one count a bound and one more";
  if (!Finite(value.bounds) || !Ascending(value.bounds)) return "bounds are finite and ascend";
  if (!Finite(value.cumulative) || value.cumulative.front() < 0 ||
      !std::ranges::is_sorted(value.cumulative)) {
    return "counts are finite and never fall";
  }
  return nullptr;
}
const char* FaultOf(const SummaryValue& value) {
  if (value.quantiles.size() != value.values.size()) return "one value a quantile";
  if (!Ascending(value.quantiles)) return "quantiles ascend";
  for (const double quantile : value.quantiles) {
    if (!(quantile >= 0 && quantile <= 1)) return "quantiles lie between 0 and 1";
  }
  if (!(value.count >= 0) || std::isinf(value.count)) return "a count is finite and not negative";
  return nullptr;
}

// Whether the exemplar may be shown: OpenMetrics bounds names and values together.
bool Valid(const Exemplar& exemplar) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < exemplar.labels.size(); ++i) {
    const auto& [name, value] = exemplar.labels[i];
    if (!ValidName(name) || value.size() > 4 * kExemplarCharacters) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (exemplar.labels[j].first == name) return false;
    }
    characters += name.size() + CodePoints(IsUtf8(value) ? value : ToUtf8(value));
    if (characters > kExemplarCharacters) return false;
  }
  return !std::isnan(exemplar.value);
}

// One a bucket, the latest, in order of the buckets. The row stays without those that are left out.
void PutExemplars(Batch::Impl& batch, const HistogramValue& value) {
  Compound& compound = batch.compounds.back();
  for (const Exemplar& exemplar : value.exemplars) {
    if (!Valid(exemplar)) continue;
    StoredExemplar stored{exemplar.value, exemplar.time_ms, 0, 0, 0};
    stored.bucket = static_cast<std::uint32_t>(
        std::ranges::lower_bound(value.bounds, exemplar.value) - value.bounds.begin());
    const auto first = batch.exemplars.begin() + compound.exemplars;
    const auto at =
        std::ranges::lower_bound(first, batch.exemplars.end(), stored.bucket, {},
                                 [](const StoredExemplar& other) { return other.bucket; });
    const bool taken = at != batch.exemplars.end() && at->bucket == stored.bucket;
    if (taken && at->time_ms > exemplar.time_ms) continue;
    std::size_t room = 0;
    for (const auto& [name, text] : exemplar.labels) room += Room(name) + Room(text);
    char* const start = batch.text.Reserve(room);
    char* end = start;
    for (const auto& [name, text] : exemplar.labels) end = PutUtf8(PutString(end, name), text);
    stored.text = static_cast<std::uint32_t>(batch.text.size());
    stored.size = static_cast<std::uint32_t>(end - start);
    batch.text.Commit(end);
    if (taken) {
      *at = stored;
    } else {
      batch.exemplars.insert(at, stored);
      ++compound.exemplar_count;
    }
  }
}

std::size_t ExemplarBytes(std::span<const Exemplar> exemplars) {
  return exemplars.size() * (sizeof(StoredExemplar) + 8 * kExemplarCharacters);
}

const char* KindName(Kind kind) {
  constexpr const char* kNames[] = {"counter", "gauge", "unknown", "info", "histogram", "summary"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string Clash(const FamilyInfo& info, Kind other) {
  return std::string(info.name) + " is a " + KindName(info.kind) + " here and a " +
         KindName(other) + " elsewhere";
}

Result<> Check(const FamilyInfo& info) {
  if (!ValidName(info.name, true)) {
    return Fail(Errc::kConfig, "not a metric name: '" + ToUtf8(info.name.substr(0, 256)) + "'");
  }
  for (std::size_t i = 0; i < info.labels.size(); ++i) {
    const auto before = info.labels.first(i);
    if (!ValidLabel(info.labels[i]) || std::ranges::find(before, info.labels[i]) != before.end()) {
      return Fail(Errc::kConfig, std::string(info.name) + ": not a label name, or twice: '" +
                                     ToUtf8(info.labels[i].substr(0, 256)) + "'");
    }
  }
  return {};
}

// The pairs in order of their names; false if a name is bad or repeats.
bool SortForeign(std::span<const LabelPair> labels, std::vector<LabelPair>& sorted) {
  sorted.assign(labels.begin(), labels.end());
  std::ranges::sort(sorted, {}, &LabelPair::first);
  const auto valid = [](const LabelPair& label) {
    return ValidName(label.first) && label.first != "__name__";
  };
  return std::ranges::all_of(sorted, valid) &&
         std::ranges::adjacent_find(sorted, {}, &LabelPair::first) == sorted.end();
}

}  // namespace

Limits Limits::OfSeries(std::size_t series) {
  Limits limits;
  limits.bytes = std::max(limits.bytes, series * (limits.bytes / limits.series));
  limits.series = series;
  return limits;
}

Sink::Handle Sink::Find(const void* key, const FamilyInfo& info) {
  Batch::Impl& batch = batch_.impl();
  std::uint32_t index = batch.FindConstant(key, info.name.data());
  if (index != kNone) return {index};
  const std::uint32_t head = batch.FindName(info.name);
  if (head != kNone && batch.families[head].info.kind != info.kind) {
    Refuse(batch, Errc::kConfig, Clash(info, batch.families[head].info.kind));
    return {head};
  }
  index = batch.TakeFamily(info, false);
  batch.families[index].lasting = true;
  batch.RememberConstant(key, info.name.data(), index);
  return {index};
}

Result<Sink::Handle> Sink::Declare(const FamilyInfo& info) {
  if (auto valid = Check(info); !valid) return Fail(std::move(valid.error()));
  Batch::Impl& batch = batch_.impl();
  const std::uint32_t head = batch.FindName(info.name);
  if (head != kNone && batch.families[head].info.kind != info.kind) {
    return Fail(Errc::kConfig, Clash(info, batch.families[head].info.kind));
  }
  const std::uint32_t index = batch.FindFamily(info, false);
  if (index != kNone && batch.families[index].info.help == info.help) return Handle{index};
  if (!Admit(batch, limits_, 0, Batch::Impl::FamilyBytes(info))) return Fail(*batch.failure);
  if (IsUtf8(info.help)) return Handle{batch.TakeFamily(info, false)};
  const std::string help = ToUtf8(info.help);
  FamilyInfo valid = info;
  valid.help = help;
  return Handle{batch.TakeFamily(valid, false)};
}

void Sink::Put(Handle handle, double value, std::span<const std::string_view> labels) {
  Batch::Impl& batch = batch_.impl();
  const FamilyRows* const family = Open(batch, handle);
  if (family == nullptr || !Fits(batch, *family, !family->compound(), labels.size())) return;
  Row row{value, 0, 0};
  if (PutLabels(batch, limits_, *family, labels, 1, row)) batch.AddRow(handle.index, row);
}

void Sink::Put(Handle handle, const HistogramValue& value,
               std::span<const std::string_view> labels) {
  Batch::Impl& batch = batch_.impl();
  const FamilyRows* const family = Open(batch, handle);
  if (family == nullptr ||
      !Fits(batch, *family, family->info.kind == Kind::kHistogram, labels.size())) {
    return;
  }
  if (const char* fault = FaultOf(value)) return Refuse(batch, *family, fault);
  const std::size_t bytes = sizeof(Compound) + (2 * value.bounds.size() + 1) * sizeof(double) +
                            ExemplarBytes(value.exemplars);
  Row row{};
  if (!Admit(batch, limits_, 0, bytes) ||
      !PutLabels(batch, limits_, *family, labels, value.bounds.size() + 3, row)) {
    return;
  }
  row.value = batch.AddCompound(*family, value.bounds, value.cumulative, value.cumulative.back(),
                                value.sum);
  PutExemplars(batch, value);
  batch.AddRow(handle.index, row);
}

void Sink::Put(Handle handle, const SummaryValue& value, std::span<const std::string_view> labels) {
  Batch::Impl& batch = batch_.impl();
  const FamilyRows* const family = Open(batch, handle);
  if (family == nullptr ||
      !Fits(batch, *family, family->info.kind == Kind::kSummary, labels.size())) {
    return;
  }
  if (const char* fault = FaultOf(value)) return Refuse(batch, *family, fault);
  const std::size_t bytes = sizeof(Compound) + 2 * value.quantiles.size() * sizeof(double);
  Row row{};
  if (!Admit(batch, limits_, 0, bytes) ||
      !PutLabels(batch, limits_, *family, labels, value.quantiles.size() + 2, row)) {
    return;
  }
  row.value = batch.AddCompound(*family, value.quantiles, value.values, value.count, value.sum);
  batch.AddRow(handle.index, row);
}

void Sink::PutForeign(Handle handle, double value, std::span<const LabelPair> labels) {
  Batch::Impl& batch = batch_.impl();
  FamilyRows* const family = Open(batch, handle);
  if (family == nullptr) return;
  if (family->compound()) return Refuse(batch, *family, "a value of another kind");
  std::vector<LabelPair>& sorted = batch.foreign_labels;
  if (!SortForeign(labels, sorted)) {
    return Refuse(batch, Errc::kParse,
                  std::string(family->info.name) + ": a label name is bad or repeats");
  }
  std::size_t room = sizeof(Row);
  for (const auto& [name, text] : sorted) {
    if (!AdmitLabel(batch, limits_, *family, name, text.size())) return;
    room += Room(name) + Room(text);
  }
  if (!Admit(batch, limits_, 1, room)) return;
  char* const start = batch.text.Reserve(room);
  char* end = start;
  for (const auto& [name, text] : sorted) end = PutUtf8(PutString(end, name), text);
  const Row row{value, static_cast<std::uint32_t>(batch.text.size()),
                static_cast<std::uint32_t>(end - start)};
  batch.text.Commit(end);
  ++batch.series;
  batch.AddRow(batch.ForeignRows(handle.index), row);
}

void Sink::Append(const Batch& part) {
  const Batch::Impl& from = part.impl();
  Batch::Impl& batch = batch_.impl();
  if (&from == &batch) return;
  if (from.failure) return Warn(*from.failure);
  for (const Error& warning : from.warnings) Warn(warning);
  for (const Ordered& ordered : from.order) {
    const FamilyRows& family = from.families[ordered.family];
    if (batch.failure) return;
    const std::uint32_t head = batch.FindName(family.info.name);
    if (head != kNone && batch.families[head].info.kind != family.info.kind) {
      Warn({Errc::kConfig, Clash(family.info, batch.families[head].info.kind)});
      continue;
    }
    const std::uint32_t to = batch.TakeFamily(family.info, family.foreign);
    for (const Row& row : family.rows) {
      const std::size_t series = Batch::Impl::SeriesOf(from, family, row);
      if (!Admit(batch, limits_, series, from.RowBytes(family, row))) return;
      batch.CopyRow(to, from, family, row);
    }
  }
}

void Sink::Share(std::shared_ptr<const Batch> part, std::size_t dropped) {
  const Batch::Impl& from = part->impl();
  Batch::Impl& batch = batch_.impl();
  if (from.failure && !batch.failure) batch.failure = from.failure;
  if (batch.failure || !Admit(batch, limits_, from.series, from.bytes())) return;
  for (const Error& warning : from.warnings) Warn(warning);
  batch.series += from.series;
  dropped_ += dropped;
  shared_.push_back(std::move(part));
}

void Sink::Warn(Error error) {
  std::vector<Error>& warnings = batch_.impl().warnings;
  if (warnings.size() < kMaxWarnings) warnings.push_back(std::move(error));
}

}  // namespace sidecar
