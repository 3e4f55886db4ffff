#include "exporters/postgres/query_rows.h"

#include <algorithm>
#include <cmath>

#include "common/base/parse.h"
#include "common/metrics/row_set.h"
#include "exporters/postgres/query_values.h"

namespace sidecar::postgres {
namespace {

// Rows without end that make no series: all NULL, or aggregated.
constexpr std::size_t kMostRows = 1'000'000;

constexpr double kNoDivisor = 0;
double DivisorOf(double scale) {
  const double inverse = std::round(1 / scale);
  return std::fabs(scale) < 1 && 1 / inverse == scale ? inverse : kNoDivisor;
}

std::string KeyOf(std::span<const std::string_view> values) {
  std::string key;
  for (const std::string_view value : values) {
    key += std::to_string(value.size());
    key += ':';
    key += value;
  }
  return key;
}

bool Equal(std::span<const std::string_view> a, std::span<const std::string_view> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

QueryRows::QueryRows(const QueryDef& def, const Facts& facts, std::size_t limit, Sink& sink)
    : def_(def),
      facts_(facts),
      version_(VersionOf(def, facts)),
      limit_(limit),
      sink_(sink),
      labelled_(def.scope == QueryScope::kDatabase && def.database_label) {}

Result<> QueryRows::Begin(std::span<const Column> columns) {
  for (const Column& column : columns) {
    columns_.emplace_back(column.name);
    types_.push_back(column.type);
  }
  metrics_.reserve(def_.metrics.size());
  for (const MetricDef& metric : def_.metrics) {
    if (!metric.versions.Has(version_)) continue;
    if (auto added = AddMetric(columns, metric); !added) return added;
  }
  return {};
}

Result<std::size_t> QueryRows::Find(std::span<const Column> columns, std::string_view name) const {
  std::string names;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
    names += (i == 0 ? "" : ", ") + std::string(columns[i].name);
  }
  return Fail(Errc::kParse,
              "no column " + Quoted(name) + " in the result; it has " + Quoted(names));
}

Result<std::size_t> QueryRows::FindLabels(std::span<const Column> columns, const MetricDef& def) {
  const bool aggregated = def.aggregate != Aggregate::kNone;
  for (std::size_t i = 0; i < label_sets_.size(); ++i) {
    if (label_sets_[i].aggregated == aggregated && Equal(label_sets_[i].names, def.labels)) {
      return i;
    }
  }
  LabelSet set;
  set.names = def.labels;
  set.aggregated = aggregated;
  for (const std::string_view name : def.labels) {
    auto column = Find(columns, name);
    if (!column) return Fail(std::move(column.error()));
    set.columns.push_back(*column);
  }
  if (labelled_) set.values.emplace_back(facts_.database);
  set.values.resize(set.values.size() + set.columns.size());
  label_sets_.push_back(std::move(set));
  return label_sets_.size() - 1;
}

Result<> QueryRows::AddMetric(std::span<const Column> columns, const MetricDef& def) {
  std::vector<std::string_view> names;
  if (labelled_) names.emplace_back("datname");
  names.insert(names.end(), def.labels.begin(), def.labels.end());
  auto family = sink_.Declare({def.name, def.help, def.unit, def.kind, names});
  if (!family) return Fail(std::move(family.error()));
  auto labels = FindLabels(columns, def);
  if (!labels) return Fail(std::move(labels.error()));
  Metric metric{&def, *family, *labels};
  metric.divisor = DivisorOf(def.scale);
  if (def.kind == Kind::kHistogram) {
    if (auto found = FindHistogram(columns, metric); !found) return found;
  } else if (def.kind != Kind::kInfo) {
    auto column = Find(columns, def.column);
    if (!column) return Fail(std::move(column.error()));
    metric.column = *column;
  }
  if (def.aggregate == Aggregate::kNone) ++row_series_;
  metrics_.push_back(std::move(metric));
  return {};
}

Result<> QueryRows::FindHistogram(std::span<const Column> columns, Metric& metric) const {
  const HistogramColumns& names = metric.def->histogram;
  const std::pair<std::string_view, std::size_t*> wanted[] = {
      {names.bounds, &metric.bounds},
      {names.counts, &metric.counts},
      {names.sum, &metric.sum},
      {names.count, &metric.count},
      {names.exemplar_value, &metric.exemplar_value},
      {names.exemplar_time, &metric.exemplar_time}};
  for (const auto& [name, index] : wanted) {
    if (name.empty()) continue;
    auto column = Find(columns, name);
    if (!column) return Fail(std::move(column.error()));
    *index = *column;
  }
  for (const std::string_view name : names.exemplar_labels) {
    auto column = Find(columns, name);
    if (!column) return Fail(std::move(column.error()));
    metric.exemplar_labels.push_back(*column);
  }
  return {};
}

std::string QueryRows::Where(std::size_t column) const {
  return "row " + std::to_string(report_.rows) + ", column " + Quoted(columns_[column]);
}

Result<> QueryRows::Row(std::span<const Cell> cells) {
  if (++report_.rows > kMostRows) {
    return Fail(Errc::kLimit, "more than " + std::to_string(kMostRows) + " rows");
  }
  // A row is kept whole or cut whole.
  if (!def_.rank_by.empty() && report_.series + totals_ + row_series_ > limit_) full_ = true;
  if (auto read = ReadLabels(cells); !read) return read;
  for (Metric& metric : metrics_) {
    auto read = metric.def->kind == Kind::kHistogram ? ReadHistogram(cells, metric)
                                                     : ReadMetric(cells, metric);
    if (!read) return read;
  }
  return {};
}

Result<> QueryRows::ReadLabels(std::span<const Cell> cells) {
  for (LabelSet& set : label_sets_) {
    const std::size_t first = labelled_ ? 1 : 0;
    for (std::size_t i = 0; i < set.columns.size(); ++i) {
      const Cell& cell = cells[set.columns[i]];
      if (!cell) {
        return Fail(Errc::kParse,
                    Where(set.columns[i]) + ": a label is NULL; coalesce() says what it means");
      }
      set.values[first + i] = *cell;
    }
    if (set.aggregated) {
      const auto [group, added] = set.groups.try_emplace(KeyOf(set.values), set.groups.size());
      set.group = group->second;
      if (added) set.group_values.emplace_back(set.values.begin(), set.values.end());
      continue;
    }
    std::uint64_t hash = 0;
    for (const std::string_view value : set.values) hash = HashText(value, hash + 1);
    // The batch drops what repeats; this only tells of it.
    if (!full_ && !set.seen.insert(hash).second && ++repeated_ == 1) {
      first_repeated_ = "row " + std::to_string(report_.rows) + " repeats labels " +
                        ShowLabels(set) + " of an earlier one";
    }
  }
  return {};
}

std::string QueryRows::ShowLabels(const LabelSet& labels) const {
  std::string text = "{";
  const std::size_t first = labelled_ ? 1 : 0;
  for (std::size_t i = 0; i < labels.names.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::string(labels.names[i]) + "=" +
            Quoted(labels.values[first + i]);
  }
  return text + "}";
}

Result<bool> QueryRows::Admit(std::size_t series) {
  if (!full_ && report_.series + totals_ + series <= limit_) {
    report_.series += series;
    return true;
  }
  if (def_.rank_by.empty()) {
    return Fail(Errc::kLimit, "more than " + std::to_string(limit_) +
                                  " series; raise series_limit, or rank with rank_by");
  }
  full_ = true;
  report_.cut += series;
  return false;
}

double QueryRows::Scaled(const Metric& metric, double value) const {
  return metric.divisor == kNoDivisor ? value * metric.def->scale : value / metric.divisor;
}

Result<std::optional<double>> QueryRows::Value(std::span<const Cell> cells, const Metric& metric,
                                               std::size_t column) const {
  const Cell& cell = cells[column];
  if (!cell) {
    if (metric.def->null == NullPolicy::kSkip) return std::optional<double>();
    if (metric.def->null == NullPolicy::kZero) return std::optional<double>(0);
    return Fail(Errc::kParse, Where(column) + " is NULL");
  }
  if (!metric.def->map.empty()) {
    for (const MappedValue& mapped : metric.def->map) {
      if (mapped.text == *cell) return std::optional<double>(mapped.value);
    }
    return Fail(Errc::kParse, Where(column) + ": not in the map: " + Quoted(*cell));
  }
  auto value = ParseValue(*cell, types_[column]);
  if (!value) return Fail(std::move(value.error()).Wrap(Where(column)));
  return std::optional<double>(Scaled(metric, *value));
}

Result<> QueryRows::ReadMetric(std::span<const Cell> cells, Metric& metric) {
  std::optional<double> value = 1;
  if (metric.def->kind != Kind::kInfo) {
    auto read = Value(cells, metric, metric.column);
    if (!read) return Fail(std::move(read.error()));
    value = *read;
  }
  if (!value) return {};
  if (metric.def->aggregate != Aggregate::kNone) {
    Total(metric, *value);
    return {};
  }
  auto admitted = Admit(1);
  if (!admitted) return Fail(std::move(admitted.error()));
  if (*admitted) sink_.Put(metric.family, *value, label_sets_[metric.labels].values);
  return {};
}

void QueryRows::Total(Metric& metric, double value) {
  const std::size_t group = label_sets_[metric.labels].group;
  if (metric.totals.size() <= group) metric.totals.resize(group + 1);
  std::optional<double>& total = metric.totals[group];
  if (!total) {
    total = value;
    ++totals_;
    return;
  }
  switch (metric.def->aggregate) {
    case Aggregate::kMax:
      total = std::max(*total, value);
      break;
    case Aggregate::kMin:
      total = std::min(*total, value);
      break;
    case Aggregate::kNone:
    case Aggregate::kSum:
      *total += value;
  }
}

Result<std::vector<double>> QueryRows::Numbers(std::span<const Cell> cells, const Metric& metric,
                                               std::size_t column) const {
  auto numbers = ParseNumbers(*cells[column]);
  if (!numbers) return Fail(std::move(numbers.error()).Wrap(Where(column)));
  if (column == metric.bounds || column == metric.exemplar_value) {
    for (double& number : *numbers) number = Scaled(metric, number);
  }
  return numbers;
}

Result<> QueryRows::ReadHistogram(std::span<const Cell> cells, Metric& metric) {
  for (const std::size_t column : {metric.bounds, metric.counts, metric.sum, metric.count}) {
    if (cells[column]) continue;
    if (metric.def->null == NullPolicy::kSkip) return {};
    return Fail(Errc::kParse, Where(column) + " is NULL");
  }
  auto bounds = Numbers(cells, metric, metric.bounds);
  if (!bounds) return Fail(std::move(bounds.error()));
  auto counts = Numbers(cells, metric, metric.counts);
  if (!counts) return Fail(std::move(counts.error()));
  auto sum = Value(cells, metric, metric.sum);
  if (!sum) return Fail(std::move(sum.error()));
  auto count = ParseValue(*cells[metric.count], types_[metric.count]);
  if (!count) return Fail(std::move(count.error()).Wrap(Where(metric.count)));
  if (counts->size() != bounds->size()) {
    return Fail(Errc::kParse, Where(metric.counts) + ": " + std::to_string(counts->size()) +
                                  " counts for " + std::to_string(bounds->size()) + " bounds");
  }
  if (!std::is_sorted(bounds->begin(), bounds->end(), std::less_equal<>())) {
    return Fail(Errc::kParse, Where(metric.bounds) + ": the bounds must ascend");
  }
  counts->push_back(*count);
  if (counts->front() < 0 || !std::is_sorted(counts->begin(), counts->end())) {
    return Fail(Errc::kParse, Where(metric.counts) + ": cumulative counts never fall, up to count");
  }
  exemplars_.clear();
  if (!metric.exemplar_labels.empty()) {
    if (auto read = ReadExemplars(cells, metric); !read) return read;
  }
  auto admitted = Admit(bounds->size() + 3);
  if (!admitted) return Fail(std::move(admitted.error()));
  if (!*admitted) return {};
  sink_.Put(metric.family, HistogramValue{*bounds, *counts, **sum, exemplars_},
            label_sets_[metric.labels].values);
  return {};
}

// Arrays of one length; an element whose value or time is NULL is none.
Result<> QueryRows::ReadExemplars(std::span<const Cell> cells, const Metric& metric) {
  exemplar_texts_.clear();
  std::vector<std::size_t> columns{metric.exemplar_value, metric.exemplar_time};
  columns.insert(columns.end(), metric.exemplar_labels.begin(), metric.exemplar_labels.end());
  for (const std::size_t column : columns) {
    if (!cells[column]) return {};
    auto texts = ParseArray(*cells[column]);
    if (!texts) return Fail(std::move(texts.error()).Wrap(Where(column)));
    if (!exemplar_texts_.empty() && texts->size() != exemplar_texts_[0].size()) {
      return Fail(Errc::kParse, Where(column) + ": not as many elements as " +
                                    Quoted(columns_[metric.exemplar_value]));
    }
    exemplar_texts_.push_back(std::move(*texts));
  }
  const std::size_t size = exemplar_texts_[0].size();
  exemplar_labels_.assign(size, {});
  for (std::size_t i = 0; i < size; ++i) {
    if (!exemplar_texts_[0][i] || !exemplar_texts_[1][i]) continue;
    const auto value = ParseValue(*exemplar_texts_[0][i], 0);
    if (!value) return Fail(Error(value.error()).Wrap(Where(metric.exemplar_value)));
    const auto time = ParseValue(*exemplar_texts_[1][i], 0);
    if (!time) return Fail(Error(time.error()).Wrap(Where(metric.exemplar_time)));
    constexpr double kMostSeconds = 1e11;
    if (std::fabs(*time) > kMostSeconds) {
      return Fail(Errc::kParse, Where(metric.exemplar_time) + ": not a Unix time");
    }
    for (std::size_t label = 0; label < metric.exemplar_labels.size(); ++label) {
      const auto& text = exemplar_texts_[2 + label][i];
      if (text) {
        exemplar_labels_[i].push_back({metric.def->histogram.exemplar_labels[label], *text});
      }
    }
    exemplars_.push_back({Scaled(metric, *value),
                          static_cast<std::int64_t>(std::llround(*time * 1'000)),
                          exemplar_labels_[i]});
  }
  return {};
}

Result<> QueryRows::Finish() {
  for (const Metric& metric : metrics_) {
    const LabelSet& set = label_sets_[metric.labels];
    for (std::size_t group = 0; group < metric.totals.size(); ++group) {
      if (!metric.totals[group]) continue;
      const std::vector<std::string_view> values(set.group_values[group].begin(),
                                                 set.group_values[group].end());
      sink_.Put(metric.family, *metric.totals[group], values);
    }
  }
  report_.series += totals_;
  if (report_.series > limit_) {
    return Fail(Errc::kLimit, "more than " + std::to_string(limit_) + " series");
  }
  if (repeated_ > 0) {
    const std::string more =
        repeated_ == 1 ? "" : " and " + std::to_string(repeated_ - 1) + " more do";
    sink_.Warn({Errc::kParse, first_repeated_ + more});
  }
  return {};
}

}  // namespace sidecar::postgres
