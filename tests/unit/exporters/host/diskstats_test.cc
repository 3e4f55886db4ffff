#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "exporters/host/proc_diskstats.h"
#include "exporters/host/udev.h"
#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSda[] = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n";

TEST(Diskstats, OfAVirtualMachineWithoutUdev) {
  ExpectGolden(RunCollector("diskstats", Fixture("vm")), "diskstats");
}

TEST(Diskstats, OfAMachineWithUdevDeviceMapperAndThreeKernelVariants) {
  ExpectGolden(RunCollector("diskstats", Fixture("metal")), "diskstats-metal");
}

TEST(Diskstats, OfAnOldKernelWith14ColumnsIncludingPartitions) {
  ExpectGolden(RunCollector("diskstats", Fixture("old"), "device_include = '^sd'"),
               "diskstats-old");
}

TEST(Diskstats, IncludeReplacesTheDefaultExclude) {
  const auto run = RunCollector("diskstats", Fixture("metal"), "device_include = 'loop'");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("node_disk_io_now{device=\"loop0\"} 0\n"));
  EXPECT_THAT(run.text, Not(HasSubstr("sda")));
}

TEST(Diskstats, RefusesIncludeAndExcludeTogether) {
  const auto run =
      RunCollector("diskstats", Fixture("vm"), "device_include = 'a'\ndevice_exclude = 'b'");
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kConfig);
  EXPECT_THAT(run.result.error().message, HasSubstr("not both"));
}

TEST(Diskstats, RefusesABadRegularExpressionWithItsMessage) {
  const auto run = RunCollector("diskstats", Fixture("vm"), "device_exclude = '(sda'");
  ASSERT_FALSE(run.result);
  EXPECT_THAT(run.result.error().message, HasSubstr("missing ): (sda"));
}

TEST(Diskstats, WithoutAnyDiskThereIsNothing) {
  const auto run = RunCollector("diskstats", Fixture("hostile-empty"));
  ASSERT_TRUE(run.result);
  EXPECT_EQ(run.samples, 0U);
}

TEST(Diskstats, NamesTheLineThatIsCut) {
  const auto run = RunCollector("diskstats", Fixture("hostile-cut"));
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kParse);
}

TEST(Diskstats, NamesTheLineWithTooFewColumns) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", std::string(kSda) + "8 16 sdb 1 2 3 4 5 6 7\n");
  const auto run = RunCollector("diskstats", machine.path());
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kParse);
  EXPECT_THAT(run.result.error().message, HasSubstr("14 columns in '8 16 sdb 1 2"));
}

TEST(Diskstats, LeavesOutColumnsThatItDoesNotKnow) {
  const auto extra = RunCollector("diskstats", Fixture("hostile-extra"));
  ASSERT_TRUE(extra.result) << extra.result.error().message;
  ScratchMachine machine("hostile-extra");
  std::filesystem::copy(Fixture("vm") / "proc/diskstats", machine.path() / "proc/diskstats",
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(extra.text, RunCollector("diskstats", machine.path()).text);
}

TEST(Diskstats, RefusesANumberBeyond64Bits) {
  const auto run = RunCollector("diskstats", Fixture("hostile-huge"));
  ASSERT_FALSE(run.result);
  EXPECT_THAT(run.result.error().message, HasSubstr("not a number"));
}

TEST(Diskstats, ShowsTheLargestNumber) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", "8 0 sda 18446744073709551615 2 3 4 5 6 7 8 9 10 11\n");
  EXPECT_THAT(RunCollector("diskstats", machine.path()).text,
              HasSubstr("reads_completed_total{device=\"sda\"} 18446744073709551616\n"));
}

TEST(Diskstats, NamesThatAreNoUtf8OrNoNamesAreLabelsAndNeverPaths) {
  ScratchMachine machine("hostile-bytes");
  machine.Write("sys/block/queue/rotational", "7\n");
  machine.Write("etc/queue/rotational", "7\n");
  const auto run = RunCollector("diskstats", machine.path(), "device_include = '.'");
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr("device=\"sd\xEF\xBF\xBD\""));
  EXPECT_THAT(run.text, HasSubstr("device=\"../../etc\",major=\"8\",minor=\"1\",path=\"\",wwn=\"\","
                                  "model=\"\",serial=\"\",revision=\"\",rotational=\"0\"} 1\n"));
}

TEST(Diskstats, ALineOf64KiBIsNotShownInFull) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", "8 0 " + std::string(64U << 10U, 'x') + "\n");
  const auto run = RunCollector("diskstats", machine.path());
  ASSERT_FALSE(run.result);
  EXPECT_LT(run.result.error().message.size(), 512U);
}

TEST(Diskstats, MissingFileIsAnError) {
  const auto run = RunCollector("diskstats", ScratchMachine().path());
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kUnavailable);
}

TEST(Diskstats, ReadsUdevAnewWhenItsFolderChanges) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", kSda);
  machine.Write("udev/b8:0", "E:ID_MODEL=OLD\n");
  CollectorUnderTest disks("diskstats", machine.path());
  EXPECT_THAT(disks.Run().text, HasSubstr("model=\"OLD\""));
  machine.Write("udev/b8:0.tmp", "E:ID_MODEL=NEW\n");
  std::filesystem::rename(machine.path() / "udev/b8:0.tmp", machine.path() / "udev/b8:0");
  std::filesystem::last_write_time(
      machine.path() / "udev",
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(3));
  EXPECT_THAT(disks.Run().text, HasSubstr("model=\"NEW\""));
}

TEST(Diskstats, ReadsRotationalAnewFromTimeToTime) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", kSda);
  machine.Write("sys/block/sda/queue/rotational", "1\n");
  CollectorUnderTest disks("diskstats", machine.path());
  EXPECT_THAT(disks.Run().text, HasSubstr("rotational=\"1\""));
  machine.Write("sys/block/sda/queue/rotational", "0\n");
  EXPECT_THAT(disks.Run().text, HasSubstr("rotational=\"1\""));
  disks.clock().Advance(std::chrono::minutes(6));
  EXPECT_THAT(disks.Run().text, HasSubstr("rotational=\"0\""));
}

TEST(Diskstats, ANameThatComesBackAsAnotherDeviceIsReadAnew) {
  ScratchMachine machine;
  machine.Write("proc/diskstats", kSda);
  machine.Write("udev/b8:0", "E:ID_MODEL=FIRST\n");
  machine.Write("udev/b8:32", "E:ID_MODEL=SECOND\n");
  CollectorUnderTest disks("diskstats", machine.path());
  EXPECT_THAT(disks.Run().text, HasSubstr("model=\"FIRST\""));
  machine.Write("proc/diskstats", "8 32 sda 1 2 3 4 5 6 7 8 9 10 11\n");
  EXPECT_THAT(disks.Run().text, HasSubstr("model=\"SECOND\""));
  machine.Write("proc/diskstats", "8 48 sdb 1 2 3 4 5 6 7 8 9 10 11\n");
  EXPECT_THAT(disks.Run().text, Not(HasSubstr("sda")));
}

TEST(ParseUdev, LeavesOutWhatIsNoProperty) {
  const DiskProperties disk = ParseUdev("E:ID_MODEL\nX\n\nE:=x\nID_MODEL=no\nE:ID_MODEL=a=b\nE:");
  EXPECT_EQ(disk.model, "a=b");
  EXPECT_EQ(disk.serial, "");
}

TEST(ParseDisk, RefusesADeviceNumberThatIsNone) {
  EXPECT_FALSE(ParseDisk("8 x sda 1 2 3 4 5 6 7 8 9 10 11"));
  EXPECT_FALSE(ParseDisk("-8 0 sda 1 2 3 4 5 6 7 8 9 10 11"));
  EXPECT_FALSE(ParseDisk(""));
}

}  // namespace
}  // namespace sidecar::host
