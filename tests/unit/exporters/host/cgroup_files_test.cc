#include "exporters/host/cgroup_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "exporters/host/cgroup_names.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;

TEST(CgroupKeys, TakesTheWantedOnesAndLeavesWhatTheKernelAdds) {
  std::optional<std::uint64_t> periods, bursts;
  const CgroupKey wanted[] = {{"nr_periods", &periods}, {"nr_bursts", &bursts}};
  ASSERT_TRUE(ParseCgroupKeys("usage_usec x\nnr_periods 18446744073709551615\n", wanted));
  EXPECT_EQ(periods, 18446744073709551615U);
  EXPECT_EQ(bursts, std::nullopt);
}

TEST(CgroupKeys, RefusesWhatIsNoWholeNumber) {
  for (const std::string text :
       {"", "nr 1", "nr 18446744073709551616\n", "nr -1\n", "nr\n", "nr 1 2\n", "nr \xff\n"}) {
    std::optional<std::uint64_t> value;
    const CgroupKey wanted[] = {{"nr", &value}};
    const auto parsed = ParseCgroupKeys(text, wanted);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::kParse);
    EXPECT_LT(parsed.error().message.size(), 300U);
  }
}

TEST(CgroupValue, HasNoneForMaxAndForNoQuota) {
  EXPECT_EQ(*ParseCgroupValue("max\n"), std::nullopt);
  EXPECT_EQ(*ParseCgroupValue("-1\n"), std::nullopt);
  EXPECT_EQ(*ParseCgroupValue("67108864\n"), 67108864U);
  for (const char* text : {"", "\n", "1", "maximum\n", "-2\n", "1\n2\n", "1.5\n"}) {
    EXPECT_FALSE(ParseCgroupValue(text)) << text;
  }
}

TEST(CpuMax, HasAQuotaOrNone) {
  const auto limited = ParseCpuMax("50000 100000\n"), unlimited = ParseCpuMax("max 100000\n");
  ASSERT_TRUE(limited && unlimited);
  EXPECT_EQ(limited->quota, 50000U);
  EXPECT_EQ(unlimited->quota, std::nullopt);
  EXPECT_EQ(unlimited->period, 100000U);
  for (const char* text : {"", "max\n", "x 100000\n", "50000 100000"}) {
    EXPECT_FALSE(ParseCpuMax(text)) << text;
  }
}

TEST(IoStat, LeavesOutDevicesWithoutKeysAndKeysThatAreFractions) {
  const auto devices = ParseIoStat(
      "8:0 \n7:0 7:1 8:16 rbytes=1 wbytes=2 cost.vrate=100.00\n259:0 cost.vrate=99.5\n");
  ASSERT_TRUE(devices);
  ASSERT_EQ(devices->size(), 1U);
  EXPECT_EQ(devices->front().major, 8U);
  EXPECT_EQ(devices->front().minor, 16U);
  EXPECT_EQ(devices->front().values[CgroupIo::kReadBytes], 1U);
  EXPECT_EQ(devices->front().values[CgroupIo::kReads], std::nullopt);
}

TEST(IoStat, IsEmptyBeforeAnyIo) { EXPECT_TRUE(ParseIoStat("")->empty()); }

TEST(IoStat, RefusesNumbersThatAreNone) {
  for (const char* text : {"8:0 rbytes=1.5\n", "8:0 wios=\n", "8 rbytes=1\n", "8:x rios=1\n",
                           "8:0 rbytes=18446744073709551616\n", "8:0 rbytes=12"}) {
    EXPECT_FALSE(ParseIoStat(text)) << text;
  }
}

TEST(Blkio, JoinsTheCountsOfTwoFiles) {
  std::vector<CgroupIo> devices;
  ASSERT_TRUE(
      ParseBlkio("8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\nTotal 30\n", BlkioUnit::kBytes, devices));
  ASSERT_TRUE(ParseBlkio("8:0 Read 1\n9:0 Write 2\nTotal 3\n", BlkioUnit::kOperations, devices));
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].values[CgroupIo::kWriteBytes], 20U);
  EXPECT_EQ(devices[0].values[CgroupIo::kReads], 1U);
  EXPECT_EQ(devices[1].values[CgroupIo::kWrites], 2U);
  EXPECT_FALSE(ParseBlkio("8:0 Read x\n", BlkioUnit::kBytes, devices));
}

TEST(CgroupEntries, KeepColonsAndBlanksOfAPath) {
  const auto entries = ParseCgroupEntries("4:cpu,cpuacct:/a b:c\n1:name=systemd:/s\n0::/../x\n");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3U);
  EXPECT_EQ((*entries)[0].path, "/a b:c");
  EXPECT_EQ((*entries)[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_FALSE((*entries)[1].v2);
  EXPECT_TRUE((*entries)[2].v2);
  for (const char* text : {"", "0::/a", "0:/a\n", "x::/a\n", "0::a\n", "\n"}) {
    EXPECT_FALSE(ParseCgroupEntries(text)) << text;
  }
}

TEST(CgroupEntries, LeaveOutGroupsThatWereRemoved) {
  const auto entries = ParseCgroupEntries("4:memory:/a (deleted)\n0::/a\n");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_TRUE(entries->front().v2);
}

std::string IdOf(std::string_view text, std::size_t left) {
  auto entries = ParseCgroupEntries(text);
  if (!entries) return "no entries";
  std::string id = CgroupId(*entries);
  EXPECT_EQ(entries->size(), left);
  return id;
}

TEST(CgroupId, IsWhereTheMemoryOfVersion1Is) {
  EXPECT_EQ(IdOf("4:memory:/docker/a\n2:cpu:/\n1:name=systemd:/docker/a\n0::/system.slice\n", 1),
            "/docker/a");
}

TEST(CgroupId, IsThePathOfVersion2WhereThereIsNoOther) {
  EXPECT_EQ(IdOf("1:name=systemd:/\n0::/../a\n", 1), "/../a");
}

TEST(CgroupId, IsSelfAtTheRootOfANamespaceBecauseSlashIsTheMachine) {
  EXPECT_EQ(IdOf("0::/\n", 1), "self");
}

CgroupMount MountOf(std::string_view line) {
  auto mount = ParseCgroupMount(line);
  return mount && *mount ? std::move(**mount) : CgroupMount{};
}

TEST(CgroupMount, IsFoundByItsTypeWithItsControllers) {
  const CgroupMount mount = MountOf(
      R"(42 31 0:42 /a\040b /sys/fs/cgroup/cpu ro shared:1 - cgroup cgroup rw,cpu,cpuacct)");
  EXPECT_FALSE(mount.v2);
  EXPECT_EQ(mount.root, "/a b");
  EXPECT_EQ(mount.mountpoint, "/sys/fs/cgroup/cpu");
  EXPECT_THAT(mount.options, ::testing::ElementsAre("rw", "cpu", "cpuacct"));
  EXPECT_FALSE(*ParseCgroupMount("31 1 0:30 / /sys/fs/cgroup ro - tmpfs tmpfs ro"));
  EXPECT_FALSE(*ParseCgroupMount("31 1 0:30 / /x ro - ext4 - cgroup rw"));
  EXPECT_FALSE(ParseCgroupMount("31 - cgroup"));
}

TEST(CgroupMount, HasWhatIsBelowItsRootAndNeverWhatIsBeside) {
  const CgroupEntry entry{.v2 = true, .controllers = {}, .path = "/../sibling/x"};
  CgroupMount mount{.v2 = true, .options = {}, .root = "/../sibling", .mountpoint = "/m"};
  EXPECT_EQ(PathIn(mount, entry), "/m/x");
  mount.root = "/../sibling/x";
  EXPECT_EQ(PathIn(mount, entry), "/m");
  mount.root = "/..";
  EXPECT_EQ(PathIn(mount, entry), "/m/sibling/x");
  for (const char* root : {"/", "/../sib", "/../sibling/x/y", "/other"}) {
    mount.root = root;
    EXPECT_EQ(PathIn(mount, entry), std::nullopt) << root;
  }
  mount.root = "/a";
  EXPECT_EQ(PathIn(mount, {.v2 = true, .controllers = {}, .path = "/"}), std::nullopt);
  EXPECT_EQ(PathIn(mount, {.v2 = false, .controllers = {"cpu"}, .path = "/a"}), std::nullopt);
}

TEST(CgroupNames, ShortensWhatRuntimesCallTheirGroups) {
  const std::string id = "4fa6" + std::string(58, '0') + "c2";
  EXPECT_EQ(ShortName("/../cri-containerd-" + id + ".scope"), "4fa600000000");
  EXPECT_EQ(ShortName("/docker/" + id), "4fa600000000");
  EXPECT_EQ(ShortName("/system.slice/k3s.service/kubepods-x:cri-containerd:" + id), "4fa600000000");
  EXPECT_EQ(ShortName("/system.slice/ssh.service"), "ssh");
  EXPECT_EQ(ShortName("/a/x" + id), "x" + id);
  EXPECT_EQ(ShortName("self"), "self");
}

TEST(CgroupNames, KnowTheKubeletsNameByTheLogItMounts) {
  EXPECT_EQ(KubernetesName("1 2 8:1 /var/lib/kubelet/pods/u-1/containers/db/5f3e "
                           "/dev/termination-log rw - ext4 /dev/sda1 rw\n"),
            "db");
  EXPECT_EQ(
      KubernetesName("1 2 8:1 /var/lib/docker/containers/abc/hosts /etc/hosts rw - ext4 - rw\n"
                     "1 2 8:1 /pods//containers/db/5 / rw - ext4 - rw\n"),
      std::nullopt);
}

TEST(CgroupNames, ConfiguredOnesWinAndTheFirstOfThem) {
  CgroupNames names(CgroupNames::From::kComm);
  ASSERT_TRUE(names.Add("^/app/(\\w+)", "app-\\1"));
  ASSERT_TRUE(names.Add("app", "late"));
  EXPECT_EQ(names.Name("/app/web", "nginx", ""), "app-web");
  EXPECT_EQ(names.Name("/x/app", "nginx", ""), "late");
  EXPECT_EQ(names.Name("/y", "nginx", ""), "nginx");
  const auto bad = names.Add("(", "x"), beyond = names.Add("a", "\\1");
  ASSERT_FALSE(bad);
  EXPECT_FALSE(beyond);
  EXPECT_THAT(bad.error().message, HasSubstr("missing )"));
}

}  // namespace
}  // namespace sidecar::host
