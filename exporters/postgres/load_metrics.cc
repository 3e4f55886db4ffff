// The metrics of a query: load_queries.h.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "common/base/parse.h"
#include "exporters/postgres/metric_samples.h"
#include "exporters/postgres/query_loading.h"
#include "exporters/postgres/query_words.h"

namespace sidecar::postgres {
namespace {

class MetricsLoader {
 public:
  MetricsLoader(TableReader& table, QueryOrigin origin, OwnedQueryDef::Storage& storage)
      : table_(table), origin_(origin), storage_(storage), def_(storage.def) {}

  void Load() {
    default_labels_ = ReadList(table_, "labels", "Columns that are labels of every metric.");
    CheckLabels(table_, default_labels_);
    std::vector<TableReader> tables = table_.Tables("metrics");
    if (tables.empty() && origin_ == QueryOrigin::kUser) {
      table_.Reject({}, "'metrics' is missing: no metric is made of the rows");
    }
    for (TableReader& table : tables) storage_.metrics.push_back(ReadMetric(table));
    CheckTwice(tables);
    def_.metrics = storage_.metrics;
  }

 private:
  MetricDef ReadMetric(TableReader& table) {
    MetricDef metric;
    metric.name = storage_.Keep(ReadText(table, "name", "The metric's full name."));
    Require(table, "name", metric.name);
    if (!metric.name.empty()) CheckName(table, metric.name);
    const bool typed = table.Has("type");
    metric.kind = Choice(table, "type", kKinds, "Its type");
    if (!typed) table.Reject({}, "'type' is missing");
    metric.help = storage_.Keep(ReadText(table, "help", "What it is, in a sentence."));
    Require(table, "help", metric.help);
    metric.unit =
        storage_.Keep(ReadText(table, "unit", "Its unit, where the name does not say it."));
    metric.column =
        storage_.Keep(ReadText(table, "column", "Column of the value.", std::string(metric.name)));
    metric.versions = ReadVersions(table, def_.versions_of_extension);
    if (!IsAsked(metric.versions)) table.Reject("versions", "the query has no statement for them");
    std::vector<std::string> labels =
        ReadList(table, "labels", "Columns that are its labels.", default_labels_);
    if (table.Has("labels")) CheckLabels(table, labels);
    metric.labels = storage_.Keep(std::move(labels));
    ReadValue(table, metric);
    ReadHistogram(table, metric);
    CheckKind(table, metric);
    return metric;
  }

  bool IsAsked(const Versions& versions) const {
    const auto meets = [&](const QueryVariant& variant) {
      return variant.versions.Meets(versions);
    };
    return def_.variants.empty() ? def_.versions.Meets(versions)
                                 : std::ranges::any_of(def_.variants, meets);
  }

  void ReadValue(TableReader& table, MetricDef& metric) {
    constexpr double kMost = std::numeric_limits<double>::max();
    table.Field("scale", metric.scale, "Factor from the column to the value.", -kMost, kMost);
    if (metric.scale == 0) table.Reject("scale", "must not be 0");
    metric.null = Choice(table, "null", kNulls, "What NULL becomes");
    metric.aggregate = Choice(table, "aggregate", kAggregates, "How rows of equal labels are one");
    std::map<std::string, double> map;
    table.Field("map", map, "Texts of the column as numbers.");
    if (map.empty()) {
      if (table.Has("map")) table.Reject("map", "must not be empty");
      return;
    }
    std::vector<MappedValue>& values = storage_.maps.emplace_back();
    for (const auto& [text, value] : map) {
      values.push_back({storage_.texts.emplace_back(text), value});
      if (!std::isfinite(value)) table.Reject("map", "numbers must be finite");
    }
    metric.map = values;
  }

  void ReadHistogram(TableReader& table, MetricDef& metric) {
    HistogramColumns& columns = metric.histogram;
    const auto read = [&](std::string_view key, std::string_view help) {
      return storage_.Keep(ReadText(table, key, help));
    };
    columns.bounds = read("bounds", "Histogram: column of the buckets' upper bounds, an array.");
    columns.counts = read("counts", "Histogram: column of the cumulative counts, an array.");
    columns.sum = read("sum", "Histogram: column of the sum.");
    columns.count = read("count", "Histogram: column of the count.");
    columns.exemplar_value = read("exemplar_value", "Histogram: column of exemplars' values.");
    columns.exemplar_time = read("exemplar_time", "Histogram: column of their Unix times.");
    std::vector<std::string> labels =
        ReadList(table, "exemplar_labels", "Histogram: columns that are labels of its exemplars.");
    for (const std::string& label : labels) {
      if (!ValidName(label)) table.Reject("exemplar_labels", "not a label: " + Quoted(label));
    }
    columns.exemplar_labels = storage_.Keep(std::move(labels));
  }

  static void Forbid(TableReader& table, std::initializer_list<std::string_view> keys,
                     const std::string& why) {
    for (const std::string_view key : keys) {
      if (table.Has(key)) table.Reject(key, why);
    }
  }

  static void CheckHistogram(TableReader& table, const MetricDef& metric) {
    Forbid(table, {"column", "map", "aggregate"}, "is not for histograms");
    const HistogramColumns& columns = metric.histogram;
    const std::pair<std::string, std::string_view> own[] = {{"bounds", columns.bounds},
                                                            {"counts", columns.counts},
                                                            {"sum", columns.sum},
                                                            {"count", columns.count}};
    for (const auto& [key, column] : own) {
      if (!table.Has(key)) table.Reject({}, "a histogram needs '" + key + "'");
      RejectEmpty(table, key, column);
    }
    if (metric.scale < 0) table.Reject("scale", "must be positive");
    if (metric.null == NullPolicy::kZero) table.Reject("null", "a histogram has no zero");
    const std::string exemplars[] = {"exemplar_value", "exemplar_time", "exemplar_labels"};
    if (std::ranges::none_of(exemplars, [&](const auto& key) { return table.Has(key); })) return;
    for (const std::string& key : exemplars) {
      if (!table.Has(key)) table.Reject({}, "exemplars need '" + key + "' too");
    }
    RejectEmpty(table, "exemplar_value", columns.exemplar_value);
    RejectEmpty(table, "exemplar_time", columns.exemplar_time);
  }

  static void CheckCounter(TableReader& table, const MetricDef& metric) {
    if (metric.scale < 0) table.Reject("scale", "must be positive");
    const auto below = [](const MappedValue& mapped) { return mapped.value < 0; };
    if (std::ranges::any_of(metric.map, below)) {
      table.Reject("map", "a counter is never below 0");
    }
  }

  static void CheckKind(TableReader& table, const MetricDef& metric) {
    if (metric.kind == Kind::kHistogram) return CheckHistogram(table, metric);
    Forbid(
        table,
        {"bounds", "counts", "sum", "count", "exemplar_value", "exemplar_time", "exemplar_labels"},
        "is for histograms");
    if (!metric.map.empty()) Forbid(table, {"scale"}, "is not for what 'map' says");
    if (metric.kind == Kind::kCounter) CheckCounter(table, metric);
    if (metric.kind != Kind::kInfo) return RejectEmpty(table, "column", metric.column);
    Forbid(table, {"column", "map", "aggregate", "scale", "null"}, "an info is always 1");
    if (!metric.name.ends_with("_info")) table.Reject("name", "an info's name ends with _info");
  }

  void CheckName(TableReader& table, std::string_view name) const {
    if (!ValidName(name)) {
      return table.Reject("name", "not a metric name: " + Quoted(name));
    }
    if (origin_ == QueryOrigin::kBuiltin) return;
    constexpr std::string_view kOwn[] = {"sidecar_", "process_", "pg_scrape_collector_",
                                         "pg_exporter_"};
    constexpr std::string_view kCore[] = {"pg_up", "pg_login_up", "pg_login_duration_seconds",
                                          "pg_static", "pg_in_recovery"};
    const bool taken = std::ranges::find(kCore, name) != std::end(kCore) ||
                       std::ranges::any_of(kOwn, [&](auto own) { return name.starts_with(own); });
    if (taken) table.Reject("name", "the exporter has metrics of this name itself");
  }

  void CheckLabels(TableReader& table, const std::vector<std::string>& labels) const {
    const bool added = def_.scope == QueryScope::kDatabase && def_.database_label;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::string& label = labels[i];
      if (label == "le") {
        table.Reject("labels",
                     "'le' is a histogram's own: type = \"histogram\" makes it of 'bounds'");
      } else if (!ValidLabel(label)) {
        table.Reject("labels", "not a label name: " + Quoted(label));
      }
      if (std::find(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(i), label) !=
          labels.begin() + static_cast<std::ptrdiff_t>(i)) {
        table.Reject("labels", Quoted(label) + " stands there twice");
      }
      if (added && label == "datname") {
        table.Reject("labels", "scope = \"database\" adds datname by itself");
      }
    }
  }

  // A name may stand there again for other versions.
  void CheckTwice(std::vector<TableReader>& tables) const {
    const std::vector<MetricDef>& metrics = storage_.metrics;
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const MetricDef &a = metrics[j], &b = metrics[i];
        if (a.name.empty() || b.name.empty()) continue;
        if (IsSampleOf(a.name, b.name, b.kind) || IsSampleOf(b.name, a.name, a.kind)) {
          const std::string_view sample = std::max(a.name, b.name);  // it begins with the other
          tables[i].Reject("name", Quoted(sample) + " would stand there twice: of a histogram too");
        }
        if (a.name != b.name) continue;
        if (a.kind != b.kind) tables[i].Reject("type", "differs from the one above of this name");
        if (a.versions.Meets(b.versions)) {
          tables[i].Reject("name", Quoted(b.name) + " stands there twice");
        }
      }
    }
  }

  TableReader& table_;
  const QueryOrigin origin_;
  OwnedQueryDef::Storage& storage_;
  QueryDef& def_;
  std::vector<std::string> default_labels_;
};

}  // namespace

void LoadMetrics(TableReader& table, QueryOrigin origin, OwnedQueryDef::Storage& storage) {
  MetricsLoader(table, origin, storage).Load();
}

}  // namespace sidecar::postgres
