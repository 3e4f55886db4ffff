// What was read, into a sink; exposition_reader.cc reads it.

#include <algorithm>
#include <utility>

#include "exporters/host/exposition_reader.h"

namespace sidecar::host {
namespace {

// Samples of these names belong to the family.
std::vector<std::string> SampleNames(const ForeignFamily& family) {
  const std::string name(family.name);
  switch (family.kind) {
    case Kind::kHistogram:
      return {name, name + "_bucket", name + "_sum", name + "_count"};
    case Kind::kSummary:
      return {name, name + "_sum", name + "_count"};
    default:
      return {name};
  }
}

void PutRow(Kind kind, const ForeignRow& row, std::span<const double> all,
            std::span<const std::string_view> labels, Sink::Handle handle, Sink& sink) {
  const auto numbers = all.subspan(row.numbers);
  const auto keys = numbers.first(row.keys);
  if (kind == Kind::kHistogram) {
    const HistogramValue value{
        .bounds = keys, .cumulative = numbers.subspan(row.keys, row.keys + 1), .sum = row.value};
    sink.Put(handle, value, labels);
  } else if (kind == Kind::kSummary) {
    const SummaryValue value{keys, numbers.subspan(row.keys, row.keys), row.count, row.value};
    sink.Put(handle, value, labels);
  } else {
    sink.Put(handle, row.value, labels);
  }
}

}  // namespace

std::string ForeignMetrics::Identity(const ForeignFamily& family, const ForeignRow& row) const {
  std::vector<LabelPair> pairs;
  for (const Label& label : std::span(labels).subspan(row.labels, row.label_count)) {
    if (!label.value.empty()) pairs.emplace_back(family.labels[label.name], label.value);
  }
  std::ranges::sort(pairs);
  std::string identity(family.name);
  for (const auto& [name, value] : pairs) {
    // No name, no value of a label holds a NUL.
    identity.append(1, '\0').append(name).append(1, '\0').append(value);
  }
  return identity;
}

Result<> ForeignMetrics::Put(const ForeignFamily& family, std::string_view help,
                             std::span<const std::uint32_t> without, Sink& sink) const {
  // These two names are the formats' own where labels are declared, but a plain family may have
  // them: the buckets of a histogram that has no TYPE.
  const bool foreign = std::ranges::any_of(
      family.labels, [](std::string_view label) { return label == "le" || label == "quantile"; });
  FamilyInfo info{family.name, help, {}, family.kind, family.labels};
  if (foreign) info.labels = {};
  const auto handle = sink.Declare(info);
  if (!handle) return Fail(handle.error());

  std::vector<std::string_view> values;
  std::vector<LabelPair> pairs;
  for (std::uint32_t i = 0; i < family.rows.size(); ++i) {
    if (!without.empty() && without.front() == i) {
      without = without.subspan(1);
      continue;
    }
    const ForeignRow& row = family.rows[i];
    values.assign(family.labels.size(), {});
    for (const Label& label : std::span(labels).subspan(row.labels, row.label_count)) {
      values[label.name] = label.value;
    }
    if (foreign) {
      pairs.clear();
      for (std::size_t j = 0; j < values.size(); ++j) {
        pairs.emplace_back(family.labels[j], values[j]);
      }
      sink.PutForeign(*handle, row.value, pairs);
    } else {
      PutRow(family.kind, row, numbers, values, *handle, sink);
    }
  }
  return {};
}

std::optional<std::string> NameOwners::Clash(const ForeignFamily& family) const {
  for (const std::string& name : SampleNames(family)) {
    const auto at = owners_.find(name);
    if (at == owners_.end()) continue;
    const Owner& owner = at->second;
    if (owner.family == family.name && owner.kind == family.kind) continue;
    return std::string(family.name) + (owner.family == family.name
                                           ? " has another type"
                                           : " shares " + name + " with " + owner.family);
  }
  return std::nullopt;
}

void NameOwners::Claim(const ForeignFamily& family) {
  for (std::string& name : SampleNames(family)) {
    owners_.try_emplace(std::move(name), Owner{std::string(family.name), family.kind});
  }
}

}  // namespace sidecar::host
