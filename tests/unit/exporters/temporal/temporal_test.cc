// The exporter's plan: what its configuration makes of the collectors.

#include "exporters/temporal/temporal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/base/pool.h"
#include "common/config/document.h"
#include "common/log/log.h"
#include "tests/support/fake_clock.h"

namespace sidecar::temporal {
namespace {

struct Built {
  std::string faults;
  std::map<std::string, Limits> limits;  // by collector
};

Built Build(const std::string& toml) {
  std::string name = std::filesystem::temp_directory_path() / "sidecar-temporal-XXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path file = std::filesystem::path(name) / "t.toml";
  std::ofstream(file) << toml;
  auto document = Document::Load({.file = file, .dir = {}, .environment = {}, .flags = {}});
  std::filesystem::remove_all(name);
  if (!document) return {.faults = document.error().message, .limits = {}};
  FakeClock clock;
  Log log(clock, {}, [](std::string_view) {});
  Pool pool(1);
  prometheus::Registry self;
  Keep keep;
  TableReader table = document->Root();
  const auto plan = MakeTemporal()->Build(
      table, keep, Runtime{.clock = clock, .log = log, .pool = pool, .self = self});
  Built built;
  if (const auto finished = table.Finish(); !finished) built.faults = finished.error().message;
  if (!plan) return built;
  for (const auto& member : plan->collectors) built.limits[member.name] = member.schedule.limits;
  return built;
}

TEST(Temporal, CollectorsOfCountersHaveRoomForTheSeriesLimitAndForWhatIsOther) {
  auto limits = Build("namespaces = [\"a\", \"b\"]").limits;
  EXPECT_EQ(limits["workflows"].series, 45'000U + 2 * 250);
  EXPECT_EQ(limits["activities"].series, 45'000U + 2 * 110);
  EXPECT_EQ(limits["streams"].series, Limits{}.series);
  limits = Build("[streams]\nseries_limit = 1000000").limits;
  EXPECT_EQ(limits["workflows"].series, 1'000'000U + 200 * 250);
  EXPECT_GT(limits["workflows"].bytes, std::size_t{1} << 30U);
  limits = Build("[collectors.workflows]\nseries_limit = 7").limits;
  EXPECT_EQ(limits["workflows"].series, 7U) << "as it was asked for";
}

TEST(Temporal, ALateWindowOfLessThanTenSecondsIsRefused) {
  EXPECT_THAT(Build("[streams]\nlate_window = \"1ms\"").faults, testing::HasSubstr("late_window"));
  EXPECT_EQ(Build("[streams]\nlate_window = \"10s\"").faults, "");
  EXPECT_EQ(Build("[streams]\nlate_window = \"0s\"").faults, "");
}

}  // namespace
}  // namespace sidecar::temporal
