#include "exporters/host/exposition_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "exporters/host/exposition_lexer.h"

namespace sidecar::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Fault(std::string text, const ExpositionBounds& bounds = {}) {
  const auto metrics = ReadExposition(std::move(text), bounds);
  return metrics ? "none" : metrics.error().message;
}

TEST(ExpositionReader, ReadsPlainTypesCommentsAndBlanks) {
  const auto metrics = ReadExposition(
      "#HELP c_total Two\\nlines \\\\ \"q\" \n# TYPE c_total Counter\n\n   \n"
      "# a comment \xff\n#\n# HELP\n# HELP c_total\n# TYPE c_total\n"
      "\t c_total{ b = \"x\" , a=\"y\\\"z\\\\\\n\",}\t1e3 \nc_total 3\nother{}-1\n# EOF\n");
  ASSERT_TRUE(metrics) << metrics.error().message;
  ASSERT_EQ((*metrics)->families.size(), 2U);
  const ForeignFamily& family = (*metrics)->families[0];
  EXPECT_EQ(family.name, "c_total");
  EXPECT_EQ(family.kind, Kind::kCounter);
  EXPECT_EQ(family.help, "Two\nlines \\ \"q\" ");
  EXPECT_THAT(family.labels, ElementsAre("a", "b"));
  ASSERT_EQ(family.rows.size(), 2U);
  EXPECT_EQ(family.rows[0].value, 1000);
  EXPECT_EQ(family.rows[0].line, 10U);
  EXPECT_EQ((*metrics)->Identity(family, family.rows[0]),
            std::string("c_total\0a\0y\"z\\\n\0b\0x", 19));
  EXPECT_EQ((*metrics)->Identity(family, family.rows[1]), "c_total");
  EXPECT_EQ((*metrics)->families[1].kind, Kind::kUnknown);
  EXPECT_EQ((*metrics)->families[1].rows[0].value, -1);
  EXPECT_EQ((*metrics)->series, 3U);
}

TEST(ExpositionReader, ReadsHistogramsWithBucketsInAnyOrder) {
  const auto metrics = ReadExposition(
      "# TYPE h histogram\nh_bucket{le=\"+Inf\",p=\"1\"} 10\nh_count{p=\"1\"} 10\n"
      "h_bucket{p=\"1\",le=\"0.5\"} 2\nh_sum{p=\"1\"} 12.5\nh_bucket{p=\"1\",le=\"-1\"} 0.5\n");
  ASSERT_TRUE(metrics) << metrics.error().message;
  const ForeignRow& row = (*metrics)->families.at(0).rows.at(0);
  EXPECT_EQ(row.keys, 2U);
  EXPECT_EQ(row.value, 12.5);
  EXPECT_THAT((*metrics)->numbers, ElementsAre(-1, 0.5, 0.5, 2, 10));
  EXPECT_EQ((*metrics)->series, 5U);
}

TEST(ExpositionReader, ReadsSummariesAndPartsWithoutAType) {
  const auto metrics = ReadExposition(
      "h_bucket{le=\"1\"} 3\nh_count 4\n# TYPE s summary\ns{quantile=\"0.9\"} 2\n"
      "s_sum NaN\ns{quantile=\"0.5\"} 1\ns_count 4\n# TYPE empty summary\nempty_sum 0\n"
      "empty_count 0\n");
  ASSERT_TRUE(metrics) << metrics.error().message;
  ASSERT_EQ((*metrics)->families.size(), 4U);
  EXPECT_EQ((*metrics)->families[0].name, "h_bucket");
  EXPECT_EQ((*metrics)->families[0].kind, Kind::kUnknown);
  EXPECT_THAT((*metrics)->families[0].labels, ElementsAre("le"));
  const ForeignRow& row = (*metrics)->families[2].rows.at(0);
  EXPECT_EQ(row.count, 4);
  EXPECT_TRUE(std::isnan(row.value));
  EXPECT_THAT((*metrics)->numbers, ElementsAre(0.5, 0.9, 1, 2));
}

TEST(ExpositionReader, AFamilyWithoutSamplesIsNone) {
  const auto metrics = ReadExposition("# HELP x y\n# TYPE x gauge\n");
  ASSERT_TRUE(metrics);
  EXPECT_TRUE((*metrics)->families.empty());
  EXPECT_EQ(Fault(""), "none");
}

struct BadText {
  const char* text;
  const char* message;
};
class Refuses : public ::testing::TestWithParam<BadText> {};

TEST_P(Refuses, WithLineAndBytes) {
  EXPECT_THAT(Fault(GetParam().text), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, Refuses,
    ::testing::Values(
        BadText{"a 1\nb 2", "no newline at the end"},
        BadText{"a 1\nb 1 1234\n", "line 2: a client's timestamp is not supported in 'b 1 1234'"},
        BadText{"b 1 2 3\n", "too many fields"}, BadText{"a 1\r\n", "not a number: '1\\x0d', in"},
        BadText{"a\n", "no blank"}, BadText{"a \n", "not a number: ''"},
        BadText{"x-1 2\n", "no blank after the name"},
        BadText{"\xef\xbb\xbfx 1\n", "not a metric name in '\\xef\\xbb\\xbfx 1'"},
        BadText{"{\"x\"} 1\n", "not a metric name"}, BadText{"0a 1\n", "not a metric name"},
        BadText{"# HELP x\xff y\n", "not a metric name"}, BadText{"a{b=\"\xff\"} 1\n", "not UTF-8"},
        BadText{"a{b=\"\\q\"} 1\n", "not an escape"}, BadText{"a{b=\"\\\"} 1\n", "no \" after"},
        BadText{"a{b=\"1\n2\"} 1\n", "no \" after"}, BadText{"a{b=1} 1\n", "no \" before"},
        BadText{"a{b} 1\n", "no = after"}, BadText{"a{b=\"1\" c=\"2\"} 1\n", "no , or }"},
        BadText{"a{,} 1\n", "not a label name"}, BadText{"a{b:c=\"1\"} 1\n", "no = after"},
        BadText{"a{", "no newline"}, BadText{"a{\n", "not a label name"},
        BadText{"a{b=\"1\"\n", "no , or }"}, BadText{"a{__name__=\"b\"} 1\n", "reserved"},
        BadText{"a{__x=\"b\"} 1\n", "reserved"}, BadText{"a{b=\"1\",b=\"1\"} 1\n", "a label twice"},
        BadText{"# HELP x \\q\n", "not an escape"}, BadText{"# HELP x a\n# HELP x a\n", "a second"},
        BadText{"# TYPE x gauge\n# TYPE x gauge\n", "a second TYPE"},
        BadText{"x 1\n# TYPE x gauge\n", "line 2: a second TYPE, or one after samples"},
        BadText{"# TYPE x info\n", "not a type"},
        BadText{"# TYPE x gaugehistogram\n", "not a type"},
        BadText{"# TYPE x gauge x\n", "not a type"}));

INSTANTIATE_TEST_SUITE_P(
    Compound, Refuses,
    ::testing::Values(
        BadText{"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
                "line 2: h: no bucket with le=\"+Inf\""},
        BadText{"# TYPE h histogram\nh_sum 1\nh_count 1\n", "no bucket with"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"inf\"} 1\nh_sum 1\n", "no _sum or no _count"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"inf\"} 1\nh_sum 1\nh_count 2\n", "last bucket"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"inf\"} 1\nh_bucket{le=\"1\"} 2\nh_sum 1\n"
                "h_count 1\n",
                "less than the one before"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"inf\"} 3\nh_bucket{le=\"1\"} NaN\nh_sum 1\n"
                "h_count 3\n",
                "less than the one before"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"inf\"} 3\nh_bucket{le=\"1\"} 2\n"
                "h_bucket{le=\"1.0\"} 2\nh_sum 1\nh_count 3\n",
                "le or quantile twice"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"x\"} 3\n", "not a number"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"nan\"} 3\n", "not a number"},
        BadText{"# TYPE h histogram\nh_bucket{le=\"1\",quantile=\"1\"} 3\n", "does not belong"},
        BadText{"# TYPE h histogram\nh_sum{le=\"1\"} 3\n", "does not belong"},
        BadText{"# TYPE h histogram\nh_bucket 3\n", "does not belong"},
        BadText{"# TYPE h histogram\nh 3\n", "does not belong"},
        BadText{"# TYPE h histogram\nh_sum 3\nh_sum 3\n", "a sample twice"},
        BadText{"# TYPE s summary\ns{quantile=\"0.5\"} 1\n", "no _sum or no _count"},
        BadText{"# TYPE s summary\ns{quantile=\"1.5\"} 1\ns_sum 1\ns_count 1\n", "outside 0 to 1"},
        BadText{"# TYPE s summary\ns_sum 1\ns_count NaN\n", "_count is no count"},
        BadText{"# TYPE s summary\ns 1\n", "does not belong"},
        BadText{"h_sum 1\n# TYPE h histogram\nh_bucket{le=\"inf\"} 1\nh_count 1\nh_sum 1\n",
                "no _sum or no _count"},
        BadText{"s_sum{a=\"1\"} 1\n# TYPE s_count gauge\ns_count 1\n# TYPE x gauge\nx 1\n"
                "# TYPE s summary\ns{quantile=\"1\"} 2\n",
                "no _sum or no _count"},
        BadText{"# TYPE h_bucket gauge\n# TYPE h summary\nh_sum 1\nh_count 1\nh_bucket 2\n",
                "none"},
        BadText{"# TYPE s summary\ns_sum 1\ns_count 1\n# TYPE s_sum gauge\ns_sum 1\n",
                "line 4: s_sum shares s_sum with s"}));

TEST(ExpositionReader, RefusesANulByte) {
  EXPECT_EQ(Fault(std::string("a{b=\"\0\"} 1\n", 12)), "holds a NUL byte");
}

TEST(ExpositionReader, HoldsItsBounds) {
  EXPECT_EQ(Fault("a 1\nb 1\n", {.series = 2}), "none");
  EXPECT_THAT(Fault("a 1\nb 1\n", {.series = 1}), HasSubstr("more than 1 series"));
  EXPECT_THAT(Fault("# TYPE a gauge\n# TYPE b gauge\n", {.series = 1}), HasSubstr("families"));
  const std::string histogram =
      "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"inf\"} 1\nh_sum 1\nh_count 1\n";
  EXPECT_EQ(Fault(histogram, {.series = 4}), "none");
  EXPECT_THAT(Fault(histogram, {.series = 3}), HasSubstr("more than 3 series"));
  EXPECT_THAT(Fault("a{b=\"" + std::string(1025, 'x') + "\"} 1\n"), HasSubstr("a long label"));
  EXPECT_THAT(Fault("a{" + std::string(257, 'x') + "=\"1\"} 1\n"), HasSubstr("a long label name"));
  EXPECT_THAT(Fault(std::string(257, 'x') + " 1\n"), HasSubstr("a long name"));
  EXPECT_THAT(Fault("# HELP a " + std::string(4097, 'x') + "\n"), HasSubstr("a long HELP"));
  std::string one = "a{", many;
  for (int i = 0; i < 65; ++i) {
    one += "l" + std::to_string(i) + "=\"\",";
    many += "a{l" + std::to_string(i) + "=\"1\"} 1\n";
  }
  EXPECT_THAT(Fault(one + "} 1\n"), HasSubstr("too many labels"));
  EXPECT_THAT(Fault(many), HasSubstr("too many labels in a family"));
  EXPECT_THAT(Fault("a{b=\"1\"} 1\na{c=\"1\"} 1\n", {.output = 60}), HasSubstr("60 bytes"));
}

TEST(ExpositionLexer, ReadsNumbersAsThePeerDoes) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [text, value] :
       {std::pair{"1", 1.0}, std::pair{"+1.5e+3", 1500.0}, std::pair{"-.5", -0.5},
        std::pair{"5.", 5.0}, std::pair{"1E2", 100.0}, std::pair{"-INF", -kInfinity},
        std::pair{"+Infinity", kInfinity}, std::pair{"1e-400", 0.0}, std::pair{"5e-324", 5e-324},
        std::pair{"1.7976931348623157e308", 1.7976931348623157e308}}) {
    EXPECT_EQ(ParseValue(text), value) << text;
  }
  EXPECT_TRUE(std::isnan(ParseValue("nAn").value_or(0)));
  EXPECT_TRUE(std::signbit(ParseValue("-0").value_or(1)));
  for (const char* text :
       {"", "+", "-", "-nan", "+NaN", "nan(1)", "0x1p-2", "0x10", "1_000", "1e400", "-1e400", "1e",
        "--1", "+-1", "1.2.3", "infinit", "1,5", "e5"}) {
    EXPECT_FALSE(ParseValue(text)) << text;
  }
}

}  // namespace
}  // namespace sidecar::host
