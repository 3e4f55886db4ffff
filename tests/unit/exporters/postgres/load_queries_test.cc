#include "exporters/postgres/load_queries.h"

#include <gmock/gmock.h>

#include "common/config/document.h"
#include "exporters/postgres/builtins.h"
#include "exporters/postgres/metric_samples.h"
#include "exporters/postgres/native.h"
#include "tests/support/golden.h"

namespace sidecar::postgres {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Loaded {
  std::vector<OwnedQueryDef> queries;
  std::string faults;
};

Loaded Load(const std::string& toml, QueryOrigin origin = QueryOrigin::kUser) {
  Loaded loaded;
  auto document = Document::Parse(toml, "orders.toml");
  if (!document) return loaded.faults = document.error().message, std::move(loaded);
  TableReader root = document->Root();
  TableReader postgres = root.Table("postgres");
  std::vector<TableReader> tables = postgres.Tables("queries");
  for (TableReader& table : tables) loaded.queries.push_back(LoadQuery(table, origin));
  CheckQueries(tables, loaded.queries);
  if (auto read = root.Finish(); !read) loaded.faults = read.error().message;
  return loaded;
}

// A query called `name` with these metrics, an inline table each.
std::string Metrics(const std::string& name, const std::string& metrics) {
  return "[[postgres.queries]]\nname = \"" + name + "\"\nsql = \"SELECT 1\"\nmetrics = [" +
         metrics + "]\n";
}
std::string Metric(const std::string& name, const std::string& type) {
  const std::string columns =
      type == "histogram" ? ", bounds = \"b\", counts = \"c\", sum = \"s\", count = \"n\"" : "";
  return "{ name = \"" + name + "\", type = \"" + type + "\", help = \"H.\"" + columns + " }";
}
std::string Histogram(const std::string& keys) {
  return Metrics("q", "{name=\"h\", type=\"histogram\", help=\"H.\", " + keys + "}");
}

// A query of one gauge n with these lines more, in the table of the query and of the metric.
std::string Query(const std::string& lines, const std::string& metric = {}) {
  return "[[postgres.queries]]\nname = \"q\"\nsql = \"SELECT 1 AS n\"\n" + lines +
         "\n[[postgres.queries.metrics]]\nname = \"n\"\ntype = \"gauge\"\nhelp = \"N.\"\n" + metric;
}

TEST(LoadQuery, ReadsTheSmallestQueryWithItsDefaults) {
  const Loaded loaded = Load(R"([[postgres.queries]]
name = "orders"
sql = "SELECT count(*) AS orders_total FROM orders;"
metrics = [{ name = "orders_total", type = "counter", help = "Orders." }]
)");
  ASSERT_THAT(loaded.faults, IsEmpty());
  const QueryDef& def = loaded.queries[0].def();
  EXPECT_EQ(def.name, "orders");
  EXPECT_EQ(def.scope, QueryScope::kCluster);
  EXPECT_EQ(def.lane, "main");
  EXPECT_EQ(def.timeout, Millis(5'000));
  EXPECT_EQ(def.series_limit, 50'000);
  EXPECT_TRUE(def.on_by_default);
  EXPECT_FALSE(def.builtin);
  ASSERT_EQ(def.variants.size(), 1U);
  EXPECT_EQ(def.variants[0].sql, "SELECT count(*) AS orders_total FROM orders");
  ASSERT_EQ(def.metrics.size(), 1U);
  EXPECT_EQ(def.metrics[0].column, "orders_total");
  EXPECT_EQ(def.metrics[0].kind, Kind::kCounter);
}

TEST(LoadQuery, ReadsEveryKey) {
  const Loaded loaded = Load(R"toml([[postgres.queries]]
name = "everything"
summary = "All keys."
on_by_default = false
scope = "database"
databases = ["orders"]
database_label = false
role = "primary"
privilege = "pg_read_all_stats"
extension = "pg_buffercache"
extension_version = "1.4"
versions_of = "server"
versions = "13-17"
interval = "1m"
timeout = "2s"
max_age = "5m"
series_limit = 100
rank_by = "big"
labels = ["status", "sku"]
sql = "SELECT /*!16+ x, */ y FROM @extschema@.f()"
metrics = [
  { name = "state", type = "gauge", help = "S.", column = "s", unit = "bytes", null = "zero", aggregate = "max", map = { on = 1, "off" = 0.5 }, versions = "14+", labels = ["sku"] },
  { name = "h", type = "histogram", help = "H.", scale = 0.001, bounds = "b", counts = "c", sum = "s", count = "n", exemplar_value = "ev", exemplar_time = "et", exemplar_labels = ["order_id"] },
  { name = "x_info", type = "info", help = "X." },
]
)toml");
  ASSERT_THAT(loaded.faults, IsEmpty());
  const QueryDef def = loaded.queries[0].def();
  EXPECT_FALSE(def.on_by_default);
  EXPECT_EQ(def.scope, QueryScope::kDatabase);
  EXPECT_THAT(def.databases, ElementsAre("orders"));
  EXPECT_FALSE(def.database_label);
  EXPECT_EQ(def.role, QueryRole::kPrimary);
  EXPECT_EQ(def.privilege, Privilege::kReadAllStats);
  EXPECT_EQ(def.extension_version, 1'004);
  EXPECT_EQ(def.interval, Millis(60'000));
  EXPECT_EQ(def.max_age, Millis(300'000));
  EXPECT_EQ(def.series_limit, 100);
  ASSERT_EQ(def.variants.size(), 2U);
  EXPECT_EQ(def.variants[0].versions, (Versions{13'000, 15'999}));
  EXPECT_EQ(def.variants[1].versions, (Versions{16'000, 17'999}));
  EXPECT_THAT(def.variants[1].sql, AllOf(HasSubstr("x, "), HasSubstr("ORDER BY \"big\" DESC")));
  ASSERT_EQ(def.metrics.size(), 3U);
  const MetricDef& state = def.metrics[0];
  EXPECT_THAT(state.labels, ElementsAre("sku"));
  EXPECT_EQ(state.aggregate, Aggregate::kMax);
  EXPECT_EQ(state.null, NullPolicy::kZero);
  ASSERT_EQ(state.map.size(), 2U);
  EXPECT_EQ(state.map[0].text, "off");
  EXPECT_EQ(state.map[0].value, 0.5);
  EXPECT_THAT(def.metrics[1].labels, ElementsAre("status", "sku"));
  EXPECT_EQ(def.metrics[1].scale, 0.001);
  EXPECT_THAT(def.metrics[1].histogram.exemplar_labels, ElementsAre("order_id"));
}

TEST(LoadQuery, SaysAllThatIsWrongInAFileAtOnceWithLineAndCaret) {
  const Loaded loaded = Load(R"toml([[postgres.queries]]
name = "Orders By Status"
scope = "cluter"
databases = ["orders"]
versions = "17-13"
timeout = "0s"
extension_version = "1.x"
sql = "SELECT a /*!13 b FROM @extschema@.t"
labels = ["status", "status", "9th"]
metrics = [
  { name = "orders by status", type = "gauge", help = "Orders." },
  { name = "orders_total", type = "count", help = "Orders.", colum = "n" },
  { name = "orders_seconds", type = "histogram", help = "", bounds = "b", column = "c" },
  { name = "orders_state", type = "info", help = "Orders.", scale = 2 },
  { name = "pg_up", type = "gauge", help = "Up.", exemplar_value = "x", map = { a = "b" } },
]
)toml");
  ExpectGolden(loaded.faults + "\n", "postgres/query_faults.txt");
}

TEST(LoadQuery, WantsANameAStatementAndMetrics) {
  EXPECT_THAT(Load("[[postgres.queries]]\n").faults,
              AllOf(HasSubstr("'name' is missing"), HasSubstr("'sql' is missing"),
                    HasSubstr("'metrics' is missing")));
  EXPECT_THAT(Load("[[postgres.queries]]\nname=\"q\"\nsql=\"SELECT 1\"\nmetrics=[{}]").faults,
              AllOf(HasSubstr("'name' is missing"), HasSubstr("'type' is missing"),
                    HasSubstr("'help' is missing")));
}

TEST(LoadQuery, RefusesTheLabelThatItAddsInScopeDatabase) {
  EXPECT_THAT(Load(Query("scope = \"database\"\nlabels = [\"datname\"]")).faults,
              HasSubstr("adds datname by itself"));
  EXPECT_THAT(Load(Query("labels = [\"datname\"]")).faults, IsEmpty());
}

TEST(LoadQuery, ReadsDatabasesInTheBackgroundOnly) {
  const Loaded loaded = Load(Query("scope = \"database\""));
  ASSERT_THAT(loaded.faults, IsEmpty());
  EXPECT_EQ(loaded.queries[0].def().interval, Millis(30'000));
  EXPECT_EQ(loaded.queries[0].def().login_interval, Millis(30'000));
  EXPECT_THAT(Load(Query("login_interval = \"1m\"")).faults,
              HasSubstr("is for scope = \"database\""));
  EXPECT_THAT(Load(Query("scope = \"database\"\nlogin_interval = \"29s\"")).faults,
              HasSubstr("at least the interval"));
  EXPECT_THAT(Load(Query("scope = \"database\"\ninterval = \"0s\"\ntimeout = \"31s\"")).faults,
              AllOf(HasSubstr("must not be 0 with scope"), HasSubstr("30s at most with scope")));
}

TEST(LoadQuery, LeavesTheDatabaseLabelOutForOneDatabaseOnly) {
  const std::string without = "scope = \"database\"\ndatabase_label = false\n";
  EXPECT_THAT(Load(Query(without)).faults, HasSubstr("must name one database"));
  EXPECT_THAT(Load(Query(without + "databases = [\"orders*\"]")).faults,
              HasSubstr("must name one database"));
  EXPECT_THAT(Load(Query(without + "databases = [\"orders\"]")).faults, IsEmpty());
}

TEST(LoadQuery, RefusesWhatTheExporterSaysOfItself) {
  std::string core = Query("");
  core.replace(core.find("\"q\""), 3, "\"core\"");
  EXPECT_THAT(Load(core).faults, HasSubstr("'core' is what the exporter says of itself"));
  for (const std::string name : {"pg_up", "pg_static", "pg_in_recovery", "pg_exporter_x"}) {
    std::string query = Query("");
    query.replace(query.find("name = \"n\""), 10, "name = \"" + name + "\"");
    EXPECT_THAT(Load(query).faults, HasSubstr("has metrics of this name itself")) << name;
  }
}

TEST(LoadQuery, RefusesKeysThatWouldDoNothing) {
  EXPECT_THAT(Load(Query("", "map = { on = 1 }\nscale = 2.0\n")).faults,
              HasSubstr("is not for what 'map' says"));
  EXPECT_THAT(Load(Query("",
                         "null = \"zero\"\nbounds = \"b\"\ncounts = \"c\"\nsum = \"s\"\n"
                         "count = \"d\"\n"))
                  .faults,
              HasSubstr("is for histograms"));
  std::string histogram = Query("",
                                "null = \"zero\"\nbounds = \"b\"\ncounts = \"c\"\n"
                                "sum = \"s\"\ncount = \"d\"\n");
  histogram.replace(histogram.find("gauge"), 5, "histogram");
  EXPECT_THAT(Load(histogram).faults, HasSubstr("a histogram has no zero"));
}

TEST(LoadQuery, AllowsAMetricTwiceForOtherVersionsOnly) {
  const auto twice = [](const std::string& first, const std::string& second) {
    return Load(Query({}, first + "[[postgres.queries.metrics]]\nname = \"n\"\nhelp = \"N.\"\n" +
                              second))
        .faults;
  };
  EXPECT_THAT(twice("versions = \"-16\"\n", "type = \"gauge\"\nversions = \"17+\"\n"), IsEmpty());
  EXPECT_THAT(twice("versions = \"-16\"\n", "type = \"gauge\"\nversions = \"16+\"\n"),
              HasSubstr("stands there twice"));
  EXPECT_THAT(twice("versions = \"-16\"\n", "type = \"counter\"\nversions = \"17+\"\n"),
              HasSubstr("differs from the one above"));
}

TEST(LoadQuery, WantsAllColumnsOfHistogramsAndExemplars) {
  EXPECT_THAT(Load(Histogram("bounds=\"b\", counts=\"c\"")).faults,
              AllOf(HasSubstr("needs 'sum'"), HasSubstr("needs 'count'")));
  const std::string columns = "bounds=\"b\", counts=\"c\", sum=\"s\", count=\"n\"";
  EXPECT_THAT(Load(Histogram(columns + ", exemplar_value=\"v\"")).faults,
              AllOf(HasSubstr("exemplars need 'exemplar_time'"),
                    HasSubstr("exemplars need 'exemplar_labels'")));
  EXPECT_THAT(Load(Histogram(columns + ", exemplar_labels=[]")).faults,
              AllOf(HasSubstr("exemplars need 'exemplar_value'"),
                    HasSubstr("exemplars need 'exemplar_time'")));
  EXPECT_THAT(
      Load(Histogram(columns + ", exemplar_value=\"v\", exemplar_time=\"t\", exemplar_labels=[]"))
          .faults,
      IsEmpty());
}

TEST(LoadQuery, RefusesColumnsWithoutAName) {
  EXPECT_THAT(Load(Histogram("bounds=\"\", counts=\"\", sum=\"\", count=\"\", "
                             "exemplar_value=\"\", exemplar_time=\"\", exemplar_labels=[]"))
                  .faults,
              AllOf(HasSubstr("orders.toml:4: 'bounds': must not be empty\n    4 | metrics"),
                    HasSubstr("'counts': must not be empty"), HasSubstr("'sum': must not be empty"),
                    HasSubstr("'count': must not be empty"),
                    HasSubstr("'exemplar_value': must not be empty"),
                    HasSubstr("'exemplar_time': must not be empty")));
  EXPECT_THAT(Load(Query("", "column = \"\"\n")).faults,
              HasSubstr("'column': must not be empty\n    9 | column = \"\"\n"
                        "      |          ^~"));
}

TEST(LoadQuery, RefusesAnEmptyMap) {
  EXPECT_THAT(Load(Query("", "map = {}\n")).faults, HasSubstr("'map': must not be empty"));
}

TEST(LoadQuery, RefusesAMetricThatNoVersionOfTheQueryHas) {
  const auto faults = [](const std::string& query, const std::string& metric) {
    return Load(Query("versions = \"" + query + "\"\n", "versions = \"" + metric + "\"\n")).faults;
  };
  EXPECT_THAT(
      faults("12-16", "17+"),
      HasSubstr("'versions': the query has no statement for them\n    10 | versions = \"17+\""));
  EXPECT_THAT(faults("12-16", "16+"), IsEmpty());
  EXPECT_THAT(faults("12+", "-12"), IsEmpty());
  std::string commented = Query("", "versions = \"-16\"\n");
  commented.replace(commented.find("SELECT 1 AS n"), 13, "/*!17+ SELECT 1 AS n */");
  EXPECT_THAT(Load(commented).faults, HasSubstr("the query has no statement for them"));
}

TEST(LoadQuery, RefusesACounterThatWouldBeBelowZero) {
  const auto faults = [](const std::string& keys) {
    return Load(Metrics("q", "{name=\"n\", type=\"counter\", help=\"N.\", " + keys + "}")).faults;
  };
  EXPECT_THAT(faults("scale=-0.001"), HasSubstr("'scale': must be positive"));
  EXPECT_THAT(faults("map={ok=1, bad=-1}"), HasSubstr("'map': a counter is never below 0"));
  EXPECT_THAT(faults("map={ok=1, bad=0}"), IsEmpty());
  EXPECT_THAT(Load(Query("", "scale = -1.0\n")).faults, IsEmpty()) << "a gauge";
}

TEST(LoadQuery, RefusesWhatAHistogramOfTheQueryHasToo) {
  for (const std::string suffix : {"bucket", "sum", "count"}) {
    const std::string gauge = Metric("h_" + suffix, "gauge"), histogram = Metric("h", "histogram");
    const std::string after = std::string(histogram).append(", ").append(gauge);
    const std::string before = std::string(gauge).append(", ").append(histogram);
    const std::string fault =
        "'name': 'h_" + suffix + "' would stand there twice: of a histogram too\n    4 | ";
    EXPECT_THAT(Load(Metrics("q", after)).faults, HasSubstr(fault));
    EXPECT_THAT(Load(Metrics("q", before)).faults, HasSubstr(fault));
  }
  EXPECT_THAT(
      Load(Metrics("q", Metric("h", "histogram") + ", " + Metric("h_counts", "gauge"))).faults,
      IsEmpty());
  EXPECT_THAT(Load(Metrics("q", Metric("h", "gauge") + ", " + Metric("h_count", "gauge"))).faults,
              IsEmpty());
}

TEST(CheckQueries, RefusesANameTwiceAndATypeThatABuiltInHasOtherwise) {
  EXPECT_THAT(Load(Query({}) + Query({})).faults, HasSubstr("two queries are called 'q'"));
  EXPECT_THAT(Load("[[postgres.queries]]\nname = \"mine\"\nsql = \"SELECT 1\"\n"
                   "metrics = [{name = \"pg_locks_count\", type = \"counter\", help = \"L.\"}]")
                  .faults,
              HasSubstr("pg_locks_count has another type in collector locks"));
  EXPECT_THAT(Load("[[postgres.queries]]\nname = \"locks\"\nsql = \"SELECT 1\"\n"
                   "metrics = [{name = \"pg_locks_count\", type = \"counter\", help = \"L.\"}]")
                  .faults,
              IsEmpty());
}

TEST(CheckQueries, RefusesWhatAHistogramOfAnotherQueryHasToo) {
  const std::string gauge = Metrics("a", Metric("h_sum", "gauge"));
  const std::string histogram = Metrics("b", Metric("h", "histogram"));
  EXPECT_THAT(
      Load(gauge + histogram).faults,
      HasSubstr("orders.toml:8: 'metrics': h_sum would stand there twice: of h and of h_sum "
                "in collector a\n    8 | metrics = [{ name = \"h\""));
  EXPECT_THAT(Load(histogram + gauge).faults,
              HasSubstr("h_sum would stand there twice: of h_sum and of h in collector b"));
  EXPECT_THAT(Load(histogram + Metrics("c", Metric("h", "histogram"))).faults, IsEmpty());
  EXPECT_THAT(Load(Metrics("q", Metric("pg_stat_archiver_archived", "histogram"))).faults,
              HasSubstr("pg_stat_archiver_archived_count would stand there twice: of "
                        "pg_stat_archiver_archived and of pg_stat_archiver_archived_count "
                        "in collector stat_archiver"));
}

TEST(CheckQueries, RefusesATypeThatCollectorsInCppHaveOtherwise) {
  const auto faults = [](const std::string& query, const std::string& name,
                         const std::string& type) {
    return Load(Metrics(query, Metric(name, type))).faults;
  };
  EXPECT_THAT(
      faults("q", "pg_blocked_backends", "counter"),
      HasSubstr("orders.toml:4: 'metrics': pg_blocked_backends has another type in collector "
                "blocking\n    4 | metrics = ["));
  EXPECT_THAT(faults("q", "pg_stat_statements_calls_total", "gauge"),
              HasSubstr("another type in collector stat_statements"));
  EXPECT_THAT(faults("q", "pg_setting_pending_restart", "counter"),
              HasSubstr("another type in collector settings"));
  EXPECT_THAT(faults("q", "pg_settings_max_connections", "counter"),
              HasSubstr("pg_settings_max_connections has another type in collector settings"));
  EXPECT_THAT(faults("q", "pg_settings", "histogram"), HasSubstr("in collector settings"));
  EXPECT_THAT(faults("q", "pg_settings_mine", "gauge"), IsEmpty());
  EXPECT_THAT(faults("settings", "pg_settings_max_connections", "counter"), IsEmpty());
  EXPECT_THAT(faults("blocking", "pg_blocked_backends", "counter"), IsEmpty());
}

TEST(CheckQueries, RefusesAnAgeOfWhatRunsInTheScrape) {
  EXPECT_THAT(Load(Query("max_age = \"5m\"\n")).faults,
              HasSubstr("'max_age': needs an 'interval'\n    4 | max_age = \"5m\""));
  EXPECT_THAT(Load(Query("lane = \"slow\"\nmax_age = \"5m\"\n")).faults,
              HasSubstr("needs an 'interval'"));
  EXPECT_THAT(Load(Query("max_age = \"0s\"\n")).faults, IsEmpty());
  EXPECT_THAT(Load(Query("interval = \"1m\"\nmax_age = \"5m\"\n")).faults, IsEmpty());
  EXPECT_THAT(Load(Query("scope = \"database\"\nmax_age = \"5m\"\n")).faults, IsEmpty());
  std::string replacing = Query("max_age = \"5m\"\n");
  replacing.replace(replacing.find("\"q\""), 3, "\"locks\"");
  EXPECT_THAT(Load(replacing).faults, IsEmpty()) << "[postgres.collectors.locks] may have it";
}

TEST(Builtins, AreSortedAndAllOfUse) {
  const auto builtins = Builtins();
  ASSERT_GT(builtins.size(), 20U);
  for (std::size_t i = 0; i < builtins.size(); ++i) {
    const QueryDef& def = builtins[i];
    EXPECT_TRUE(i == 0 || builtins[i - 1].name < def.name) << def.name;
    EXPECT_TRUE(def.builtin);
    EXPECT_FALSE(def.variants.empty()) << def.name;
    EXPECT_EQ(def.metrics.empty(), FindNative(def.name) != nullptr) << def.name;
  }
}

TEST(Builtins, HaveOneTypeAndHelpForEachFamily) {
  std::map<std::string, const MetricDef*> samples;
  for (const QueryDef& def : Builtins()) {
    for (const MetricDef& metric : def.metrics) {
      for (const std::string& sample : SampleNames(metric.name, metric.kind)) {
        const MetricDef& there = *samples.insert({sample, &metric}).first->second;
        EXPECT_TRUE(there.name == metric.name && there.kind == metric.kind) << sample;
      }
      EXPECT_TRUE(metric.help.ends_with('.')) << metric.name;
    }
  }
}

TEST(Builtins, NeedsNothingOfTheirLoaderThatUsersHaveNot) {
  const Loaded loaded =
      Load("[[postgres.queries]]\nname = \"q\"\nsql = \"SELECT 1\"\n", QueryOrigin::kBuiltin);
  EXPECT_THAT(loaded.faults, HasSubstr("'summary' is missing"));
}

}  // namespace
}  // namespace sidecar::postgres
