#include "exporters/postgres/run_query.h"

#include <gmock/gmock.h>

#include "tests/unit/exporters/postgres/run_query_fixture.h"

namespace sidecar::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kFloat8;
using testing::kInt8;
using testing::kText;
using testing::ScriptedRow;
using ::testing::SizeIs;

class RunQueryTest : public testing::WithQuery {};

TEST_F(RunQueryTest, FindsColumnsByNameInAnyOrderAmongOthers) {
  Define("labels = [\"status\"]", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"extra", kText}, {"n", kInt8}, {"status", kText}},
                  {{"x", "5", "open"}, {"y", "7", "shi\"pped\n"}});
  EXPECT_EQ(Text(), "n{status=\"open\"} 5\nn{status=\"shi\\\"pped\\n\"} 7\n");
  EXPECT_EQ(session_.last().name, "q");
  EXPECT_TRUE(session_.last().own_search_path);
}

TEST_F(RunQueryTest, KeepsLabelsApartThatAreNoUtf8) {
  Define("labels = [\"t\"]", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"t", kText}, {"n", kInt8}}, {{"t\xE4", "5"}, {"t\xF6", "7"}, {"\u00E4", "9"}});
  EXPECT_EQ(Text(), "n{t=\"t\\\\xe4\"} 5\nn{t=\"t\\\\xf6\"} 7\nn{t=\"\u00E4\"} 9\n");
}

TEST_F(RunQueryTest, ScalesMapsAndKeepsLabelsOfAMetricsOwn) {
  Define("labels = [\"a\", \"b\"]",
         R"({name="t_seconds", column="t", type="gauge", help="T.", scale=0.001},
            {name="s", type="gauge", help="S.", labels=["b"], map={on=1, off=0}},
            {name="b_info", type="info", help="B."})");
  session_.Answer({{"a", kText}, {"b", kText}, {"t", kFloat8}, {"s", kText}},
                  {{"1", "2", "1234.567", "on"}});
  EXPECT_EQ(Text(),
            "t_seconds{a=\"1\",b=\"2\"} 1.234567\ns{b=\"2\"} 1\nb_info{a=\"1\",b=\"2\"} 1\n");
}

TEST_F(RunQueryTest, TreatsNullAsTheMetricSays) {
  Define("", R"({name="a", type="gauge", help="A."},
                {name="b", type="gauge", help="B.", null="zero"},
                {name="c", type="gauge", help="C.", null="error"})");
  session_.Answer({{"a", kInt8}, {"b", kInt8}, {"c", kInt8}}, {{std::nullopt, std::nullopt, "1"}});
  EXPECT_EQ(Text(), "b 0\nc 1\n");
  session_.Answer({{"a", kInt8}, {"b", kInt8}, {"c", kInt8}}, {{"1", "2", std::nullopt}});
  EXPECT_EQ(Fault(), "row 1, column 'c' is NULL");
}

TEST_F(RunQueryTest, AddsTheDatabaseInScopeDatabase) {
  Define("scope = \"database\"\nlabels = [\"relname\"]",
         R"({name="n", type="gauge", help="N."},
            {name="n_sum", column="n", type="gauge", help="N.", labels=[], aggregate="sum"})");
  session_.Answer({{"relname", kText}, {"n", kInt8}}, {{"a", "5"}, {"b", "7"}});
  EXPECT_EQ(Text(),
            "n{datname=\"orders\",relname=\"a\"} 5\nn{datname=\"orders\",relname=\"b\"} 7\n"
            "n_sum{datname=\"orders\"} 12\n");
}

TEST_F(RunQueryTest, AggregatesRowsOfEqualLabels) {
  Define("labels = [\"a\"]", R"({name="sum", column="n", type="gauge", help="N.", aggregate="sum"},
            {name="max", column="n", type="gauge", help="N.", aggregate="max"},
            {name="min", column="n", type="gauge", help="N.", aggregate="min"})");
  session_.Answer({{"a", kText}, {"n", kInt8}},
                  {{"x", "5"}, {"y", "1"}, {"x", "-7"}, {"x", std::nullopt}, {"z", std::nullopt}});
  EXPECT_EQ(Text(),
            "sum{a=\"x\"} -2\nsum{a=\"y\"} 1\nmax{a=\"x\"} 5\nmax{a=\"y\"} 1\n"
            "min{a=\"x\"} -7\nmin{a=\"y\"} 1\n");
  EXPECT_THAT(batch_->warnings(), IsEmpty());
}

TEST_F(RunQueryTest, RefusesACounterBelowZero) {
  Define("labels = [\"a\"]", R"({name="n", type="counter", help="N.", null="zero", scale=0.5},
                                {name="m", type="counter", help="M.", aggregate="sum"},
                                {name="g", column="n", type="gauge", help="G."})");
  const auto fault = [&](const ScriptedRow& row) {
    session_.Answer({{"a", kText}, {"n", kInt8}, {"m", kFloat8}}, {{"ok", "0", "0"}, row});
    return Fault();
  };
  EXPECT_EQ(fault({"x", "-5", "1"}), "row 2, column 'n': a counter below 0: '-5'");
  EXPECT_EQ(fault({"x", "5", "-0.1"}), "row 2, column 'm': a counter below 0: '-0.1'");
  EXPECT_EQ(Run().error().code, Errc::kParse);
  EXPECT_EQ(fault({"x", std::nullopt, std::nullopt}), "no fault");
  Define("", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"n", kInt8}}, {{"-5"}});
  EXPECT_EQ(Text(), "n -5\n");
}

TEST_F(RunQueryTest, SaysWhichRowAndColumnIsNoNumber) {
  Define("labels = [\"a\"]", R"({name="n", type="gauge", help="N."})");
  const auto fault = [&](const ScriptedRow& row) {
    session_.Answer({{"a", kText}, {"n", kText}}, {{"ok", "1"}, row});
    return Fault();
  };
  EXPECT_EQ(fault({"x", "many"}), "row 2, column 'n': not a number: 'many'");
  EXPECT_EQ(fault({"x", "NaN"}), "row 2, column 'n': not finite: 'NaN'");
  EXPECT_EQ(fault({"x", "Infinity"}), "row 2, column 'n': not finite: 'Infinity'");
  EXPECT_EQ(fault({"x", std::string("\xff\n", 2)}),
            "row 2, column 'n': not a number: '\\xff\\x0a'");
  EXPECT_EQ(fault({std::nullopt, "1"}),
            "row 2, column 'a': a label is NULL; coalesce() says what it means");
}

TEST_F(RunQueryTest, SaysWhichTextIsNotInTheMap) {
  Define("", R"({name="n", type="gauge", help="N.", map={on=1}})");
  session_.Answer({{"n", kText}}, {{"off"}});
  EXPECT_EQ(Fault(), "row 1, column 'n': not in the map: 'off'");
}

TEST_F(RunQueryTest, SaysWhichColumnIsMissingAlsoWithoutRows) {
  Define("labels = [\"status\"]", R"({name="orders", type="gauge", help="N."})");
  session_.Answer({{"status", kText}, {"n", kInt8}}, {});
  EXPECT_EQ(Fault(), "no column 'orders' in the result; it has 'status, n'");
  session_.Answer({{"orders", kText}}, {});
  EXPECT_THAT(Fault(), HasSubstr("no column 'status'"));
}

TEST_F(RunQueryTest, WantsAColumnOnlyInVersionsThatHaveIt) {
  Define("", R"({name="a", type="gauge", help="A."},
                {name="b", type="gauge", help="B.", versions="16+"})");
  session_.Answer({{"a", kInt8}}, {{"1"}});
  EXPECT_EQ(Text(), "a 1\n");
  session_.facts().version_num = 160004;
  EXPECT_THAT(Fault(), HasSubstr("no column 'b'"));
}

TEST_F(RunQueryTest, WarnsOfRowsThatRepeatLabelsAndKeepsTheFirst) {
  Define("labels = [\"a\"]", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"a", kText}, {"n", kInt8}}, {{"x", "1"}, {"x", "2"}, {"y", "3"}, {"y", "4"}});
  EXPECT_EQ(Text(), "n{a=\"x\"} 1\nn{a=\"y\"} 3\n");
  EXPECT_EQ(dropped_, 2U);
  ASSERT_THAT(batch_->warnings(), SizeIs(1));
  EXPECT_EQ(batch_->warnings()[0].code, Errc::kParse);
  EXPECT_EQ(batch_->warnings()[0].message,
            "row 2 repeats labels {a='x'} of an earlier one and 1 more do");
}

// As a vacuum's phases come: a row each, of which one carries the numbers.
TEST_F(RunQueryTest, MetricsOfOneSeriesMayComeInSeveralRows) {
  Define("labels = [\"a\"]", R"({name="n", type="gauge", help="N."},
                               {name="m", type="gauge", help="M."})");
  session_.Answer({{"a", kText}, {"n", kInt8}, {"m", kInt8}},
                  {{"x", "1", std::nullopt}, {"x", std::nullopt, "2"}, {"x", std::nullopt, {}}});
  EXPECT_EQ(Text(), "n{a=\"x\"} 1\nm{a=\"x\"} 2\n");
  EXPECT_THAT(batch_->warnings(), IsEmpty());
}

TEST_F(RunQueryTest, TellsOfARepeatedRowBeyondSixtyFourMetrics) {
  std::string metrics;
  std::vector<std::pair<std::string, std::uint32_t>> columns = {{"a", kText}};
  ScriptedRow first{"x"}, second{"x"};
  for (int i = 0; i < 66; ++i) {
    const std::string name = "n" + std::to_string(i);
    metrics +=
        std::string(i == 0 ? "" : ",") + "{name=\"" + name + "\", type=\"gauge\", help=\"N.\"}";
    columns.emplace_back(name, kInt8);
    first.emplace_back(i == 65 ? std::nullopt : std::optional<std::string>("1"));
    second.emplace_back(i < 65 ? std::nullopt : std::optional<std::string>("2"));
  }
  Define("labels = [\"a\"]", metrics);
  session_.Answer(columns, {first, second});
  Text();
  EXPECT_THAT(batch_->warnings(), IsEmpty());
  session_.Answer(columns, {first, second, second});
  Text();
  ASSERT_THAT(batch_->warnings(), SizeIs(1));
  EXPECT_THAT(batch_->warnings()[0].message, HasSubstr("row 3 repeats labels {a='x'}"));
}

TEST_F(RunQueryTest, StopsReadingWhenAggregatesHaveTooManyGroups) {
  Define("series_limit = 100\nlabels = [\"a\"]",
         R"({name="n", type="gauge", help="N.", aggregate="sum"})");
  std::vector<ScriptedRow> rows;
  rows.reserve(1'000);
  for (int i = 0; i < 1'000; ++i) rows.push_back({std::to_string(i), "1"});
  session_.Answer({{"a", kText}, {"n", kInt8}}, rows);
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kLimit);
  EXPECT_EQ(session_.rows_read(), 101U);
}

TEST_F(RunQueryTest, StopsReadingWhenAggregatesHaveTooLongLabels) {
  Define("labels = [\"a\"]", R"({name="n", type="gauge", help="N.", aggregate="sum"})");
  std::vector<ScriptedRow> rows;
  rows.reserve(20);
  for (int i = 0; i < 20; ++i)
    rows.push_back({std::string(1U << 20U, 'x') + std::to_string(i), "1"});
  session_.Answer({{"a", kText}, {"n", kInt8}}, rows);
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kLimit);
  EXPECT_LT(session_.rows_read(), 20U);
}

TEST_F(RunQueryTest, StopsReadingPastTheLimit) {
  Define("series_limit = 100", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"n", kInt8}}, {{"1"}}, 1'000'000'000);
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kLimit);
  EXPECT_THAT(run.error().message, HasSubstr("more than 100 series"));
  EXPECT_EQ(session_.rows_read(), 101U);
}

TEST_F(RunQueryTest, StopsReadingRowsThatMakeNoSeries) {
  Define("", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"n", kInt8}}, {{std::nullopt}}, 1'000'000'000);
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kLimit);
  EXPECT_EQ(session_.rows_read(), 1'000'001U);
}

TEST_F(RunQueryTest, KeepsTheFirstRowsWholeWhereItRanksAndCountsWhatItCut) {
  Define("labels = [\"a\"]\nrank_by = \"n\"",
         R"({name="n", type="gauge", help="N."}, {name="m", type="gauge", help="M."},
            {name="total", column="n", type="gauge", help="T.", labels=[], aggregate="sum"})");
  EXPECT_EQ(query_->def().variants[0].sql,
            "SELECT * FROM (\nSELECT 1\n) AS ranked ORDER BY \"n\" DESC NULLS LAST");
  session_.Answer({{"a", kText}, {"n", kInt8}, {"m", kInt8}},
                  {{"x", "9", "1"}, {"y", "8", std::nullopt}, {"z", "7", "1"}, {"w", "6", "2"}});
  const auto run = Run(6);
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->rows, 4U);
  EXPECT_EQ(run->series, 6U);  // x and z whole, y's one, the sum
  EXPECT_EQ(run->cut, 2U);
  batch_->Seal();
  EXPECT_EQ(batch_->samples(), 6U);
  EXPECT_EQ(Run(100)->cut, 0U);
}

TEST_F(RunQueryTest, CutsTotalsToWhereItRanks) {
  Define("labels = [\"t\"]\nrank_by = \"n\"",
         R"({name="n", type="gauge", help="N."},
            {name="s", column="n", type="gauge", help="S.", labels=["g"], aggregate="sum"})");
  std::vector<ScriptedRow> rows;
  rows.reserve(10);
  for (int i = 0; i < 10; ++i) {
    rows.push_back({std::to_string(i), std::to_string(i / 2), std::to_string(20 - i)});
  }
  session_.Answer({{"t", kText}, {"g", kText}, {"n", kInt8}}, rows);
  const auto run = Run(/*series=*/6);
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->series, 6U);
  EXPECT_EQ(run->cut, 9U) << "six of the rows and three totals";
}

TEST_F(RunQueryTest, PassesOnWhatTheSessionSays) {
  Define("", R"({name="n", type="gauge", help="N."})");
  session_.Answer({{"n", kInt8}}, {{"1"}});
  session_.Break({Errc::kTimeout, "canceling statement due to statement timeout"});
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kTimeout);
}

TEST_F(RunQueryTest, RefusesAKindThatTheBatchHasOtherwise) {
  Define("", R"({name="n", type="gauge", help="N."})");
  batch_ = std::make_shared<Batch>();
  Sink sink(*batch_);
  ASSERT_TRUE(sink.Declare({"n", "N.", {}, Kind::kCounter, {}}));
  const Scrape scrape(clock_, clock_.mono() + Millis(5'000), {}, 1);
  session_.Answer({{"n", kInt8}}, {{"1"}});
  const auto run = RunQuery(query_->def(), session_, scrape, {}, sink);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kConfig);
}

TEST_F(RunQueryTest, QualifiesTheExtensionsSchema) {
  Define("extension = \"ext\"", R"({name="n", type="gauge", help="N."})");
  EXPECT_THAT(Fault(), HasSubstr("needs extension ext in database 'orders'"));
  session_.facts().extensions = {{"ext", "1.2", "my \"schema\""}};
  session_.Answer({{"n", kInt8}}, {{"1"}});
  EXPECT_EQ(Text(), "n 1\n");
  const QueryVariant variant{{}, "SELECT @extschema@.f(), @extschema@.g()"};
  EXPECT_EQ(StatementText(query_->def(), variant, session_.facts()),
            "SELECT \"my \"\"schema\"\"\".f(), \"my \"\"schema\"\"\".g()");
}

TEST_F(RunQueryTest, SaysWhyItDoesNotApply) {
  const auto why = [&](const std::string& lines) {
    Define(lines, R"({name="n", type="gauge", help="N."})");
    const auto chosen = Choose(query_->def(), session_.facts());
    return chosen ? std::string("applies")
                  : std::string(chosen.error().code == Errc::kUnsupported ? "unsupported: "
                                : chosen.error().code == Errc::kDenied    ? "denied: "
                                : chosen.error().code == Errc::kNoData    ? "no data: "
                                                                          : "?: ") +
                        chosen.error().message;
  };
  EXPECT_EQ(why("versions = \"15\""), "applies");
  EXPECT_EQ(why("versions = \"16+\""), "unsupported: needs PostgreSQL 16 or later, not 15");
  EXPECT_EQ(why("versions = \"-14\""), "unsupported: needs PostgreSQL 14 or earlier, not 15");
  EXPECT_EQ(why("versions = \"12-13\""), "unsupported: needs PostgreSQL 12 to 13, not 15");
  EXPECT_EQ(why("versions = \"17+\"\nsql = \"SELECT 1 /*!18+ , 2 */\""),
            "unsupported: needs PostgreSQL 17 or later, not 15");
  EXPECT_EQ(why("role = \"primary\""), "applies");
  EXPECT_EQ(why("role = \"standby\""), "no data: is for a standby; this server is a primary");
  EXPECT_EQ(why("privilege = \"pg_monitor\""), "applies");
  EXPECT_EQ(why("privilege = \"superuser\""), "denied: needs a superuser");
  session_.facts().extensions = {{"ext", "1.2", "public"}};
  EXPECT_EQ(why("extension = \"ext\"\nextension_version = \"1.2\""), "applies");
  EXPECT_EQ(why("extension = \"ext\"\nextension_version = \"1.10\""),
            "unsupported: needs extension ext 1.10 or later, not 1.2 (ALTER EXTENSION ext UPDATE)");
  EXPECT_EQ(why("extension = \"ext\"\nversions_of = \"extension\"\nversions = \"1.1-1.2\""),
            "applies");
  EXPECT_EQ(why("extension = \"ext\"\nversions_of = \"extension\"\nversions = \"1.3+\""),
            "unsupported: needs extension ext 1.3 or later, not 1.2");
}

}  // namespace
}  // namespace sidecar::postgres
