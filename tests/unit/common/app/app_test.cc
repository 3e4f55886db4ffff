#include "common/app/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "common/base/clock.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kValue = Gauge("fake_value", "What the option says.");
constexpr auto kOther = Gauge("other_value", "What the option of the other one says.");
constexpr std::string_view kRefusedFlags[] = {"web.config.file"};

struct Value final : Collector {
  Value(bool is_other, std::int64_t v) : other(is_other), value(v) {}
  Result<> Collect(const Scrape&, Sink& sink) override {
    sink.Add(other ? kOther : kValue, value);
    return {};
  }
  bool other;
  std::int64_t value;
};

struct Background final : Task {
  explicit Background(std::atomic<int>& r) : runs(r) {}
  Result<> Run(const Scrape&) override {
    ++runs;
    return {};
  }
  std::atomic<int>& runs;
};

struct Fake final : Exporter {
  explicit Fake(bool is_other = false, std::atomic<int>* counted = nullptr)
      : other(is_other), runs(counted) {}
  Identity identity() const override {
    return other ? Identity{"other", "other", 0} : Identity{"fake", "fake", 0};
  }
  std::span<const std::string_view> refused_flags() const override { return kRefusedFlags; }
  Result<Plan> Build(TableReader& table, Keep&, Runtime) override {
    std::int64_t value = 7;
    table.Field("value", value, "The value.", 0, 10);
    if (!other) table.Flag("fake.value");
    Plan plan;
    plan.collectors.push_back({"value", {}, std::make_unique<Value>(other, value)});
    if (runs != nullptr) {
      plan.tasks.push_back({"work", {.interval = Millis(1)}, std::make_unique<Background>(*runs)});
    }
    return plan;
  }
  std::string Check(Millis) override {  // as a server that is asked takes its time
    for (int wait = 0; wait < 50 && runs != nullptr && *runs == 0; ++wait) {
      std::this_thread::sleep_for(Millis(1));
    }
    return {};
  }
  void AddRoutes(Router&) override {}
  bool other;
  std::atomic<int>* runs;
};

struct Ran {
  int code;
  std::string out, err;
};

Ran Captured(App& app, std::vector<const char*> args, const std::stop_token& stop) {
  const auto clock = MakeSystemClock();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = app.Run(args, *clock, stop);
  std::fflush(stdout);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

Ran RunApp(std::vector<const char*> args, const std::stop_token& stop = {}) {
  App app("fake-exporter");
  app.Add(std::make_unique<Fake>());
  return Captured(app, std::move(args), stop);
}

// Two exporters in one binary.
Ran RunApps(std::vector<const char*> args) {
  App app("fakes-exporter");
  app.Add(std::make_unique<Fake>()).Add(std::make_unique<Fake>(true));
  return Captured(app, std::move(args), {});
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

TEST(App, WhatIsOnlyLookedAtDoesNotRun) {
  for (const char* const flag : {"--config.check", "--config.print"}) {
    std::atomic<int> runs = 0;
    App app("fake-exporter");
    app.Add(std::make_unique<Fake>(false, &runs));
    EXPECT_EQ(Captured(app, {flag}, {}).code, 0) << flag;
    EXPECT_EQ(runs, 0) << flag;
  }
}

TEST(App, HealthcheckWhereNobodyListensIsExitCode1) {
  const Ran ran = RunApp({"healthcheck", "--web.listen-address=127.0.0.1:1"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("127.0.0.1:1: Connection refused"));
}

TEST(App, HealthcheckWithWrongFlagsIsExitCode2) {
  EXPECT_EQ(RunApp({"healthcheck", "--fake.valu=3"}).code, 2);
  EXPECT_EQ(RunApp({"healthcheck", "--fake.value=11"}).code, 2);
}

TEST(App, OfSeveralExportersOnlyTheEnabledRun) {
  const std::string path = testing::TempDir() + "app_test_enabled.toml";
  std::ofstream(path) << "[fake]\nenabled = false\n[other]\nvalue = 5\n";
  const Ran ran = RunApps({"--once", "--config.file", path.c_str()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\nother_value 5\n"));
  EXPECT_THAT(ran.out, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(ran.out, Not(HasSubstr("fake")));
}

TEST(App, ATableOfADisabledExporterIsStillChecked) {
  const std::string path = testing::TempDir() + "app_test_disabled.toml";
  std::ofstream(path) << "[fake]\nenabled = false\nvlaue = 5\n";
  const Ran ran = RunApps({"--config.check", "--config.file", path.c_str()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("vlaue"));
}

TEST(App, WithNoExporterEnabledNothingStarts) {
  const std::string path = testing::TempDir() + "app_test_none.toml";
  std::ofstream(path) << "[fake]\nenabled = false\n[other]\nenabled = false\n";
  const Ran ran = RunApps({"--once", "--config.file", path.c_str()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no exporter is enabled"));
}

}  // namespace
}  // namespace sidecar
