#include "common/metrics/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/metrics/sink.h"
#include "tests/support/exposition_parser.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto kCpu = Counter("node_cpu_seconds_total", "CPU time by mode.", "cpu", "mode");
constexpr auto kLoad = Gauge("node_load1", "1m load average.");
constexpr auto kTime = Histogram("run_time_seconds", "Time of a run.", "queue");

std::string Value(double value) {
  Batch batch;
  Sink(batch).Add(kLoad, value);
  const std::string text = Encoded(batch);
  const std::string start =
      "# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\nnode_load1 ";
  EXPECT_TRUE(text.starts_with(start)) << text;
  return text.substr(start.size(), text.size() - start.size() - 1);
}

Sink::Handle Declared(Sink& sink, const FamilyInfo& info) {
  const auto handle = sink.Declare(info);
  EXPECT_TRUE(handle) << handle.error().message;
  return handle.value_or(Sink::Handle{0});
}

TEST(Encoder, KeepsFamiliesTogetherWhateverTheOrderOfTheRows) {
  Batch batch;
  Sink sink(batch);
  for (const char* cpu : {"0", "1"}) {
    sink.Add(kCpu, 1.5, cpu, "idle");
    sink.Add(kLoad, 0.25);
    sink.Add(kCpu, 2, cpu, "user");
  }
  EXPECT_EQ(batch.Seal(), 1U);
  EXPECT_EQ(Encoded(batch), R"(# HELP node_cpu_seconds_total CPU time by mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 1.5
node_cpu_seconds_total{cpu="0",mode="user"} 2
node_cpu_seconds_total{cpu="1",mode="idle"} 1.5
node_cpu_seconds_total{cpu="1",mode="user"} 2
# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 0.25
)");
}

TEST(Encoder, NamesACounterWithoutTotalAndGivesTheUnitInOpenMetrics) {
  Batch batch;
  Sink(batch).Add(kCpu, 1.5, "0", "idle");
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics), R"(# HELP node_cpu_seconds CPU time by mode.
# TYPE node_cpu_seconds counter
# UNIT node_cpu_seconds seconds
node_cpu_seconds_total{cpu="0",mode="idle"} 1.5
# EOF
)");
}

TEST(Encoder, TypesACounterThatLacksTotalUnknownInOpenMetrics) {
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"node_intr", "Interrupts.", "", Kind::kCounter, {}}), 7, {});
  EXPECT_EQ(Encoded(batch),
            "# HELP node_intr Interrupts.\n# TYPE node_intr counter\nnode_intr 7\n");
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics),
            "# HELP node_intr Interrupts.\n# TYPE node_intr unknown\nnode_intr 7\n# EOF\n");
}

TEST(Encoder, LeavesTheShortNameToTheGaugeThatHasIt) {
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"foo_total", "c", "", Kind::kCounter, {}}), 1, {});
  sink.Put(Declared(sink, {"foo", "g", "", Kind::kGauge, {}}), 2, {});
  sink.Put(Declared(sink, {"bar_total", "c", "", Kind::kCounter, {}}), 3, {});
  sink.Put(Declared(sink, {"bar_info", "i", "", Kind::kInfo, {}}), 1, {});
  sink.Put(Declared(sink, {"_total", "c", "", Kind::kCounter, {}}), 1, {});
  const std::string text = Encoded(batch, Format::kOpenMetrics);
  EXPECT_TRUE(ParseExposition(text, Format::kOpenMetrics)) << text;
  EXPECT_THAT(text, HasSubstr("# TYPE foo_total unknown\nfoo_total 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE foo gauge\nfoo 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE bar counter\nbar_total 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE bar_info gauge\nbar_info 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE _total unknown\n_total 1\n"));
}

TEST(Encoder, TypesAnInfoByItsNameAndItsValues) {
  const std::string_view labels[] = {"release"};
  const std::string_view values[] = {"6.1"};
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"node_uname_info", "u", "", Kind::kInfo, labels}), 1, values);
  sink.Put(Declared(sink, {"node_odd", "o", "", Kind::kInfo, labels}), 1, values);
  sink.Put(Declared(sink, {"node_two_info", "t", "", Kind::kInfo, labels}), 2, values);
  const std::string text = Encoded(batch);
  EXPECT_THAT(text,
              HasSubstr("# TYPE node_uname_info gauge\nnode_uname_info{release=\"6.1\"} 1\n"));
  const std::string open_metrics = Encoded(batch, Format::kOpenMetrics);
  EXPECT_TRUE(ParseExposition(open_metrics, Format::kOpenMetrics)) << open_metrics;
  EXPECT_THAT(open_metrics,
              HasSubstr("# TYPE node_uname info\nnode_uname_info{release=\"6.1\"} 1\n"));
  EXPECT_THAT(open_metrics, HasSubstr("# TYPE node_odd gauge\n"));
  EXPECT_THAT(open_metrics, HasSubstr("# TYPE node_two_info gauge\n"));
}

TEST(Encoder, WritesHistogramsWithFloatBoundsAndExemplarsOnlyInOpenMetrics) {
  const double bounds[] = {0.5, 1, 100'000, 1e6};
  const double cumulative[] = {3, 4, 4, 4.5, 5};
  const LabelPair id[] = {{"workflow_id", "a \"b\""}};
  const Exemplar exemplars[] = {{0.7, 1'795'358'818'199, id}, {2e9, -1, {}}};
  Batch batch;
  Sink sink(batch);
  sink.Add(kTime, HistogramValue{bounds, cumulative, 12.25, exemplars}, "main");
  EXPECT_EQ(Encoded(batch), R"(# HELP run_time_seconds Time of a run.
# TYPE run_time_seconds histogram
run_time_seconds_bucket{queue="main",le="0.5"} 3
run_time_seconds_bucket{queue="main",le="1.0"} 4
run_time_seconds_bucket{queue="main",le="100000.0"} 4
run_time_seconds_bucket{queue="main",le="1e+06"} 4.5
run_time_seconds_bucket{queue="main",le="+Inf"} 5
run_time_seconds_sum{queue="main"} 12.25
run_time_seconds_count{queue="main"} 5
)");
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics), R"(# HELP run_time_seconds Time of a run.
# TYPE run_time_seconds histogram
# UNIT run_time_seconds seconds
run_time_seconds_bucket{queue="main",le="0.5"} 3
run_time_seconds_bucket{queue="main",le="1.0"} 4 # {workflow_id="a \"b\""} 0.7 1795358818.199
run_time_seconds_bucket{queue="main",le="100000.0"} 4
run_time_seconds_bucket{queue="main",le="1e+06"} 4.5
run_time_seconds_bucket{queue="main",le="+Inf"} 5 # {} 2000000000 -0.001
run_time_seconds_sum{queue="main"} 12.25
run_time_seconds_count{queue="main"} 5
# EOF
)");
}

TEST(Encoder, WritesSummariesAndEmptyLabels) {
  const double quantiles[] = {0, 0.5, 1};
  const double values[] = {1, std::nan(""), 3};
  const std::string_view labels[] = {"empty"};
  const std::string_view none[] = {""};
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"s", "", "", Kind::kSummary, labels}),
           SummaryValue{quantiles, values, 7, -1.5}, none);
  sink.Put(Declared(sink, {"plain", "", "", Kind::kSummary, {}}), SummaryValue{{}, {}, 0, 0}, {});
  EXPECT_EQ(Encoded(batch), R"(# TYPE s summary
s{empty="",quantile="0.0"} 1
s{empty="",quantile="0.5"} NaN
s{empty="",quantile="1.0"} 3
s_sum{empty=""} -1.5
s_count{empty=""} 7
# TYPE plain summary
plain_sum 0
plain_count 0
)");
}

TEST(Encoder, EscapesHelpAndLabelsAsEachFormatWants) {
  const std::string_view labels[] = {"a"};
  const std::string_view values[] = {"\\ \"quoted\" and\na second line, long enough for a word\n"};
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"g", "a \"b\"\\\n", "", Kind::kUnknown, labels}), 1, values);
  const std::string line = R"(g{a="\\ \"quoted\" and\na second line, long enough for a word\n"} 1)"
                           "\n";
  EXPECT_EQ(Encoded(batch), "# HELP g a \"b\"\\\\\\n\n# TYPE g untyped\n" + line);
  EXPECT_EQ(Encoded(batch, Format::kOpenMetrics),
            "# HELP g a \\\"b\\\"\\\\\\n\n# TYPE g unknown\n" + line + "# EOF\n");
}

TEST(Encoder, SpellsNumbersSoThatTheyReadBack) {
  EXPECT_EQ(Value(0), "0");
  EXPECT_EQ(Value(-0.0), "-0");
  EXPECT_EQ(Value(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(Value(100'000), "100000");
  EXPECT_EQ(Value(9'007'199'254'740'991), "9007199254740991");
  EXPECT_EQ(Value(-9'007'199'254'740'991), "-9007199254740991");
  EXPECT_EQ(std::stod(Value(9'007'199'254'740'994)), 9'007'199'254'740'994);
  EXPECT_EQ(Value(1e300), "1e+300");
  EXPECT_EQ(Value(5e-324), "5e-324");
  EXPECT_EQ(Value(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(Value(std::nan("")), "NaN");
  EXPECT_EQ(Value(-std::nan("")), "NaN");
  EXPECT_EQ(Value(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(Value(-std::numeric_limits<double>::infinity()), "-Inf");
}

TEST(Encoder, GivesNoUnitWhereTheNameIsNothingElse) {
  Batch batch;
  Sink sink(batch);
  sink.Put(Declared(sink, {"seconds", "", "", Kind::kGauge, {}}), 1, {});
  sink.Put(Declared(sink, {"_bytes", "", "", Kind::kGauge, {}}), 1, {});
  sink.Put(Declared(sink, {"a_megabytes", "", "", Kind::kGauge, {}}), 1, {});
  sink.Put(Declared(sink, {"age_seconds_info", "", "", Kind::kInfo, {}}), 1, {});
  sink.Put(Declared(sink, {"a_ratio", "", "", Kind::kGauge, {}}), 1, {});
  const std::string text = Encoded(batch, Format::kOpenMetrics);
  EXPECT_THAT(text, HasSubstr("# UNIT a_ratio ratio\n"));
  EXPECT_THAT(text, Not(HasSubstr("UNIT seconds")));
  EXPECT_THAT(text, Not(HasSubstr("UNIT _bytes")));
  EXPECT_THAT(text, Not(HasSubstr("UNIT a_mega")));
  EXPECT_THAT(text, Not(HasSubstr("UNIT age_seconds")));
}

TEST(Encoder, WritesOnlyTheFamiliesAskedForByFamilyOrSampleName) {
  const double bounds[] = {1};
  const double cumulative[] = {1, 2};
  Batch batch;
  Sink sink(batch);
  sink.Add(kLoad, 1);
  sink.Add(kCpu, 1, "0", "idle");
  sink.Add(kTime, HistogramValue{bounds, cumulative, 1}, "q");
  Snapshot snapshot = SnapshotOf(std::move(batch));
  const auto families = [&](std::vector<std::string> names, Format format) {
    snapshot.names = std::move(names);
    std::string found;
    const auto parsed = ParseExposition(Encoded(snapshot, format), format);
    EXPECT_TRUE(parsed);
    for (const ParsedFamily& family : parsed->families) found += family.name + " ";
    return found;
  };
  EXPECT_EQ(families({"node_load1"}, Format::kText), "node_load1 ");
  EXPECT_EQ(families({"node_cpu_seconds_total"}, Format::kOpenMetrics), "node_cpu_seconds ");
  EXPECT_EQ(families({"run_time_seconds"}, Format::kText), "run_time_seconds ");
  EXPECT_EQ(families({"run_time_seconds_bucket", "node_load1"}, Format::kText),
            "node_load1 run_time_seconds ");
  EXPECT_EQ(families({"run_time_seconds_count"}, Format::kText), "run_time_seconds ");
  EXPECT_EQ(families({"node_load1_sum", "absent"}, Format::kText), "");
}

TEST(Encoder, PutsAFamilyOfSeveralPartsAtItsFirstPlace) {
  Batch first, second;
  Sink(first).Add(kCpu, 1, "0", "idle");
  Sink(first).Add(kLoad, 1);
  Sink(second).Add(kCpu, 2, "1", "idle");
  Snapshot snapshot = SnapshotOf(std::move(first));
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(second)));
  EXPECT_EQ(Encoded(snapshot), R"(# HELP node_cpu_seconds_total CPU time by mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 1
node_cpu_seconds_total{cpu="1",mode="idle"} 2
# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 1
)");
}

TEST(Encoder, WritesNothingForNothing) {
  EXPECT_EQ(Encoded(Snapshot{}), "");
  EXPECT_EQ(Encoded(Snapshot{}, Format::kOpenMetrics), "# EOF\n");
}

TEST(Encoder, CutsTheTextIntoPiecesOf64KiBAtMost) {
  constexpr auto kLong = Gauge("long_label", "A long label.", "text");
  Batch batch;
  Sink sink(batch, {.series = 5'000, .label_bytes = 1U << 20U});
  std::string expected = "# HELP long_label A long label.\n# TYPE long_label gauge\n";
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = std::to_string(i) + std::string(i == 1'500 ? 300'000 : 60, 'x');
    sink.Add(kLong, i, text);
    expected += "long_label{text=\"" + text + "\"} " + std::to_string(i) + "\n";
  }
  std::string text;
  std::size_t pieces = 0;
  const auto encoded =
      Encode(SnapshotOf(std::move(batch)), Format::kText, [&](std::string_view piece) {
        EXPECT_LE(piece.size(), 64U << 10U);
        EXPECT_FALSE(piece.empty());
        ++pieces;
        text += piece;
        return Result<>{};
      });
  EXPECT_TRUE(encoded);
  EXPECT_TRUE(text == expected);
  EXPECT_LT(pieces, 2 * text.size() / (64U << 10U));
}

TEST(Encoder, EndsAtTheFirstErrorOfItsPeer) {
  Batch batch;
  Sink sink(batch);
  for (int i = 0; i < 20'000; ++i) sink.Add(kCpu, i, std::to_string(i), "idle");
  std::size_t writes = 0;
  const auto encoded = Encode(SnapshotOf(std::move(batch)), Format::kText, [&](std::string_view) {
    ++writes;
    return Result<>(Fail(Errc::kUnavailable, "gone"));
  });
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().message, "gone");
  EXPECT_EQ(writes, 1U);
}

}  // namespace
}  // namespace sidecar
