#include "exporters/postgres/query_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/parse.h"
#include "common/metrics/row_set.h"
#include "common/metrics/utf8.h"
#include "exporters/postgres/query_values.h"

namespace sidecar::postgres {
namespace {

// Rows without end that make no series: all NULL, or aggregated.
constexpr std::size_t kMostRows = 1'000'000;

// Of the values that tell groups apart; a label may have 1 KiB.
constexpr std::size_t kMostGroupBytes = 16U << 20U;
constexpr std::size_t kBits = 64;

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
      version_(VersionOf(def, facts)),
      limit_(limit),
      sink_(sink),
      database_(EscapeInvalid(facts.database)),
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
  std::size_t index = 0;
  while (index < columns.size() && columns[index].name != name) ++index;
  if (index < columns.size()) return index;
  std::string names;
  for (const Column& column : columns) {
    names += (names.empty() ? "" : ", ") + std::string(column.name);
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
  if (labelled_) set.values.emplace_back(database_);
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
  if (def.aggregate == Aggregate::kNone) {
    ++row_series_;
    metric.place = label_sets_[*labels].metrics++;
  }
  metrics_.push_back(std::move(metric));
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
  escaped_.clear();
  for (LabelSet& set : label_sets_) {
    const std::size_t first = labelled_ ? 1 : 0;
    for (std::size_t i = 0; i < set.columns.size(); ++i) {
      const Cell& cell = cells[set.columns[i]];
      if (!cell) {
        return Fail(Errc::kParse,
                    Where(set.columns[i]) + ": a label is NULL; coalesce() says what it means");
      }
      set.values[first + i] =
          IsUtf8(*cell) ? *cell : std::string_view(escaped_.emplace_back(EscapeInvalid(*cell)));
    }
    if (set.aggregated) {
      if (auto grouped = Group(set); !grouped) return grouped;
      continue;
    }
    set.hash = 0;
    for (const std::string_view value : set.values) set.hash = HashText(value, set.hash + 1);
    set.row_seen = nullptr;
    set.repeats = false;
  }
  return {};
}

Result<> QueryRows::Group(LabelSet& set) {
  std::string key = KeyOf(set.values);
  const std::size_t bytes = key.size();
  if (set.groups.size() >= limit_ && !set.groups.contains(key)) {
    if (def_.rank_by.empty()) return TooManySeries();
    set.group = kNoGroup;
    return {};
  }
  const auto [group, added] = set.groups.try_emplace(std::move(key), set.groups.size());
  set.group = group->second;
  if (!added) return {};
  group_bytes_ += bytes;
  if (group_bytes_ > kMostGroupBytes) {
    return Fail(Errc::kLimit, "labels of aggregates with more than " +
                                  std::to_string(kMostGroupBytes) + " bytes");
  }
  set.group_values.emplace_back(set.values.begin(), set.values.end());
  return {};
}

// The batch drops what repeats; this only tells of it. A row without a value repeats nothing: the
// metrics of one series may come in several rows.
void QueryRows::Note(const Metric& metric) {
  LabelSet& set = label_sets_[metric.labels];
  std::uint64_t* seen = set.row_seen;
  if (seen == nullptr || metric.place >= kBits) {
    seen = &set.seen[set.hash + metric.place / kBits];
    if (metric.place < kBits) set.row_seen = seen;
  }
  const std::uint64_t bit = std::uint64_t{1} << (metric.place % kBits);
  const bool again = (*seen & bit) != 0;
  *seen |= bit;
  if (!again || std::exchange(set.repeats, true)) return;
  if (++repeated_ == 1) {
    first_repeated_ = "row " + std::to_string(report_.rows) + " repeats labels " + ShowLabels(set) +
                      " of an earlier one";
  }
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
  if (def_.rank_by.empty()) return TooManySeries();
  full_ = true;
  report_.cut += series;
  return false;
}

tl::unexpected<Error> QueryRows::TooManySeries() const {
  return Fail(Errc::kLimit, "more than " + std::to_string(limit_) +
                                " series; raise series_limit, or rank with rank_by");
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
  if (metric.def->kind == Kind::kCounter && *value < 0) {
    return Fail(Errc::kParse,
                Where(metric.column) + ": a counter below 0: " + Quoted(*cells[metric.column]));
  }
  if (metric.def->aggregate != Aggregate::kNone) return Total(metric, *value);
  auto admitted = Admit(1);
  if (!admitted) return Fail(std::move(admitted.error()));
  if (!*admitted) return {};
  Note(metric);
  sink_.Put(metric.family, *value, label_sets_[metric.labels].values);
  return {};
}

Result<> QueryRows::Total(Metric& metric, double value) {
  const std::size_t group = label_sets_[metric.labels].group;
  if (group == kNoGroup) return ++report_.cut, Result<>();
  if (metric.totals.size() <= group) metric.totals.resize(group + 1);
  std::optional<double>& total = metric.totals[group];
  if (!total && (full_ || report_.series + totals_ >= limit_)) return Refuse(metric, group);
  if (!total) {
    total = value;
    ++totals_;
    return {};
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
  return {};
}

// A group has no room for its total, which counts as cut once.
Result<> QueryRows::Refuse(Metric& metric, std::size_t group) {
  if (def_.rank_by.empty()) return TooManySeries();
  metric.refused.resize(std::max(metric.refused.size(), group + 1));
  if (!metric.refused[group]) ++report_.cut;
  metric.refused[group] = true;
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
