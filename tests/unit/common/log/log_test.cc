#include "common/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/fake_clock.h"

namespace sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LogTest : ::testing::Test {
  Log Make(LogOptions options = {}) {
    return Log(clock, options, [this](std::string_view line) { lines.emplace_back(line); });
  }
  FakeClock clock{Mono{}, Wall(Millis(1'795'358'818'199))};
  std::vector<std::string> lines;
};

TEST_F(LogTest, WritesLogfmtWithQuotesOnlyWhereNeeded) {
  Log log = Make();
  log.Info("scrape done", {{"collector", "cpu"}, {"samples", 17}, {"err", "not a \"number\"\n"}});
  EXPECT_THAT(lines, ElementsAre("ts=2026-11-22T14:46:58.199Z level=info msg=\"scrape done\" "
                                 "collector=cpu samples=17 err=\"not a \\\"number\\\"\\n\"\n"));
}

TEST_F(LogTest, WritesOneJsonObjectALine) {
  Log log = Make({.format = LogFormat::kJson});
  log.Warn("failed", {{"path", "/a\tb"}});
  EXPECT_THAT(lines, ElementsAre("{\"ts\":\"2026-11-22T14:46:58.199Z\",\"level\":\"warn\","
                                 "\"msg\":\"failed\",\"path\":\"/a\\tb\"}\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevelUntilTheLevelChanges) {
  Log log = Make({.level = Level::kWarn});
  log.Info("quiet");
  log.Set({.level = Level::kDebug});
  log.Debug("loud");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("msg=loud"));
}

TEST_F(LogTest, LimitsOneMessageToItsBurstAMinuteAndSaysHowManyWereLeftOut) {
  Log log = Make({.burst = 2});
  for (int i = 0; i < 5; ++i) log.Error("again");
  log.Error("other");
  EXPECT_EQ(lines.size(), 3U);
  clock.Advance(Millis(60'000));
  log.Error("again");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[3], HasSubstr("left_out=3"));
}

TEST_F(LogTest, CutsLongValuesBetweenCharactersAndMasksBytesThatAreNoUtf8) {
  Log log = Make();
  log.Info("x", {{"v", std::string(255, 'a') + "\xc3\xa9tail"}, {"w", "ok\xff\xc3"}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("v=" + std::string(255, 'a') + "... w=ok??\n"));
}

}  // namespace
}  // namespace sidecar
