// Histograms and their exemplars of a row: arrays, an element a bucket. query_rows.h

#include <algorithm>
#include <cmath>

#include "common/base/parse.h"
#include "exporters/postgres/query_rows.h"
#include "exporters/postgres/query_values.h"

namespace sidecar::postgres {

Result<> QueryRows::FindHistogram(std::span<const Column> columns, Metric& metric) const {
  const HistogramColumns& names = metric.def->histogram;
  std::vector<std::pair<std::string_view, std::size_t*>> wanted = {{names.bounds, &metric.bounds},
                                                                   {names.counts, &metric.counts},
                                                                   {names.sum, &metric.sum},
                                                                   {names.count, &metric.count}};
  if (!names.exemplar_value.empty()) {
    wanted.emplace_back(names.exemplar_value, &metric.exemplar_value);
    wanted.emplace_back(names.exemplar_time, &metric.exemplar_time);
  }
  for (const auto& [name, index] : wanted) {
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

Result<std::vector<double>> QueryRows::Numbers(std::span<const Cell> cells, const Metric& metric,
                                               std::size_t column) const {
  auto numbers = ParseNumbers(*cells[column]);
  if (!numbers) return Fail(std::move(numbers.error()).Wrap(Where(column)));
  if (column == metric.bounds) {
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
  if (metric.exemplar_value != kNoColumn) {
    if (auto read = ReadExemplars(cells, metric); !read) return read;
  }
  auto admitted = Admit(bounds->size() + 3);
  if (!admitted) return Fail(std::move(admitted.error()));
  if (!*admitted) return {};
  Note(metric);
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

}  // namespace sidecar::postgres
