#include <gmock/gmock.h>

#include "tests/unit/exporters/postgres/run_query_fixture.h"

namespace sidecar::postgres {
namespace {

using ::testing::HasSubstr;
using testing::kFloat8;
using testing::kInt8;
using testing::kText;
using testing::ScriptedRow;

class QueryHistogramsTest : public testing::WithQuery {};

TEST_F(QueryHistogramsTest, MakesHistogramsWithExemplars) {
  Define("labels = [\"k\"]",
         R"({name="h_seconds", type="histogram", help="H.", scale=0.001, bounds="b", counts="c",
             sum="s", count="n", exemplar_value="ev", exemplar_time="et",
             exemplar_labels=["order_id"]})");
  const std::vector<std::pair<std::string, std::uint32_t>> columns = {
      {"k", kText}, {"b", 1022},  {"c", 1016},  {"s", kFloat8},
      {"n", kInt8}, {"ev", 1022}, {"et", 1022}, {"order_id", 1009}};
  session_.Answer(columns, {{"x", "{0,30000}", "{1,4}", "90500", "5", "{NULL,100}",
                             "{1,1700000000.5}", "{a,\"o 1\"}"}});
  EXPECT_EQ(Text(Format::kOpenMetrics),
            "h_seconds_bucket{k=\"x\",le=\"0.0\"} 1\nh_seconds_bucket{k=\"x\",le=\"30.0\"} 4 # "
            "{order_id=\"o 1\"} 0.1 1700000000.500\n"
            "h_seconds_bucket{k=\"x\",le=\"+Inf\"} 5\nh_seconds_sum{k=\"x\"} 90.5\n"
            "h_seconds_count{k=\"x\"} 5\n");
}

TEST_F(QueryHistogramsTest, ShowsExemplarsWithoutLabels) {
  Define("", R"({name="h", type="histogram", help="H.", bounds="b", counts="c", sum="s",
                 count="n", exemplar_value="ev", exemplar_time="et", exemplar_labels=[]})");
  session_.Answer(
      {{"b", 1022}, {"c", 1016}, {"s", kFloat8}, {"n", kInt8}, {"ev", 1022}, {"et", 1022}},
      {{"{30}", "{1}", "5", "1", "{5}", "{1700000000}"}});
  EXPECT_THAT(Text(Format::kOpenMetrics),
              HasSubstr("h_bucket{le=\"30.0\"} 1 # {} 5 1700000000.000"));
}

TEST_F(QueryHistogramsTest, ScalesBoundsAndSumsOnlyWhereverTheirColumnsAre) {
  Define("", R"({name="h", type="histogram", help="H.", scale=0.001, bounds="b", counts="c",
                 sum="s", count="n"})");
  session_.Answer({{"c", 1016}, {"b", 1022}, {"s", kFloat8}, {"n", kInt8}},
                  {{"{4}", "{30000}", "90500", "5"}});
  EXPECT_EQ(Text(), "h_bucket{le=\"30.0\"} 4\nh_bucket{le=\"+Inf\"} 5\nh_sum 90.5\nh_count 5\n");
}

TEST_F(QueryHistogramsTest, FailsWhereAHistogramNamesNoColumn) {
  const MetricDef metric{
      .name = "h", .help = "H.", .unit = {}, .column = {}, .kind = Kind::kHistogram};
  const QueryVariant variant{{}, "SELECT"};
  QueryDef def;
  def.name = "q";
  def.variants = {&variant, 1};
  def.metrics = {&metric, 1};
  session_.Answer({}, {{}});
  Batch batch;
  Sink sink(batch);
  const auto run =
      RunQuery(def, session_, Scrape(clock_, clock_.mono() + Millis(5'000), {}, 1), {}, sink);
  ASSERT_FALSE(run);
  EXPECT_THAT(run.error().message, HasSubstr("no column ''"));
}

TEST_F(QueryHistogramsTest, RefusesHistogramsThatAreNone) {
  Define("", R"({name="h", type="histogram", help="H.", bounds="b", counts="c", sum="s",
                 count="n", null="error"})");
  const auto fault = [&](const ScriptedRow& row) {
    session_.Answer({{"b", 1022}, {"c", 1016}, {"s", kFloat8}, {"n", kInt8}}, {row});
    return Fault();
  };
  EXPECT_THAT(fault({"{0,30}", "{1}", "1", "1"}), HasSubstr("1 counts for 2 bounds"));
  EXPECT_THAT(fault({"{30,30}", "{1,2}", "1", "2"}), HasSubstr("bounds must ascend"));
  EXPECT_THAT(fault({"{0,30}", "{2,1}", "1", "2"}), HasSubstr("never fall"));
  EXPECT_THAT(fault({"{0,30}", "{1,5}", "1", "2"}), HasSubstr("never fall"));
  EXPECT_THAT(fault({"{0,30}", "{-1,5}", "1", "7"}), HasSubstr("never fall"));
  EXPECT_THAT(fault({"0,30", "{1,5}", "1", "5"}), HasSubstr("column 'b': not an array"));
  EXPECT_THAT(fault({"{0,30}", "{1,NaN}", "1", "5"}), HasSubstr("not finite"));
  EXPECT_THAT(fault({"{0,30}", std::nullopt, "1", "5"}), HasSubstr("column 'c' is NULL"));
  EXPECT_EQ(fault({"{0,30}", "{1,5}", "1", "5"}), "no fault");
  EXPECT_EQ(fault({"{}", "{}", "1", "5"}), "no fault");
}

}  // namespace
}  // namespace sidecar::postgres
