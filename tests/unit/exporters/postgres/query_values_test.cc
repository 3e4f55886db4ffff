#include "exporters/postgres/query_values.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(ParseValue, ReadsNumbersBooleansAndPositions) {
  EXPECT_EQ(ParseValue("-12.5", 701).value(), -12.5);
  EXPECT_EQ(ParseValue("1e300", 701).value(), 1e300);
  EXPECT_EQ(ParseValue("9223372036854775807", 20).value(), 9223372036854775807.0);
  EXPECT_EQ(ParseValue("t", kBool).value(), 1);
  EXPECT_EQ(ParseValue("f", kBool).value(), 0);
  EXPECT_EQ(ParseValue("0/3000148", kLsn).value(), 0x3000148);
  EXPECT_EQ(ParseValue("FF/FFFFFFFF", kLsn).value(), 1099511627775.0);
}

TEST(ParseValue, RefusesWhatIsNoFiniteNumber) {
  for (const char* const text : {"", " 1", "1 ", "abc", "NaN", "Infinity", "-Infinity", "01:02:03",
                                 "0x10", "1,5", "1e999", "2026-01-01"}) {
    EXPECT_FALSE(ParseValue(text, 701)) << text;
  }
  for (const char* const text : {"", "1", "true", "T"}) EXPECT_FALSE(ParseValue(text, kBool));
  for (const char* const text : {"", "/", "0/", "/0", "0-0", "g/0", "100000000/0", "+1/0"}) {
    EXPECT_FALSE(ParseValue(text, kLsn)) << text;
  }
}

TEST(ParseValue, TellsANumericThatNoDoubleHoldsFromWhatIsNoNumber) {
  EXPECT_EQ(ParseValue("0." + std::string(500, '0') + "1", 1700).value(), 0);
  EXPECT_EQ(ParseValue("-0." + std::string(500, '0') + "1", 1700).value(), 0);
  for (const std::string& text : {std::string(1'000, '9'), std::string("0.1e999")}) {
    const auto value = ParseValue(text, 1700);
    ASSERT_FALSE(value);
    EXPECT_THAT(value.error().message, HasSubstr("out of a double's range"));
  }
}

TEST(ParseArray, ReadsQuotedNullAndEmptyElements) {
  EXPECT_THAT(ParseArray("{}").value(), IsEmpty());
  EXPECT_THAT(ParseArray(R"({a,"b,\"c\"\\",NULL,"NULL",""})").value(),
              ElementsAre(Optional(std::string("a")), Optional(std::string("b,\"c\"\\")),
                          std::nullopt, Optional(std::string("NULL")), Optional(std::string())));
}

TEST(ParseArray, RefusesWhatIsNoArrayOfOneDimension) {
  for (const char* const text : {"", "{", "}", "a", "{a", "a}", "{{1,2},{3,4}}", "[0:1]={1,2}",
                                 "{a,}", "{,a}", "{\"a}", "{\"a\\\"}", "{\"a\"b}", "{a\"b\"}"}) {
    EXPECT_FALSE(ParseArray(text)) << text;
  }
}

TEST(ParseNumbers, RefusesNullAndText) {
  EXPECT_THAT(ParseNumbers("{0,30,1e3}").value(), ElementsAre(0, 30, 1'000));
  EXPECT_THAT(ParseNumbers("{0,NULL}").error().message, HasSubstr("NULL in an array"));
  EXPECT_THAT(ParseNumbers("{0,x}").error().message, HasSubstr("not a number: 'x'"));
}

}  // namespace
}  // namespace sidecar::postgres
