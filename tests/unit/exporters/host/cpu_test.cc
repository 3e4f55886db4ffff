#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Seconds(std::string_view cpu, std::string_view mode, std::string_view value) {
  std::string line = "node_cpu_seconds_total{cpu=\"";
  line.append(cpu).append("\",mode=\"").append(mode).append("\"} ").append(value).append("\n");
  return line;
}

TEST(Cpu, OfAVirtualMachine) { ExpectGolden(RunCollector("cpu", Fixture("vm")), "cpu"); }

TEST(Cpu, OfAMachineWithThrottledIsolatedAndOfflineCpus) {
  ExpectGolden(RunCollector("cpu", Fixture("metal")), "cpu-metal");
}

TEST(Cpu, OfAnOldKernelWithFewerColumns) {
  ExpectGolden(RunCollector("cpu", Fixture("old")), "cpu-old");
}

TEST(Cpu, WithInfoFlagsAndBugs) {
  ExpectGolden(RunCollector("cpu", Fixture("metal"),
                            "guest = false\ninfo_flags_include = '^(aes|avx)'\n"
                            "info_bugs_include = 'spectre'\n"),
               "cpu-info");
}

TEST(Cpu, InfoAloneHasNoFlags) {
  const auto run = RunCollector("cpu", Fixture("vm"), "info = true");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("node_cpu_info{"));
  EXPECT_THAT(run.text, Not(HasSubstr("node_cpu_flag_info")));
}

TEST(Cpu, MissingCpuinfoIsAWarningAndTheRestIsServed) {
  const auto run = RunCollector("cpu", Fixture("old"), "info = true");
  ASSERT_TRUE(run.result);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("cpuinfo: No such file"));
  EXPECT_THAT(run.text, HasSubstr("node_cpu_seconds_total{"));
}

TEST(Cpu, RefusesABadRegularExpression) {
  for (const char* key : {"info_flags_include", "info_bugs_include"}) {
    const auto run = RunCollector("cpu", Fixture("vm"), std::string(key) + " = '('");
    ASSERT_FALSE(run.result);
    EXPECT_EQ(run.result.error().code, Errc::kConfig);
    EXPECT_THAT(run.result.error().message, HasSubstr("not a regular expression"));
  }
}

TEST(Cpu, CountersDoNotGoBack) {
  const ScratchMachine machine;
  machine.Write("proc/stat", "cpu0 100 0 100 1000 500 0 0 0\n");
  CollectorUnderTest cpu("cpu", machine.path());
  ASSERT_TRUE(cpu.Run().result);
  // The kernel takes back 2.99 s of idle and some iowait; user goes on.
  machine.Write("proc/stat", "cpu0 101 0 100 701 490 0 0 0\n");
  const auto run = cpu.Run();
  EXPECT_THAT(run.text, HasSubstr(Seconds("0", "user", "1.01")));
  EXPECT_THAT(run.text, HasSubstr(Seconds("0", "idle", "10")));
  EXPECT_THAT(run.text, HasSubstr(Seconds("0", "iowait", "5")));
}

TEST(Cpu, IdleBackByThreeSecondsIsAnotherLifeOfTheCpu) {
  const ScratchMachine machine;
  machine.Write("proc/stat", "cpu0 100 0 100 1000 500 0 0 0\n");
  CollectorUnderTest cpu("cpu", machine.path());
  ASSERT_TRUE(cpu.Run().result);
  machine.Write("proc/stat", "cpu0 7 0 8 700 5 0 0 0\n");
  const auto run = cpu.Run();
  EXPECT_THAT(run.text, HasSubstr(Seconds("0", "user", "0.07")));
  EXPECT_THAT(run.text, HasSubstr(Seconds("0", "idle", "7")));
}

TEST(Cpu, AFailedRunDoesNotMoveWhatWasShown) {
  const ScratchMachine machine;
  machine.Write("proc/stat", "cpu0 100 0 100 1000 500 0 0 0\n");
  CollectorUnderTest cpu("cpu", machine.path());
  ASSERT_TRUE(cpu.Run().result);
  machine.Write("proc/stat", "cpu0 900 0 100 2000 500 0 0 0\ncpu1 x\n");
  ASSERT_FALSE(cpu.Run().result);
  machine.Write("proc/stat", "cpu0 101 0 100 1001 500 0 0 0\n");
  EXPECT_THAT(cpu.Run().text, HasSubstr(Seconds("0", "user", "1.01")));
}

TEST(Cpu, ACpuThatLeftIsGoneAndStartsAnewWhenItReturns) {
  const ScratchMachine machine("metal");
  CollectorUnderTest cpu("cpu", machine.path());
  EXPECT_THAT(cpu.Run().text, HasSubstr(Seconds("7", "user", "2300")));
  machine.Write("proc/stat", "cpu0 301855 612 111922 8979004 3552 2 3944 0 44 36\n");
  machine.Write("sys/devices/system/cpu/online", "0\n");
  machine.Remove("sys/devices/system/cpu/cpu7/topology");
  auto run = cpu.Run();
  EXPECT_THAT(run.text, Not(HasSubstr("node_cpu_seconds_total{cpu=\"7\"")));
  EXPECT_THAT(run.text, HasSubstr("node_cpu_online{cpu=\"7\"} 0\n"));
  machine.Write("proc/stat", "cpu0 301856 0 0 8979004\ncpu7 1 0 0 2\n");
  EXPECT_THAT(cpu.Run().text, HasSubstr(Seconds("7", "user", "0.01")));
}

TEST(Cpu, TopologyIsScannedAgainWhenACounterVanishes) {
  const ScratchMachine machine("metal");
  CollectorUnderTest cpu("cpu", machine.path());
  ASSERT_TRUE(cpu.Run().result);
  // What the kept descriptor reads is no number any more, as if its CPU had gone.
  machine.Write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "");
  machine.Remove("sys/devices/system/cpu/cpu0/topology");
  EXPECT_THAT(cpu.Run().text,
              Not(HasSubstr("node_cpu_core_throttles_total{package=\"0\",core=\"0\"}")));
  const auto run = cpu.Run();  // cpu4 is of the same core
  EXPECT_THAT(run.text, HasSubstr("node_cpu_core_throttles_total{package=\"0\",core=\"0\"} 5\n"));
}

TEST(Cpu, OnlineFollowsTheListWhileTheCpusStay) {
  const ScratchMachine machine("vm");
  CollectorUnderTest cpu("cpu", machine.path());
  for (const auto& [list, value] : {std::pair{"0-1\n", "1"}, {"0\n", "0"}, {"0-1\n", "1"}}) {
    machine.Write("sys/devices/system/cpu/online", list);
    EXPECT_THAT(cpu.Run().text, HasSubstr(std::string("online{cpu=\"1\"} ") + value + "\n"));
  }
}

TEST(Cpu, AMalformedOnlineListIsAWarning) {
  const ScratchMachine machine("metal");
  machine.Write("sys/devices/system/cpu/online", "0-\xff\n");
  const auto run = RunCollector("cpu", machine.path());
  ASSERT_TRUE(run.result);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("not a list of CPUs: '0-\\xff'"));
}

TEST(Cpu, ManyCpusAreReadInOneScrape) {
  const ScratchMachine machine;
  std::string stat = "cpu  1 2 3 4\n";
  for (int i = 0; i < 256; ++i) {
    stat += "cpu" + std::to_string(i) + " 11002233 44556 7788990 1234567890 5566 0 77889 0 0 0\n";
  }
  machine.Write("proc/stat", stat + "intr 1" + std::string(40'000, ' ') + "\n");
  CollectorUnderTest cpu("cpu", machine.path());
  for (int i = 0; i < 2; ++i) {
    const auto run = cpu.Run();
    ASSERT_TRUE(run.result);
    EXPECT_EQ(run.samples, 256U * 10);
    EXPECT_THAT(run.text, HasSubstr(Seconds("255", "idle", "12345678.9")));
  }
}

}  // namespace
}  // namespace sidecar::host
