#include "exporters/postgres/load_queries.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>

#include "common/base/parse.h"
#include "common/collect/collector.h"
#include "exporters/postgres/query_versions.h"
#include "exporters/postgres/query_words.h"

namespace sidecar::postgres {

// Deques, because what views point to must stay where it is.
struct OwnedQueryDef::Storage {
  std::deque<std::string> texts;
  std::deque<std::vector<std::string_view>> lists;
  std::deque<std::vector<MappedValue>> maps;
  std::vector<QueryVariant> variants;
  std::vector<MetricDef> metrics;
  QueryDef def;

  std::string_view Keep(std::string text) {
    if (text.empty()) return {};
    return texts.emplace_back(std::move(text));
  }
  std::span<const std::string_view> Keep(std::vector<std::string>&& items) {
    std::vector<std::string_view>& list = lists.emplace_back();
    for (std::string& item : items) list.push_back(texts.emplace_back(std::move(item)));
    return list;
  }
};

namespace {

constexpr Millis kDatabaseInterval = std::chrono::seconds(30);

std::string Text(TableReader& table, std::string_view key, std::string_view help,
                 std::string text = {}) {
  table.Field(key, text, help);
  return text;
}
std::vector<std::string> List(TableReader& table, std::string_view key, std::string_view help,
                              std::vector<std::string> list = {}) {
  table.Field(key, list, help);
  return list;
}

void Require(TableReader& table, std::string_view key, std::string_view text) {
  if (!text.empty()) return;
  if (table.Has(key)) return table.Reject(key, "must not be empty");
  table.Reject({}, "'" + std::string(key) + "' is missing");
}

bool ValidCollector(std::string_view name) {
  return !name.empty() && name.size() <= 48 && std::ranges::all_of(name, [&](const char& c) {
    return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && &c != name.data());
  });
}

Versions ReadVersions(TableReader& table) {
  const std::string text = Text(table, "versions", "Versions it is for: 13+, -12, 12-16, 17.");
  if (text.empty()) return {};
  const auto versions = ParseVersions(text);
  if (!versions) table.Reject("versions", "must be like \"13+\", \"-12\", \"12-16\" or \"17\"");
  return versions.value_or(Versions{});
}

class Loader {
 public:
  Loader(TableReader& table, QueryOrigin origin, OwnedQueryDef::Storage& storage)
      : table_(table), origin_(origin), storage_(storage), def_(storage.def) {}

  void Load() {
    ReadNames();
    ReadWhere();
    ReadWhen();
    ReadLimits();
    ReadSql();
    ReadMetrics();
  }

 private:
  void ReadNames() {
    std::string name = Text(table_, "name", "The collector's name.");
    Require(table_, "name", name);
    if (!name.empty() && !ValidCollector(name)) {
      table_.Reject("name", "lower-case letters, digits and underscores, 48 at most");
    }
    if (name == "core") table_.Reject("name", "'core' is what the exporter says of itself");
    def_.name = storage_.Keep(std::move(name));
    def_.summary = storage_.Keep(Text(table_, "summary", "What it tells, in a line."));
    if (origin_ == QueryOrigin::kBuiltin) Require(table_, "summary", def_.summary);
    def_.builtin = origin_ == QueryOrigin::kBuiltin;
    table_.Field("on_by_default", def_.on_by_default, "Whether it runs unless told otherwise.");
  }

  void ReadWhere() {
    def_.scope = Choice(table_, "scope", kScopes, "Once per server or in every database");
    def_.role = Choice(table_, "role", kRoles, "Servers it is for");
    def_.privilege = Choice(table_, "privilege", kPrivileges, "What our role must be member of");
    def_.databases = storage_.Keep(List(table_, "databases", "Databases to run in, as globs."));
    table_.Field("database_label", def_.database_label, "Adds the label datname.");
    const bool cluster = def_.scope == QueryScope::kCluster;
    if (cluster && !def_.databases.empty()) {
      table_.Reject("databases", "is for scope = \"database\"");
    }
    const bool one = def_.databases.size() == 1 &&
                     def_.databases[0].find_first_of("*?[\\") == std::string_view::npos;
    if (!def_.database_label && !cluster && !one) {
      table_.Reject("database_label", "without the label 'databases' must name one database");
    }
    const bool slow = Choice(table_, "lane", kLanes, "Which connection of scope cluster");
    def_.lane = slow ? "slow" : "main";
    if (!cluster && table_.Has("lane")) table_.Reject("lane", "is for scope = \"cluster\"");
  }

  void ReadWhen() {
    def_.versions_of_extension =
        Choice(table_, "versions_of", kVersionsOf, "What version ranges are of");
    def_.versions = ReadVersions(table_);
    def_.extension = storage_.Keep(Text(table_, "extension", "Extension that it needs."));
    const std::string version =
        Text(table_, "extension_version", "The least version of the extension.");
    if (!version.empty()) {
      const auto parsed = ParseVersion(version);
      if (!parsed) table_.Reject("extension_version", "must be like \"1.8\"");
      def_.extension_version = parsed.value_or(0);
    }
    if (!def_.extension.empty()) return;
    for (const char* const key : {"extension_version", "versions_of"}) {
      if (table_.Has(key) &&
          (key != std::string_view("versions_of") || def_.versions_of_extension)) {
        table_.Reject(key, "needs 'extension'");
      }
    }
  }

  void ReadLimits() {
    const bool databases = def_.scope == QueryScope::kDatabase;
    if (databases) def_.interval = kDatabaseInterval;
    Schedule schedule{.interval = def_.interval, .timeout = def_.timeout, .max_age = def_.max_age};
    schedule.Read(table_);
    if (databases && schedule.interval == Millis(0)) {
      table_.Reject("interval", "must not be 0 with scope = 'database'");
    }
    def_.interval = schedule.interval;
    def_.timeout = schedule.timeout;
    def_.max_age = schedule.max_age;
    def_.series_limit = static_cast<std::int64_t>(schedule.limits.series);
    def_.rank_by = storage_.Keep(
        Text(table_, "rank_by", "Column: past the limit the rows with the greatest of it stay."));
  }

  void ReadSql() {
    const std::string sql = Text(table_, "sql", "One SELECT; /*!13+ ... */ for versions.");
    Require(table_, "sql", sql);
    if (sql.empty()) return;
    if (sql.find('\0') != std::string::npos) return table_.Reject("sql", "holds a zero byte");
    if (sql.find("@extschema@") != std::string::npos && def_.extension.empty()) {
      table_.Reject("sql", "@extschema@ needs 'extension'");
    }
    auto texts = ExpandVersions(sql, def_.versions);
    if (!texts) return table_.Reject("sql", texts.error().message);
    for (VersionText& text : *texts) {
      storage_.variants.push_back({text.versions, storage_.Keep(Ranked(std::move(text.text)))});
    }
    def_.variants = storage_.variants;
  }

  // The server sorts, so that the first rows are those that stay.
  std::string Ranked(std::string sql) const {
    if (def_.rank_by.empty()) return sql;
    std::string quoted;
    for (const char c : def_.rank_by) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return "SELECT * FROM (\n" + sql + "\n) AS ranked ORDER BY \"" + quoted + "\" DESC NULLS LAST";
  }

  void ReadMetrics() {
    default_labels_ = List(table_, "labels", "Columns that are labels of every metric.");
    CheckLabels(table_, default_labels_);
    std::vector<TableReader> tables = table_.Tables("metrics");
    if (tables.empty() && origin_ == QueryOrigin::kUser) {
      table_.Reject({}, "'metrics' is missing: no metric is made of the rows");
    }
    for (TableReader& table : tables) storage_.metrics.push_back(ReadMetric(table));
    CheckTwice(tables);
    def_.metrics = storage_.metrics;
  }

  MetricDef ReadMetric(TableReader& table) {
    MetricDef metric;
    metric.name = storage_.Keep(Text(table, "name", "The metric's full name."));
    Require(table, "name", metric.name);
    if (!metric.name.empty()) CheckName(table, metric.name);
    const bool typed = table.Has("type");
    metric.kind = Choice(table, "type", kKinds, "Its type");
    if (!typed) table.Reject({}, "'type' is missing");
    metric.help = storage_.Keep(Text(table, "help", "What it is, in a sentence."));
    Require(table, "help", metric.help);
    metric.unit = storage_.Keep(Text(table, "unit", "Its unit, where the name does not say it."));
    metric.column =
        storage_.Keep(Text(table, "column", "Column of the value.", std::string(metric.name)));
    metric.versions = ReadVersions(table);
    std::vector<std::string> labels =
        List(table, "labels", "Columns that are its labels.", default_labels_);
    if (table.Has("labels")) CheckLabels(table, labels);
    metric.labels = storage_.Keep(std::move(labels));
    ReadValue(table, metric);
    ReadHistogram(table, metric);
    CheckKind(table, metric);
    return metric;
  }

  void ReadValue(TableReader& table, MetricDef& metric) {
    constexpr double kMost = std::numeric_limits<double>::max();
    table.Field("scale", metric.scale, "Factor from the column to the value.", -kMost, kMost);
    if (metric.scale == 0) table.Reject("scale", "must not be 0");
    metric.null = Choice(table, "null", kNulls, "What NULL becomes");
    metric.aggregate = Choice(table, "aggregate", kAggregates, "How rows of equal labels are one");
    std::map<std::string, double> map;
    table.Field("map", map, "Texts of the column as numbers.");
    if (map.empty()) return;
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
      return storage_.Keep(Text(table, key, help));
    };
    columns.bounds = read("bounds", "Histogram: column of the buckets' upper bounds, an array.");
    columns.counts = read("counts", "Histogram: column of the cumulative counts, an array.");
    columns.sum = read("sum", "Histogram: column of the sum.");
    columns.count = read("count", "Histogram: column of the count.");
    columns.exemplar_value = read("exemplar_value", "Histogram: column of exemplars' values.");
    columns.exemplar_time = read("exemplar_time", "Histogram: column of their Unix times.");
    std::vector<std::string> labels =
        List(table, "exemplar_labels", "Histogram: columns that are labels of its exemplars.");
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

  static void CheckKind(TableReader& table, const MetricDef& metric) {
    if (metric.kind == Kind::kHistogram) {
      Forbid(table, {"column", "map", "aggregate"}, "is not for histograms");
      for (const char* const key : {"bounds", "counts", "sum", "count"}) {
        if (!table.Has(key)) table.Reject({}, "a histogram needs '" + std::string(key) + "'");
      }
      if (metric.scale < 0) table.Reject("scale", "must be positive");
      if (metric.null == NullPolicy::kZero) table.Reject("null", "a histogram has no zero");
      const HistogramColumns& columns = metric.histogram;
      const bool some = !columns.exemplar_value.empty() || !columns.exemplar_time.empty() ||
                        !columns.exemplar_labels.empty();
      for (const char* const key : {"exemplar_value", "exemplar_time", "exemplar_labels"}) {
        if (some && !table.Has(key)) {
          table.Reject({}, "exemplars need '" + std::string(key) + "' too");
        }
      }
      return;
    }
    Forbid(
        table,
        {"bounds", "counts", "sum", "count", "exemplar_value", "exemplar_time", "exemplar_labels"},
        "is for histograms");
    if (!metric.map.empty()) Forbid(table, {"scale"}, "is not for what 'map' says");
    if (metric.kind != Kind::kInfo) return;
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
      if (!ValidLabel(label)) table.Reject("labels", "not a label name: " + Quoted(label));
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
        if (a.name.empty() || a.name != b.name) continue;
        if (a.kind != b.kind) tables[i].Reject("type", "differs from the one above of this name");
        if (a.versions.from <= b.versions.to && b.versions.from <= a.versions.to) {
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

OwnedQueryDef::OwnedQueryDef(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
OwnedQueryDef::OwnedQueryDef(OwnedQueryDef&&) noexcept = default;
OwnedQueryDef& OwnedQueryDef::operator=(OwnedQueryDef&&) noexcept = default;
OwnedQueryDef::~OwnedQueryDef() = default;

const QueryDef& OwnedQueryDef::def() const { return storage_->def; }

OwnedQueryDef LoadQuery(TableReader& table, QueryOrigin origin) {
  auto storage = std::make_unique<OwnedQueryDef::Storage>();
  Loader(table, origin, *storage).Load();
  return OwnedQueryDef(std::move(storage));
}

}  // namespace sidecar::postgres
