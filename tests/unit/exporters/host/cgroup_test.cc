#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "exporters/host/cgroup_containers.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kDb[] = "proc/7/root/sys/fs/cgroup/";

TEST(Cgroup, Version2InAPodThatSharesItsProcesses) {
  ExpectGolden(RunCollector("cgroup", Fixture("cgroup-v2")), "cgroup-v2");
}

TEST(Cgroup, Version1OfAWholeHost) {
  ExpectGolden(RunCollector("cgroup", Fixture("cgroup-v1")), "cgroup-v1");
}

TEST(Cgroup, HybridTakesOnlyTheGroupsOfOnePathForAContainer) {
  ExpectGolden(RunCollector("cgroup", Fixture("cgroup-hybrid")), "cgroup-hybrid");
}

TEST(Cgroup, ConfiguredGroupsHaveTheirNameAndTheMachineTakesNoPlace) {
  const auto run = RunCollector("cgroup", Fixture("cgroup-hybrid"),
                                "siblings = false\nmax_containers = 1\n"
                                "[[paths]]\npath = \"/docker/x/\"\ncontainer = \"shop\"\n");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.warnings, IsEmpty());
  EXPECT_THAT(run.text, HasSubstr("container_spec_memory_limit_bytes{container=\"shop\","
                                  "id=\"/docker/x\"} 67108864"));
  EXPECT_THAT(run.text, HasSubstr("cgroup_containers 1\n"));
}

TEST(Cgroup, AConfiguredGroupThatIsNotThereIsNoFault) {
  const auto run = RunCollector("cgroup", Fixture("cgroup-v1"),
                                "siblings = false\n[[paths]]\npath = \"/later\"\n");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.warnings, IsEmpty());
  EXPECT_THAT(run.text, HasSubstr("cgroup_unread_containers{reason=\"absent\"} 1"));
}

TEST(Cgroup, PastItsLimitItSaysSo) {
  const auto run = RunCollector("cgroup", Fixture("cgroup-v2"), "max_containers = 2");
  ASSERT_TRUE(run.result);
  ASSERT_THAT(run.warnings, SizeIs(1));
  EXPECT_EQ(run.warnings[0].code, Errc::kLimit);
  EXPECT_THAT(run.text, AllOf(HasSubstr("cgroup_containers 2\n"),
                              HasSubstr("cgroup_unread_containers{reason=\"limit\"} 1"),
                              HasSubstr("container=\"exporter\""), Not(HasSubstr("POD"))));
}

TEST(Cgroup, FiltersByPath) {
  const auto run = RunCollector("cgroup", Fixture("cgroup-v2"), "id_exclude = \"9c9c|^self$\"");
  EXPECT_THAT(run.text, AllOf(HasSubstr("container=\"db\""), Not(HasSubstr("exporter")),
                              Not(HasSubstr("POD"))));
}

TEST(Cgroup, NamesByRuleAndByCommand) {
  const auto run = RunCollector("cgroup", Fixture("cgroup-v2"),
                                "container_from = \"comm\"\n[[names]]\nid = \"containerd-(9c)\"\n"
                                "container = \"p\\\\1\"\n");
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, AllOf(HasSubstr("container=\"postgres\""), HasSubstr("container=\"p9c\""),
                              HasSubstr("container=\"host-exporter\"")));
}

TEST(Cgroup, ASiblingWithoutAWayToItsGroupIsCountedAndNoFault) {
  const ScratchMachine machine("cgroup-v2");
  machine.Remove("proc/7/root");
  const auto run = RunCollector("cgroup", machine.path());
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.warnings, IsEmpty());
  EXPECT_THAT(run.text, AllOf(HasSubstr("cgroup_unread_containers{reason=\"unmounted\"} 1"),
                              Not(HasSubstr("container=\"db\""))));
}

TEST(Cgroup, LinksOfAContainerLeadNowhereOutsideOfIt) {
  const ScratchMachine machine("cgroup-v2");
  machine.Remove("proc/7/root/sys/fs");
  fs::create_directory_symlink(machine.path() / "proc/self/root/sys/fs",
                               machine.path() / "proc/7/root/sys/fs");
  EXPECT_THAT(RunCollector("cgroup", machine.path()).text, Not(HasSubstr("container=\"db\"")));
}

TEST(Cgroup, ContainersThatLeaveAreDroppedAndNewOnesFound) {
  const ScratchMachine machine("cgroup-v2");
  CollectorUnderTest cgroup("cgroup", machine.path());
  EXPECT_THAT(cgroup.Run().text, HasSubstr("container=\"db\""));
  machine.Remove("proc/7");
  machine.Remove("proc/12");
  EXPECT_THAT(cgroup.Run().text,
              AllOf(Not(HasSubstr("container=\"db\"")), HasSubstr("container=\"POD\"")));
  fs::copy(Fixture("cgroup-v2") / "proc/7", machine.path() / "proc/7", fs::copy_options::recursive);
  EXPECT_THAT(cgroup.Run().text, HasSubstr("container=\"db\""));
}

TEST(Cgroup, AGroupThatTookAnothersPathIsReadFromItsFirstScrapeOn) {
  const ScratchMachine machine("cgroup-v2");
  CollectorUnderTest cgroup("cgroup", machine.path());
  EXPECT_THAT(cgroup.Run().text, HasSubstr("container_oom_events_total{container=\"db\""));
  machine.Remove("proc/7/root/sys/fs/cgroup");
  fs::copy(Fixture("cgroup-v2") / kDb, machine.path() / kDb, fs::copy_options::recursive);
  machine.Write(std::string(kDb) + "memory.current", "777\n");
  EXPECT_THAT(cgroup.Run().text, HasSubstr("000c2.scope\"} 777\n"));
}

TEST(Cgroup, AFileThatIsNoneOfTheKernelsIsNamedAndTheRestServed) {
  const ScratchMachine machine("cgroup-v2");
  machine.Write(std::string(kDb) + "memory.stat", "anon 12\nfile 9999");
  machine.Write(std::string(kDb) + "cpu.max", "\xff\xfe\n");
  const auto run = RunCollector("cgroup", machine.path());
  ASSERT_TRUE(run.result);
  ASSERT_THAT(run.warnings, SizeIs(2));
  EXPECT_EQ(run.warnings[0].code, Errc::kParse);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("cpu.max: not a number in '\\xff\\xfe'"));
  EXPECT_THAT(run.warnings[1].message, HasSubstr("memory.stat: cut off at 'file 9999'"));
  EXPECT_THAT(run.text, AllOf(Not(HasSubstr("container_memory_rss{container=\"db\"")),
                              HasSubstr("container_memory_usage_bytes{container=\"db\"")));
}

TEST(Cgroup, AFilePastFourMebibytesIsNotRead) {
  const ScratchMachine machine("cgroup-v2");
  machine.Write(std::string(kDb) + "cgroup.procs", std::string(5U << 20U, '\n'));
  const auto run = RunCollector("cgroup", machine.path());
  ASSERT_THAT(run.warnings, SizeIs(1));
  EXPECT_THAT(run.text, Not(HasSubstr("container_processes{container=\"db\"")));
}

TEST(Cgroup, HostileProcessesAndMountsAreNoContainers) {
  const ScratchMachine machine("cgroup-v2");
  machine.Write("proc/30/cgroup", "0::/../../etc\n\xff\n");
  machine.Write("proc/31/cgroup", "0::/../a/../../../../etc\n");
  machine.Write("proc/31/mountinfo", "1 1 0:1 /../a /sys rw - cgroup2 x rw\n0 - cgroup\n\xff");
  machine.Write("proc/32/cgroup", std::string(200'000, 'x'));
  const auto run = RunCollector("cgroup", machine.path());
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.warnings, IsEmpty());
  EXPECT_THAT(run.text, AllOf(HasSubstr("cgroup_containers 3\n"), Not(HasSubstr("etc"))));
}

TEST(Cgroup, WithoutProcessesThereIsNoProcfs) {
  const ScratchMachine machine;
  const auto run = RunCollector("cgroup", machine.path());
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kUnavailable);
}

TEST(CgroupContainers, WithoutTimeKeepWhatTheyHaveAndSaySo) {
  FakeClock clock;
  CgroupContainers containers(
      {.procfs = Fixture("cgroup-v2") / "proc", .sysfs = {}, .rootfs = {}, .udev_data = {}}, {});
  const Scrape early(clock, clock.mono() + std::chrono::seconds(1), {}, 1);
  const Scrape late(clock, clock.mono(), {}, 2);
  const auto first = containers.Refresh(early);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->out_of_time);
  EXPECT_THAT(containers.current(), SizeIs(3));
  const auto second = containers.Refresh(late);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->out_of_time);
  EXPECT_THAT(containers.current(), SizeIs(3));
}

TEST(Cgroup, ItsOptionsAreChecked) {
  const auto fault = [](const std::string& options) {
    const auto run = RunCollector("cgroup", Fixture("cgroup-v2"), options);
    return run.result ? "none" : run.result.error().message;
  };
  EXPECT_THAT(fault("container_from = \"magic\""), HasSubstr("must be auto, path or comm"));
  EXPECT_THAT(fault("[[paths]]\npath = \"/a/../b\""), HasSubstr("may not hold '..'"));
  EXPECT_THAT(fault("[[paths]]\npath = \"a\""), HasSubstr("must begin with /"));
  EXPECT_THAT(fault("[[paths]]\npath = \"/a\"\n[[paths]]\npath = \"/a/\""), HasSubstr("twice"));
  EXPECT_THAT(fault("[[names]]\nid = \"(\"\ncontainer = \"x\""), HasSubstr("missing )"));
  EXPECT_THAT(fault("[[names]]\nid = \"a\""), HasSubstr("needs a container"));
  EXPECT_THAT(fault("id_include = \"[\""), HasSubstr("missing ]"));
}

}  // namespace
}  // namespace sidecar::host
