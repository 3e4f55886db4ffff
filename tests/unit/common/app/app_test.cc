#include "common/app/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/base/clock.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kValue = Gauge("fake_value", "What the option says.");
constexpr std::string_view kRefusedFlags[] = {"web.config.file"};

struct Value final : Collector {
  explicit Value(std::int64_t v) : value(v) {}
  Result<> Collect(const Scrape&, Sink& sink) override {
    sink.Add(kValue, value);
    return {};
  }
  std::int64_t value;
};

struct Fake final : Exporter {
  Identity identity() const override { return {"fake", "fake", 0}; }
  std::span<const std::string_view> refused_flags() const override { return kRefusedFlags; }
  Result<Plan> Build(TableReader& table, Keep&, Runtime) override {
    std::int64_t value = 7;
    table.Field("value", value, "The value.", 0, 10).Flag("fake.value");
    Plan plan;
    plan.collectors.push_back({"value", {}, std::make_unique<Value>(value)});
    return plan;
  }
  void AddRoutes(Router&) override {}
};

struct Ran {
  int code;
  std::string out, err;
};

Ran RunApp(std::vector<const char*> args, std::stop_token stop = {}) {
  const auto clock = MakeSystemClock();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = App("fake-exporter").Add(std::make_unique<Fake>()).Run(args, *clock, stop);
  std::fflush(stdout);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(App, OncePrintsOneExpositionWithTheFlagsValue) {
  const Ran ran = RunApp({"--once", "--fake.value=3"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\nfake_value 3\n"));
  EXPECT_THAT(ran.out, HasSubstr("fake_scrape_collector_success{collector=\"value\"} 1\n"));
  EXPECT_THAT(ran.out, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(ran.out, HasSubstr("sidecar_build_info{"));
}

TEST(App, LeavesItsOwnMetricsOutWhenAskedTo) {
  const Ran ran = RunApp({"--once", "--web.disable-exporter-metrics"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\nfake_value 7\n"));
  EXPECT_THAT(ran.out, Not(HasSubstr("process_")));
}

TEST(App, VersionNamesTheBinary) {
  const Ran ran = RunApp({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("fake-exporter, version "));
}

TEST(App, HelpListsAnExportersFlagWithItsDefault) {
  const Ran ran = RunApp({"--help"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("--fake.value"));
  EXPECT_THAT(ran.out, HasSubstr("SIDECAR_FAKE_VALUE"));
}

TEST(App, AnUnknownFlagIsOneLineAndExitCode2) {
  const Ran ran = RunApp({"--fake.valu=3"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("fake.value"));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1);
}

TEST(App, APeersFlagThatDoesNotExistIsRefusedByName) {
  const Ran ran = RunApp({"--web.config.file=web.yml"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("--web.config.file"));
}

TEST(App, ABadConfigurationIsExitCode2AndTellsAllFaults) {
  const std::string path = testing::TempDir() + "app_test.toml";
  std::ofstream(path) << "[fake]\nvalue = 11\nvlaue = 1\n[log]\nlevel = \"loud\"\n";
  const Ran ran = RunApp({"--config.check", "--config.file", path.c_str()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("app_test.toml:2"));
  EXPECT_THAT(ran.err, HasSubstr("app_test.toml:3"));
  EXPECT_THAT(ran.err, HasSubstr("app_test.toml:5"));
}

TEST(App, ChecksAndPrintsAGoodConfiguration) {
  const std::string path = testing::TempDir() + "app_test_good.toml";
  std::ofstream(path) << "[fake]\nvalue = 9\n[postgres]\nanything = 1\n";
  const Ran checked = RunApp({"--config.check", "--config.file", path.c_str()});
  EXPECT_EQ(checked.code, 0) << checked.err;
  const Ran printed = RunApp({"--config.print", "--config.file", path.c_str()});
  EXPECT_EQ(printed.code, 0);
  EXPECT_THAT(printed.out, HasSubstr("value = 9"));
}

TEST(App, StartsAndStopsWhenAskedTo) {
  std::stop_source stop;
  stop.request_stop();
  const Ran ran = RunApp({"--web.listen-address=127.0.0.1:0"}, stop.get_token());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("msg=listening"));
}

}  // namespace
}  // namespace sidecar
