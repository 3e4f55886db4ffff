#include "common/metrics/sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

using testing::HasSubstr;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr auto kGauge = Gauge("g", "A gauge.", "a");
constexpr auto kHistogram = Histogram("h", "A histogram.");

std::string FailureOf(const Batch& batch) {
  return batch.failure() ? batch.failure()->message : "none";
}
void ExpectLimit(const Batch& batch, const char* text) {
  ASSERT_TRUE(batch.failure());
  EXPECT_EQ(batch.failure()->code, Errc::kLimit);
  EXPECT_THAT(batch.failure()->message, HasSubstr(text));
}

TEST(Sink, RefusesNamesThatNoFamilyMayHave) {
  Batch batch;
  Sink sink(batch);
  for (const char* name : {"", "1a", "a-b", "a b", "a\n", "\xC3\xA9", "a{b=\"c\"}"}) {
    const auto handle = sink.Declare({name, "", "", Kind::kGauge, {}});
    ASSERT_FALSE(handle) << name;
    EXPECT_EQ(handle.error().code, Errc::kConfig);
  }
  EXPECT_TRUE(sink.Declare({"recorded:by:rule", "", "", Kind::kGauge, {}}));
  for (const char* label : {"", "le", "quantile", "__name__", "a:b", "9"}) {
    const std::string_view labels[] = {label};
    EXPECT_FALSE(sink.Declare({"ok", "", "", Kind::kGauge, labels})) << label;
  }
  const std::string_view twice[] = {"a", "b", "a"};
  EXPECT_FALSE(sink.Declare({"ok", "", "", Kind::kGauge, twice}));
  EXPECT_FALSE(batch.failure());
}

TEST(Sink, RefusesTheSecondKindOfAFamily) {
  Batch batch;
  Sink sink(batch);
  ASSERT_TRUE(sink.Declare({"g", "", "", Kind::kCounter, {}}));
  const auto clash = sink.Declare({"g", "", "", Kind::kGauge, {}});
  ASSERT_FALSE(clash);
  EXPECT_EQ(clash.error().code, Errc::kConfig);
  EXPECT_EQ(clash.error().message, "g is a gauge here and a counter elsewhere");
  EXPECT_FALSE(batch.failure());
  sink.Add(kGauge, 1, "x");
  EXPECT_EQ(FailureOf(batch), "g is a gauge here and a counter elsewhere");
  EXPECT_EQ(batch.samples(), 0U);
}

TEST(Sink, GivesOneHandleForOneFamily) {
  Batch batch;
  Sink sink(batch);
  const std::string_view labels[] = {"a"};
  sink.Add(kGauge, 1, "x");
  const auto first = sink.Declare({"g", "other help", "", Kind::kGauge, labels});
  const auto second = sink.Declare({"g", "", "", Kind::kGauge, labels});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->index, second->index);
  const std::string_view values[] = {"y"};
  sink.Put(*first, 2, values);
  EXPECT_EQ(Encoded(batch), "# HELP g A gauge.\n# TYPE g gauge\ng{a=\"x\"} 1\ng{a=\"y\"} 2\n");
}

TEST(Sink, KeepsRowsOfOneNameAndSeveralLabelListsTogether) {
  Batch batch;
  Sink sink(batch);
  const std::string_view ab[] = {"a", "b"}, b[] = {"b"};
  const auto one = sink.Declare({"v", "h", "", Kind::kGauge, ab});
  const auto other = sink.Declare({"w", "", "", Kind::kGauge, {}});
  const auto two = sink.Declare({"v", "h", "", Kind::kGauge, b});
  ASSERT_TRUE(one && two && other);
  const std::string_view xy[] = {"x", "y"}, z[] = {"z"};
  sink.Put(*one, 1, xy);
  sink.Put(*other, 5, {});
  sink.Put(*two, 2, z);
  EXPECT_EQ(Encoded(batch),
            "# HELP v h\n# TYPE v gauge\nv{a=\"x\",b=\"y\"} 1\nv{b=\"z\"} 2\n"
            "# TYPE w gauge\nw 5\n");
}

TEST(Sink, FailsTheRunPastTheBoundOfSeries) {
  Batch batch;
  Sink sink(batch, {.series = 2});
  sink.Add(kGauge, 1, "a");
  sink.Add(kGauge, 1, "b");
  EXPECT_FALSE(batch.failure());
  for (int i = 0; i < 10; ++i) sink.Add(kGauge, 1, "c");
  ExpectLimit(batch, "more than 2 series");
  EXPECT_EQ(batch.samples(), 2U);
}

TEST(Sink, CountsEverySeriesOfAHistogram) {
  const double bounds[] = {1, 2};
  const double cumulative[] = {1, 2, 3};
  Batch batch;
  Sink(batch, {.series = 5}).Add(kHistogram, HistogramValue{bounds, cumulative, 1});
  EXPECT_EQ(FailureOf(batch), "none");
  Batch small;
  Sink(small, {.series = 4}).Add(kHistogram, HistogramValue{bounds, cumulative, 1});
  ExpectLimit(small, "more than 4 series");
}

TEST(Sink, FailsTheRunPastTheBoundOfALabel) {
  Batch batch;
  Sink sink(batch, {.label_bytes = 8});
  sink.Add(kGauge, 1, "12345678");
  EXPECT_EQ(FailureOf(batch), "none");
  sink.Add(kGauge, 1, "123456789");
  ExpectLimit(batch, "g: label a has 9 bytes, more than 8");

  batch.Clear();
  const auto foreign = sink.Declare({"f", "", "", Kind::kGauge, {}});
  ASSERT_TRUE(foreign);
  const LabelPair labels[] = {{"b", "123456789"}};
  sink.PutForeign(*foreign, 1, labels);
  ExpectLimit(batch, "f: label b has 9 bytes, more than 8");
}

TEST(Sink, FailsTheRunPastTheBoundOfBytes) {
  Batch batch;
  Sink sink(batch, {.series = 1'000'000, .label_bytes = 1'024, .bytes = 100'000});
  const std::string label(1'000, 'x');
  for (int i = 0; i < 1'000; ++i) sink.Add(kGauge, i, label + std::to_string(i));
  ExpectLimit(batch, "more than 100000 bytes");
  EXPECT_GT(batch.samples(), 90U);
  EXPECT_LT(batch.samples(), 100U);
}

TEST(Sink, FailsTheRunThatDeclaresWithoutEnd) {
  Batch batch;
  Sink sink(batch, {.series = 10, .label_bytes = 10, .bytes = 100'000});
  Result<Sink::Handle> last = Sink::Handle{0};
  for (int i = 0; i < 10'000 && last; ++i) {
    last = sink.Declare({"n" + std::to_string(i), "", "", Kind::kGauge, {}});
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Errc::kLimit);
  ExpectLimit(batch, "more than 100000 bytes");
}

TEST(Sink, ReplacesRunsOfInvalidBytes) {
  Batch batch;
  Sink sink(batch);
  for (const std::string_view label :
       {std::string_view("ok \xC3\xA9\xF0\x9F\x8E\x89"), std::string_view("a\xFF\xFE b\x80"),
        std::string_view("cut \xE2\x82"), std::string_view("\xED\xA0\x80 surrogate"),
        std::string_view("\xC0\xAF overlong"), std::string_view("\xF5 beyond"),
        std::string_view("nul \0 stays", 11)}) {
    sink.Add(kGauge, 1, label);
  }
  const std::string help("\xFFhelp");
  const auto odd = sink.Declare({"odd", help, "", Kind::kGauge, {}});
  ASSERT_TRUE(odd);
  sink.Put(*odd, 1, {});
  EXPECT_EQ(FailureOf(batch), "none");
  const std::string text = Encoded(batch);
  for (const std::string_view line : {std::string_view("{a=\"ok \xC3\xA9\xF0\x9F\x8E\x89\"}"),
                                      std::string_view("{a=\"a\xEF\xBF\xBD b\xEF\xBF\xBD\"}"),
                                      std::string_view("{a=\"cut \xEF\xBF\xBD\"}"),
                                      std::string_view("{a=\"\xEF\xBF\xBD surrogate\"}"),
                                      std::string_view("{a=\"\xEF\xBF\xBD overlong\"}"),
                                      std::string_view("{a=\"\xEF\xBF\xBD beyond\"}"),
                                      std::string_view("{a=\"nul \0 stays\"}", 17),
                                      std::string_view("# HELP odd \xEF\xBF\xBDhelp\n")}) {
    EXPECT_THAT(text, HasSubstr(std::string(line)));
  }
}

TEST(Sink, RefusesHistogramsThatAreNone) {
  const auto fault = [](std::vector<double> bounds, std::vector<double> cumulative) {
    Batch batch;
    Sink(batch).Add(kHistogram, HistogramValue{bounds, cumulative, 0});
    EXPECT_TRUE(!batch.failure() || batch.failure()->code == Errc::kInternal);
    EXPECT_EQ(batch.samples(), batch.failure() ? 0U : 1U);
    return FailureOf(batch);
  };
  EXPECT_EQ(fault({}, {0}), "none");
  EXPECT_EQ(fault({1, 2}, {0, 0.5, 0.5}), "none");
  EXPECT_THAT(fault({1, 2}, {0, 1}), HasSubstr("one count a bound"));
  EXPECT_THAT(fault({}, {}), HasSubstr("one count a bound"));
  EXPECT_THAT(fault({2, 1}, {0, 1, 2}), HasSubstr("ascend"));
  EXPECT_THAT(fault({1, 1}, {0, 1, 2}), HasSubstr("ascend"));
  EXPECT_THAT(fault({1, kInf}, {0, 1, 2}), HasSubstr("finite"));
  EXPECT_THAT(fault({std::nan("")}, {0, 1}), HasSubstr("finite"));
  EXPECT_THAT(fault({1, 2}, {0, 2, 1}), HasSubstr("never fall"));
  EXPECT_THAT(fault({1}, {-1, 1}), HasSubstr("never fall"));
  EXPECT_THAT(fault({1}, {0, std::nan("")}), HasSubstr("finite"));
}

TEST(Sink, RefusesSummariesThatAreNone) {
  const auto fault = [](std::vector<double> quantiles, std::vector<double> values, double count) {
    Batch batch;
    Sink sink(batch);
    const auto handle = sink.Declare({"s", "", "", Kind::kSummary, {}});
    sink.Put(handle.value(), SummaryValue{quantiles, values, count, std::nan("")}, {});
    return FailureOf(batch);
  };
  EXPECT_EQ(fault({0, 0.5, 1}, {1, kInf, std::nan("")}, 3), "none");
  EXPECT_THAT(fault({0.5}, {}, 1), HasSubstr("one value a quantile"));
  EXPECT_THAT(fault({0.5, 0.5}, {1, 2}, 1), HasSubstr("ascend"));
  EXPECT_THAT(fault({0.5, 1.5}, {1, 2}, 1), HasSubstr("between 0 and 1"));
  EXPECT_THAT(fault({std::nan("")}, {1}, 1), HasSubstr("between 0 and 1"));
  EXPECT_THAT(fault({}, {}, -1), HasSubstr("not negative"));
  EXPECT_THAT(fault({}, {}, std::nan("")), HasSubstr("not negative"));
}

TEST(Sink, RefusesRowsThatDoNotFitTheirFamily) {
  Batch batch;
  Sink sink(batch);
  const std::string_view labels[] = {"a", "b"};
  const auto handle = sink.Declare({"g", "", "", Kind::kGauge, labels});
  ASSERT_TRUE(handle);
  const std::string_view one[] = {"x"};
  sink.Put(*handle, 1, one);
  EXPECT_EQ(FailureOf(batch), "g: a row of 1 labels");
  batch.Clear();
  const auto again = sink.Declare({"g", "", "", Kind::kGauge, labels});
  ASSERT_TRUE(again);
  sink.Put(*again, SummaryValue{}, labels);
  EXPECT_EQ(FailureOf(batch), "g: a value of another kind");
  batch.Clear();
  sink.Put(Sink::Handle{12'345}, 1, {});
  EXPECT_EQ(FailureOf(batch), "a handle that this batch did not give");
}

TEST(Sink, SortsForeignLabelsAndRefusesBadOnes) {
  Batch batch;
  Sink sink(batch);
  const auto handle = sink.Declare({"f", "", "", Kind::kUnknown, {}});
  ASSERT_TRUE(handle);
  const LabelPair ba[] = {{"b", "2"}, {"a", "1"}}, le[] = {{"le", "1"}};
  sink.PutForeign(*handle, 1, ba);
  sink.PutForeign(*handle, 2, le);
  sink.PutForeign(*handle, 3, {});
  EXPECT_EQ(Encoded(batch), "# TYPE f untyped\nf{a=\"1\",b=\"2\"} 1\nf{le=\"1\"} 2\nf 3\n");
  for (const char* name : {"a", "", "9", "__name__", "\xFF"}) {
    const LabelPair bad[] = {{"a", "1"}, {name, "2"}};
    Batch other;
    Sink refusing(other);
    refusing.PutForeign(*refusing.Declare({"f", "", "", Kind::kUnknown, {}}), 1, bad);
    ASSERT_TRUE(other.failure()) << name;
    EXPECT_EQ(other.failure()->code, Errc::kParse);
  }
}

TEST(Sink, LeavesOutExemplarsThatMayNotBeShownAndKeepsTheRow) {
  const double bounds[] = {1};
  const double cumulative[] = {1, 2};
  const std::string fits(126, 'x'), accents = "\xC3\xA9";
  std::string wide;
  for (int i = 0; i < 126; ++i) wide += accents;
  const auto lines = [&](std::vector<LabelPair> labels, double value) {
    const Exemplar exemplars[] = {{value, 1'000, labels}};
    Batch batch;
    Sink(batch).Add(kHistogram, HistogramValue{bounds, cumulative, 1, exemplars});
    EXPECT_EQ(batch.samples(), 1U);
    const std::string text = Encoded(batch, Format::kOpenMetrics);
    return text.find(" # {") != std::string::npos;
  };
  EXPECT_TRUE(lines({{"id", fits}}, 1));
  EXPECT_FALSE(lines({{"id", fits + "x"}}, 1));
  EXPECT_TRUE(lines({{"id", wide}}, 1));
  EXPECT_FALSE(lines({{"id", wide + accents}}, 1));
  EXPECT_FALSE(lines({{"a", "1"}, {"a", "2"}}, 1));
  EXPECT_FALSE(lines({{"bad-name", "1"}}, 1));
  EXPECT_FALSE(lines({}, std::nan("")));
  EXPECT_TRUE(lines({}, kInf));
  EXPECT_TRUE(lines({}, -kInf));
}

TEST(Sink, KeepsTheLatestExemplarOfEachBucket) {
  const double bounds[] = {1, 2};
  const double cumulative[] = {1, 2, 3};
  const Exemplar exemplars[] = {
      {5, 1'000, {}}, {0.5, 3'000, {}}, {0.25, 2'000, {}}, {9, 4'000, {}}};
  Batch batch;
  Sink(batch).Add(kHistogram, HistogramValue{bounds, cumulative, 1, exemplars});
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics), R"(# HELP h A histogram.
# TYPE h histogram
h_bucket{le="1.0"} 1 # {} 0.5 3.000
h_bucket{le="2.0"} 2
h_bucket{le="+Inf"} 3 # {} 9 4.000
h_sum 1
h_count 3
# EOF
)");
}

TEST(Sink, AppendsTheRowsOfAnotherBatch) {
  const double bounds[] = {1};
  const double cumulative[] = {1, 2};
  const LabelPair id[] = {{"id", "7"}};
  const Exemplar exemplars[] = {{1, 1'000, id}};
  Batch part;
  Sink rows(part);
  rows.Add(kGauge, 1, "x");
  rows.Add(kHistogram, HistogramValue{bounds, cumulative, 1, exemplars});
  rows.PutForeign(*rows.Declare({"f", "", "", Kind::kGauge, {}}), 3, id);
  rows.Warn({Errc::kDenied, "one database"});

  Batch batch;
  Sink sink(batch);
  sink.Add(kGauge, 2, "y");
  sink.Append(part);
  sink.Append(part);
  EXPECT_EQ(batch.samples(), 7U);
  EXPECT_EQ(batch.warnings().size(), 2U);
  EXPECT_EQ(batch.Seal(), 3U);
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics), R"(# HELP g A gauge.
# TYPE g gauge
g{a="y"} 2
g{a="x"} 1
# HELP h A histogram.
# TYPE h histogram
h_bucket{le="1.0"} 1 # {id="7"} 1 1.000
h_bucket{le="+Inf"} 2
h_sum 1
h_count 2
# TYPE f gauge
f{id="7"} 3
# EOF
)");
}

TEST(Sink, WarnsOfPartsThatCannotBeAppended) {
  Batch part, failed;
  Sink rows(part);
  rows.Add(kGauge, 1, "x");
  rows.Add(kHistogram, HistogramValue{{}, std::vector<double>{1}, 1});
  Sink(failed).Put(Sink::Handle{9}, 1, {});

  Batch batch;
  Sink sink(batch);
  ASSERT_TRUE(sink.Declare({"g", "", "", Kind::kCounter, {}}));
  sink.Append(part);
  sink.Append(failed);
  ASSERT_EQ(batch.warnings().size(), 2U);
  EXPECT_EQ(batch.warnings()[0].message, "g is a gauge here and a counter elsewhere");
  EXPECT_EQ(batch.warnings()[1].message, "a handle that this batch did not give");
  EXPECT_EQ(batch.samples(), 1U);
  EXPECT_FALSE(batch.failure());
}

TEST(Sink, AppendsWithinItsOwnBounds) {
  Batch part;
  Sink rows(part);
  for (int i = 0; i < 10; ++i) rows.Add(kGauge, i, std::to_string(i));
  Batch batch;
  Sink(batch, {.series = 9}).Append(part);
  ExpectLimit(batch, "more than 9 series");
}

TEST(Sink, KeepsABoundedNumberOfWarnings) {
  Batch batch;
  Sink sink(batch);
  for (int i = 0; i < 10'000; ++i) sink.Warn({Errc::kDenied, "no"});
  EXPECT_LE(batch.warnings().size(), 100U);
}

}  // namespace
}  // namespace sidecar
