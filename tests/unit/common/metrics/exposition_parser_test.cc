#include "tests/support/exposition_parser.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/golden.h"

namespace sidecar {
namespace {

std::string FaultOf(const std::string& text, Format format) {
  const auto parsed = ParseExposition(text, format);
  return parsed ? "none" : parsed.error().message;
}
std::string Text(const std::string& text) { return FaultOf(text, Format::kText); }
std::string OpenMetrics(const std::string& text) {
  return FaultOf(text + "# EOF\n", Format::kOpenMetrics);
}

TEST(ExpositionParser, ReadsWhatTheTextFormatHas) {
  const auto parsed = ParseExposition(
      "# HELP a It is \"a\"\\\\\\n.\n# TYPE a untyped\na{x=\"\\\"\\\\\\n\",y=\"\"} -0\na NaN\n"
      "# a comment\n\n# TYPE b_total counter\nb_total +Inf\n",
      Format::kText);
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->families.size(), 2U);
  const ParsedFamily& a = parsed->families[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, "untyped");
  EXPECT_EQ(a.help, "It is \"a\"\\\n.");
  ASSERT_EQ(a.samples.size(), 2U);
  EXPECT_EQ(a.samples[0].labels, (ParsedLabels{{"x", "\"\\\n"}, {"y", ""}}));
  EXPECT_TRUE(std::signbit(a.samples[0].value));
  EXPECT_TRUE(std::isnan(a.samples[1].value));
  EXPECT_TRUE(std::isinf(parsed->Find("b_total")->samples.at(0).value));
  EXPECT_EQ(parsed->Find("b"), nullptr);
}

TEST(ExpositionParser, ReadsWhatOpenMetricsHas) {
  const auto parsed = ParseExposition(
      "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds A.\n"
      "a_seconds_total{b=\"c\"} 1.5 # {id=\"7\"} 0.5 1.25\n# TYPE i info\ni_info{v=\"1\"} 1\n"
      "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
      "# EOF\n",
      Format::kOpenMetrics);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const ParsedFamily& a = parsed->families.at(0);
  EXPECT_EQ(a.unit, "seconds");
  ASSERT_TRUE(a.samples.at(0).exemplar);
  EXPECT_EQ(a.samples[0].exemplar->time_ms, 1'250);
  EXPECT_EQ(parsed->Series(),
            (std::set<std::string>{"a_seconds_total{b=\"c\",}", "i_info{v=\"1\",}",
                                   "h_bucket{le=\"1.0\",}", "h_bucket{le=\"+Inf\",}", "h_sum{}",
                                   "h_count{}"}));
}

TEST(ExpositionParser, RefusesBrokenLines) {
  const std::string type = "# TYPE a gauge\n";
  for (const char* line : {"a",
                           "a ",
                           "a  1",
                           "a 1 ",
                           "a 1 2",
                           "a x",
                           "a 1e999",
                           "a inf",
                           "a nan",
                           "a Nan",
                           "a +1",
                           "a 0x10",
                           "a{} 1",
                           "a{b=\"c\",} 1",
                           "a{b=\"c\" } 1",
                           "a{b=c} 1",
                           "a{b=\"c} 1",
                           "a{b=\"\\t\"} 1",
                           "a{b=\"c\"\"d\"} 1",
                           "a{1b=\"c\"} 1",
                           "a{b=\"c\",b=\"d\"} 1",
                           "a{__name__=\"b\"} 1",
                           "a{b=\"c\"}1",
                           "a-b 1",
                           " a 1",
                           "b 1",
                           "a_total 1",
                           "a{b=\"\xFF\"} 1",
                           "a 1 # {} 1"}) {
    EXPECT_NE(Text(type + line + "\n"), "none") << line;
    EXPECT_NE(OpenMetrics(type + line + "\n"), "none") << line;
  }
  EXPECT_EQ(Text(type + "a 1"), "the last line has no end");
}

TEST(ExpositionParser, RefusesFamiliesThatAreNotInOnePieceOrNotTyped) {
  EXPECT_EQ(Text("a 1\n"), "line 1: a sample without a TYPE");
  EXPECT_EQ(Text("# HELP a A.\na 1\n"), "line 2: a sample without a TYPE");
  EXPECT_EQ(Text("# TYPE a gauge\n"), "at the end: a has no samples");
  EXPECT_EQ(Text("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x=\"y\"} 1\n"),
            "line 5: family a twice");
  EXPECT_EQ(Text("# TYPE a gauge\n# TYPE a gauge\na 1\n"), "line 2: a second TYPE");
  EXPECT_EQ(Text("# HELP a A.\n# HELP a A.\n"), "line 2: a second HELP");
  EXPECT_EQ(Text("# TYPE a gauge\na 1\n# HELP a A.\n"), "line 3: metadata behind the samples");
  EXPECT_EQ(Text("# TYPE a unknown\na 1\n"), "line 1: bad type 'unknown'");
  EXPECT_EQ(OpenMetrics("# TYPE a untyped\na 1\n"), "line 1: bad type 'untyped'");
}

TEST(ExpositionParser, RefusesRepeatedSeriesWhateverTheOrderOfLabels) {
  EXPECT_EQ(Text("# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n"),
            "line 3: series a{x=\"1\",y=\"2\",} twice");
  EXPECT_EQ(Text("# TYPE a gauge\na 1\na{x=\"\"} 1\n"), "line 3: series a{} twice");
  EXPECT_EQ(Text("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
                 "# TYPE h_count gauge\nh_count 1\n"),
            "line 6: series h_count{} twice");
}

TEST(ExpositionParser, RefusesHistogramsThatDoNotAddUp) {
  const auto fault = [](const std::string& rows) {
    return Text("# TYPE h histogram\n" + rows + "# TYPE z gauge\nz 1\n");
  };
  EXPECT_EQ(fault("h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"), "none");
  const std::string end = "h_sum 1\nh_count 2\n";
  for (const std::string& rows :
       {end, "h_bucket{le=\"1.0\"} 2\n" + end, "h_bucket{le=\"+Inf\"} 1\n" + end,
        "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 2\n" + end,
        "h_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 2\n" + end,
        "h_bucket{le=\"2.0\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n" + end,
        std::string("h_bucket{le=\"+Inf\"} 2\nh_sum 1\n"),
        std::string("h_bucket 2\nh_sum 1\nh_count 2\n"), "h 2\nh_bucket{le=\"+Inf\"} 2\n" + end,
        "h_bucket{a=\"1\",le=\"+Inf\"} 2\n" + end,
        std::string("h_bucket{le=\"+Inf\"} 2\nh_sum{le=\"1.0\"} 1\nh_count 2\n")}) {
    EXPECT_NE(fault(rows), "none") << rows;
  }
}

TEST(ExpositionParser, RefusesWhatOpenMetricsForbids) {
  EXPECT_EQ(FaultOf("# TYPE a gauge\na 1\n", Format::kOpenMetrics), "no # EOF");
  EXPECT_EQ(FaultOf("# EOF\n# EOF\n", Format::kOpenMetrics), "line 2: something after # EOF");
  EXPECT_EQ(OpenMetrics("\n"), "line 1: an empty line");
  EXPECT_EQ(OpenMetrics("# hello\n"), "line 1: a comment");
  EXPECT_NE(OpenMetrics("# TYPE a counter\na 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE a_total counter\na_total 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE a info\na_info 2\n"), "none");
  EXPECT_NE(OpenMetrics("# HELP a \"A\"\n# TYPE a gauge\na 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE a gauge\n# UNIT a seconds\na 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE seconds gauge\n# UNIT seconds seconds\nseconds 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE a gauge\na 1 # {} 1\n"), "none");
  const std::string id(127, 'x');
  EXPECT_NE(OpenMetrics("# TYPE a counter\na_total 1 # {id=\"" + id + "\"} 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE s summary\ns{quantile=\"1.5\"} 1\ns_sum 1\ns_count 1\n"), "none");
  EXPECT_NE(OpenMetrics("# TYPE s summary\ns_sum 1\n"), "none");
}

TEST(Golden, ShowsTheLinesThatDiffer) {
  if (std::getenv("UPDATE_GOLDEN") != nullptr) GTEST_SKIP() << "UPDATE_GOLDEN is set";
  EXPECT_NONFATAL_FAILURE(ExpectGolden("a 1\n", "metrics/absent.prom"), "there is no ");
  ExpectGolden("# TYPE a gauge\na 1\na 2\n", "metrics/golden_test.prom");
  EXPECT_NONFATAL_FAILURE(ExpectGolden("# TYPE a gauge\na 2\na 3", "metrics/golden_test.prom"),
                          "-a 1\n+a 3\n\\ no newline at the end\n");
}

}  // namespace
}  // namespace sidecar
