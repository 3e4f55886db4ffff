#include "common/config/values.h"

#include <gtest/gtest.h>

#include <vector>

namespace sidecar::config {
namespace {

using std::chrono::milliseconds;

TEST(Values, ReadsDurationsWithUnits) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("1m30s"), milliseconds(90'000));
  EXPECT_EQ(ParseDuration("2h"), milliseconds(7'200'000));
  EXPECT_EQ(ParseDuration("1d"), milliseconds(86'400'000));
  EXPECT_EQ(ParseDuration("0s"), milliseconds(0));
  EXPECT_EQ(ParseDuration("36500d"), milliseconds(3'153'600'000'000));
}

TEST(Values, RefusesWhatIsNoDuration) {
  for (const char* const text :
       {"", "5", "s", "-5s", "+5s", "5 s", "1.5s", "5S", "5us", "30s1m", "1s1s", "36501d",
        "99999999999999999999s", "9223372036854775807d", "5s ", "1h\xff"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

TEST(Values, WritesDurationsAsTheyAreRead) {
  for (const char* const text : {"0s", "1ms", "1s", "1m30s", "1d2h3m4s5ms", "36500d"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(FormatDuration(*ParseDuration("90s")), "1m30s");
}

TEST(Values, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> names = {"enabled", "interval", "timeout", "cpu"};
  EXPECT_EQ(Nearest("enabeld", names), "enabled");
  EXPECT_EQ(Nearest("Timeout", names), "timeout");
  EXPECT_EQ(Nearest("cp", names), "cpu");
  EXPECT_EQ(Nearest("xyz", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'a'), names), "");
  EXPECT_EQ(DidYouMean("cpi", names), "; did you mean 'cpu'?");
}

TEST(Values, WritesTomlThatTomlReads) {
  EXPECT_EQ(TomlString("a\"\\\n\x7f\xc3\xa9"), "\"a\\\"\\\\\\u000A\\u007F\xc3\xa9\"");
  EXPECT_EQ(TomlNumber(5), "5.0");
  EXPECT_EQ(TomlNumber(0.1), "0.1");
  EXPECT_EQ(TomlNumber(1e300), "1e+300");
  EXPECT_EQ(TomlKey("load-avg"), "load-avg");
  EXPECT_EQ(TomlKey("a.b"), "\"a.b\"");
  EXPECT_EQ(TomlKey(""), "\"\"");
}

TEST(Values, ReplacesWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("a\x1b[31m\xff\tb\xc2\x9b\xc3\xa9"), "a?[31m?\tb?\xc3\xa9");
}

TEST(Values, NamesEnvironmentVariables) {
  EXPECT_EQ(EnvironmentName("host.collectors.load-avg.x_y"),
            "SIDECAR_HOST_COLLECTORS_LOAD_AVG_X_Y");
}

}  // namespace
}  // namespace sidecar::config
