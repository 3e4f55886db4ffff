#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/collect/collector.h"
#include "common/config/document.h"

namespace sidecar {
namespace {

using testing::HasSubstr;

// The schedule that an environment gives, or the faults.
Result<Schedule> Read(std::vector<std::pair<std::string, std::string>> environment) {
  Sources sources;
  sources.environment = std::move(environment);
  auto document = Document::Load(sources);
  if (!document) return Fail(std::move(document.error()));
  TableReader root = document->Root();
  TableReader table = root.Table("c");
  Schedule schedule;
  schedule.Read(table);
  if (auto finished = root.Finish(); !finished) return Fail(std::move(finished.error()));
  return schedule;
}

TEST(Schedule, RunsInTheScrapeByDefault) {
  const auto schedule = Read({});
  ASSERT_TRUE(schedule) << schedule.error().message;
  EXPECT_EQ(schedule->interval, Millis(0));
  EXPECT_EQ(schedule->timeout, Millis(5'000));
  EXPECT_EQ(schedule->lane, "main");
}

TEST(Schedule, ReadsItsKeys) {
  const auto schedule = Read({{"SIDECAR_C_INTERVAL", "30s"},
                              {"SIDECAR_C_TIMEOUT", "2s"},
                              {"SIDECAR_C_MAX_AGE", "5m"},
                              {"SIDECAR_C_SERIES_LIMIT", "1000"}});
  ASSERT_TRUE(schedule) << schedule.error().message;
  EXPECT_EQ(schedule->interval, Millis(30'000));
  EXPECT_EQ(schedule->timeout, Millis(2'000));
  EXPECT_EQ(schedule->max_age, Millis(300'000));
  EXPECT_EQ(schedule->limits.series, 1'000U);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
  const std::pair<std::string, std::string> bad[] = {{"SIDECAR_C_INTERVAL", "50ms"},
                                                     {"SIDECAR_C_TIMEOUT", "0s"},
                                                     {"SIDECAR_C_TIMEOUT", "11m"},
                                                     {"SIDECAR_C_SERIES_LIMIT", "0"},
                                                     {"SIDECAR_C_SERIES_LIMIT", "99999999"}};
  for (const auto& one : bad) {
    const auto schedule = Read({one});
    ASSERT_FALSE(schedule) << one.first << "=" << one.second;
    EXPECT_EQ(schedule.error().code, Errc::kConfig);
  }
  const auto younger = Read({{"SIDECAR_C_INTERVAL", "30s"}, {"SIDECAR_C_MAX_AGE", "20s"}});
  ASSERT_FALSE(younger);
  EXPECT_THAT(younger.error().message, HasSubstr("at least the interval"));
}

}  // namespace
}  // namespace sidecar
