// The collectors without options: loadavg, filefd, uname, time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <chrono>
#include <ctime>
#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Sets the zone for a test and restores what was.
class Zone {
 public:
  explicit Zone(const char* zone) {
    if (const char* before = ::getenv("TZ")) before_ = before;
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~Zone() {
    before_.empty() ? ::unsetenv("TZ") : ::setenv("TZ", before_.c_str(), 1);
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  std::string before_;
};

TEST(Loadavg, OfAVirtualMachine) {
  ExpectGolden(RunCollector("loadavg", Fixture("vm")), "loadavg");
}

TEST(Filefd, OfAVirtualMachine) { ExpectGolden(RunCollector("filefd", Fixture("vm")), "filefd"); }

TEST(Uname, IsWhatTheSystemCallSays) {
  utsname name{};
  ASSERT_EQ(::uname(&name), 0);
  const auto run = RunCollector("uname", Fixture("vm"));
  ASSERT_TRUE(run.result);
  EXPECT_EQ(run.samples, 1U);
  EXPECT_THAT(run.text, HasSubstr("# TYPE node_uname_info gauge\n"));
  for (const auto& [label, value] :
       {std::pair{"sysname", name.sysname}, std::pair{"release", name.release},
        std::pair{"version", name.version}, std::pair{"machine", name.machine},
        std::pair{"nodename", name.nodename}, std::pair{"domainname", name.domainname}}) {
    EXPECT_THAT(run.text, HasSubstr(std::string(label) + "=\"" + value + "\""));
  }
}

TEST(Time, OfAVirtualMachine) {
  const Zone zone("UTC0");
  ExpectGolden(RunCollector("time", Fixture("vm")), "time");
}

TEST(Time, OfSeveralClockDevicesEastOfGreenwich) {
  const Zone zone("<+0530>-5:30");
  ExpectGolden(RunCollector("time", Fixture("metal")), "time-metal");
}

TEST(Time, FollowsTheScrapesClock) {
  CollectorUnderTest time("time", Fixture("old"));
  time.clock().StepWall(Millis(250));
  const auto run = time.Run();
  EXPECT_THAT(run.text, HasSubstr("node_time_seconds 1767225600.25\n"));
  EXPECT_THAT(run.text, Not(HasSubstr("clocksource"))) << "a sysfs without clock sources";
}

TEST(Time, AClockSourceThatFailsIsAWarningAndLookedForAgain) {
  const ScratchMachine machine("vm");
  CollectorUnderTest time("time", machine.path());
  ASSERT_TRUE(time.Run().warnings.empty());
  const std::string current = "sys/devices/system/clocksource/clocksource0/current_clocksource";
  machine.Write(current, "");
  auto run = time.Run();
  ASSERT_TRUE(run.result);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("current_clocksource: empty"));
  EXPECT_THAT(run.text, HasSubstr("node_time_seconds"));
  machine.Write(current, "hpet\n");
  run = time.Run();
  EXPECT_TRUE(run.warnings.empty());
  EXPECT_THAT(run.text, HasSubstr("current_info{device=\"0\",clocksource=\"hpet\"} 1\n"));
}

}  // namespace
}  // namespace sidecar::host
