#pragma once
// Rows of one run as samples: what RunQuery gives the session to read. One thread; lives for one
// run, and the definition, the facts and the sink outlive it.
//
//   QueryRows rows(def, facts, limit, sink);
//   auto done = session.Query(scrape, statement, rows);
//   if (done) done = rows.Finish();

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/metrics/sink.h"
#include "exporters/postgres/run_query.h"

namespace sidecar::postgres {

class QueryRows final : public RowReader {
 public:
  QueryRows(const QueryDef& def, const Facts& facts, std::size_t limit, Sink& sink);

  Result<> Begin(std::span<const Column> columns) override;
  Result<> Row(std::span<const Cell> cells) override;
  // After the last row: what was aggregated, and what there is to warn of.
  Result<> Finish();
  const QueryReport& report() const { return report_; }

 private:
  // Metrics with the same labels share what is known of them in a row.
  struct LabelSet {
    std::span<const std::string_view> names;
    std::vector<std::size_t> columns;
    bool aggregated = false;
    std::vector<std::string_view> values;  // of this row, datname first
    // Unless aggregated: which metrics had a value, a bit each, by a hash of the values.
    std::unordered_map<std::uint64_t, std::uint64_t> seen;
    std::uint64_t hash = 0;             // of this row
    std::uint64_t* row_seen = nullptr;  // its first bits, once it is known to have a value
    bool repeats = false;               // this row was told of
    std::size_t metrics = 0;            // that are not aggregated
    std::unordered_map<std::string, std::size_t> groups;  // aggregated: by values
    std::vector<std::vector<std::string>> group_values;
    std::size_t group = 0;  // of this row
  };
  static constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNoGroup = static_cast<std::size_t>(-1);
  struct Metric {
    const MetricDef* def;
    Sink::Handle family;
    std::size_t labels;     // index of label_sets_
    std::size_t place = 0;  // among the metrics of its labels
    std::size_t column = kNoColumn;
    std::size_t bounds = kNoColumn, counts = kNoColumn, sum = kNoColumn, count = kNoColumn;
    std::size_t exemplar_value = kNoColumn, exemplar_time = kNoColumn;
    std::vector<std::size_t> exemplar_labels{};
    double divisor = 0;  // of a scale like 0.001, which a product would get wrong by a digit
    std::vector<std::optional<double>> totals{};  // by group
    std::vector<bool> refused{};                  // likewise: there was no room for it
  };

  Result<std::size_t> Find(std::span<const Column> columns, std::string_view name) const;
  Result<> AddMetric(std::span<const Column> columns, const MetricDef& def);
  Result<> FindHistogram(std::span<const Column> columns, Metric& metric) const;
  Result<std::size_t> FindLabels(std::span<const Column> columns, const MetricDef& def);
  Result<> ReadLabels(std::span<const Cell> cells);
  Result<> ReadMetric(std::span<const Cell> cells, Metric& metric);
  Result<> ReadHistogram(std::span<const Cell> cells, Metric& metric);
  Result<> ReadExemplars(std::span<const Cell> cells, const Metric& metric);
  Result<std::optional<double>> Value(std::span<const Cell> cells, const Metric& metric,
                                      std::size_t column) const;
  Result<std::vector<double>> Numbers(std::span<const Cell> cells, const Metric& metric,
                                      std::size_t column) const;
  Result<> Group(LabelSet& set);
  Result<> Total(Metric& metric, double value);
  Result<> Refuse(Metric& metric, std::size_t group);
  void Note(const Metric& metric);
  // Whether `series` more may be given to the sink.
  Result<bool> Admit(std::size_t series);
  tl::unexpected<Error> TooManySeries() const;
  std::string Where(std::size_t column) const;  // "row 3, column 'size'"
  double Scaled(const Metric& metric, double value) const;
  std::string ShowLabels(const LabelSet& labels) const;

  const QueryDef& def_;
  const int version_;
  const std::size_t limit_;
  Sink& sink_;
  const std::string database_;  // as a label
  const bool labelled_;         // datname is added
  std::vector<std::string> columns_;
  std::vector<std::uint32_t> types_;
  std::vector<LabelSet> label_sets_;
  std::deque<std::string> escaped_;  // labels of this row that are no UTF-8
  std::vector<Metric> metrics_;
  std::size_t row_series_ = 0;  // of a row, at most, where it has no histograms
  std::size_t totals_ = 0;      // series that aggregates will be
  std::size_t group_bytes_ = 0;
  bool full_ = false;  // the limit is reached: what follows is cut
  std::size_t repeated_ = 0;
  std::string first_repeated_;
  QueryReport report_;
  // Of one histogram, kept for their capacity.
  std::vector<Exemplar> exemplars_;
  std::vector<std::vector<std::optional<std::string>>> exemplar_texts_;
  std::vector<std::vector<LabelPair>> exemplar_labels_;
};

}  // namespace sidecar::postgres
