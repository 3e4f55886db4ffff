#include "exporters/host/mountinfo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "exporters/host/mount_table.h"

namespace sidecar::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseMount, TakesTheFieldsApart) {
  const auto mount = ParseMount(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue");
  ASSERT_TRUE(mount);
  EXPECT_EQ(*mount, (Mount{.id = 36,
                           .major = "98",
                           .minor = "0",
                           .mountpoint = "/mnt2",
                           .fs_type = "ext3",
                           .source = "/dev/root",
                           .read_only = false}));
}

TEST(ParseMount, Unescapes) {
  const auto mount =
      ParseMount(R"(1 1 0:1 / /a\040b\011c\012d\134e\043f - - tmpfs \134\134srv\040x rw)");
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->mountpoint, "/a b\tc\nd\\e#f");
  EXPECT_EQ(mount->source, "\\\\srv x");
  // Too short or too large for a byte: as it is.
  const auto odd = ParseMount(R"(1 1 0:1 / /a\04\400\ rw - tmpfs tmpfs rw)");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->mountpoint, R"(/a\04\400\)");
}

TEST(ParseMount, SourcesMayHoldBlanksOrBeEmpty) {
  EXPECT_EQ(ParseMount("1 1 0:1 / /a rw - cifs //srv/my share rw")->source, "//srv/my share");
  EXPECT_EQ(ParseMount("1 1 0:1 / /a rw - tmpfs  rw")->source, "");
}

TEST(ParseMount, ReadOnlyByTheMountItsFileSystemOrAnError) {
  EXPECT_TRUE(ParseMount("1 1 8:1 / / ro,x - ext4 /dev/a rw")->read_only);
  EXPECT_TRUE(ParseMount("1 1 8:1 / / rw - ext4 /dev/a x,ro")->read_only);
  EXPECT_TRUE(ParseMount("1 1 8:1 / / rw - ext4 /dev/a rw,emergency_ro")->read_only);
  EXPECT_FALSE(ParseMount("1 1 8:1 / / rw - ext4 /dev/a rw,errors=ro,root")->read_only);
}

TEST(ParseMount, RefusesWhatIsNoMount) {
  for (const char* line :
       {"", " ", "x 1 8:1 / / rw - ext4 a rw", "1 1 81 / / rw - ext4 a rw", "1 1 8:1 /",
        "1 1 8:1 / / rw shared:1 ext4 a rw", "1 1 8:1 / / rw -", "1 1 8:1 / / rw - ext4",
        "1 1 8:1 / / rw - ext4 rw", "99999999999999999999 1 8:1 / / rw - ext4 a rw"}) {
    EXPECT_FALSE(ParseMount(line)) << line;
  }
}

TEST(ParseMount, ALineOf64KiBIsTakenAndNotShownInFull) {
  const std::string path(64U << 10U, 'x');
  EXPECT_EQ(ParseMount("1 1 8:1 / /" + path + " rw - ext4 /dev/a rw")->mountpoint, "/" + path);
  EXPECT_LT(ParseMount("1 1 8:1 / /" + path).error().message.size(), 512U);
}

TEST(StripRoot, ByWholeComponents) {
  EXPECT_EQ(StripRoot("/host/data", "/host"), "/data");
  EXPECT_EQ(StripRoot("/host/data", "/host/"), "/data");
  EXPECT_EQ(StripRoot("/host", "/host"), "/");
  EXPECT_EQ(StripRoot("/hostile", "/host"), "/hostile");
  EXPECT_EQ(StripRoot("/data", "/"), "/data");
  EXPECT_EQ(StripRoot("/data", ""), "/data");
}

TEST(MountTable, AskingMayWaitBelowARemoteMountButNotBesideIt) {
  MountTable table("/", {}, {});
  table.Update(
      "1 1 8:1 / / rw - ext4 /dev/a rw\n"
      "2 1 0:9 / /nfs rw - nfs4 s:/x rw\n"
      "3 2 8:2 / /nfs/inner rw - ext4 /dev/b rw\n"
      "4 1 8:3 / /nfsd rw - ext4 /dev/c rw\n"
      "5 1 8:4 / /big rw - btrfs /dev/d rw\n");
  std::vector<bool> prompt;
  for (const MountEntry& entry : table.entries()) prompt.push_back(entry.prompt);
  EXPECT_THAT(prompt, ElementsAre(true, false, false, true, false));
}

TEST(MountTable, ShowsTheUpperOfTwoMountsThatAreOneSeries) {
  MountTable table("/", {}, {});
  table.Update(
      "1 1 0:1 / /a ro - tmpfs tmpfs rw\n"
      "2 1 0:2 / /b rw - tmpfs tmpfs rw\n"
      "3 1 0:3 / /a rw - tmpfs tmpfs rw\n"
      "4 3 8:4 / /a rw - ext4 /dev/a rw\n");
  ASSERT_EQ(table.entries().size(), 3U);
  EXPECT_EQ(table.entries()[0].mount.minor, "3");
  EXPECT_FALSE(table.entries()[0].mount.read_only);
  ASSERT_EQ(table.entries()[0].covered.size(), 1U);
  EXPECT_EQ(table.entries()[0].covered[0].minor, "1");
  // Another source at the same place: its own series, asked once.
  EXPECT_EQ(table.entries()[0].probe, table.entries()[2].probe);
  EXPECT_FALSE(table.entries()[0].upper);
  EXPECT_TRUE(table.entries()[2].upper);
}

TEST(MountTable, AMountThatStaysKeepsItsState) {
  MountTable table("/host", {}, {});
  table.Update("7 1 8:1 / / rw - ext4 /dev/a rw\n8 1 8:2 / /host/x rw - ext4 /dev/b rw\n");
  EXPECT_EQ(table.entries()[0].probe->path(), "/host/");
  EXPECT_EQ(table.entries()[1].probe->path(), "/host/x");
  EXPECT_EQ(table.entries()[1].mountpoint, "/x");
  const auto first = table.entries()[0].probe, second = table.entries()[1].probe;
  table.entries()[0].proven = true;
  table.Update("7 1 8:1 / / ro - ext4 /dev/a rw\n8 1 8:2 / /host/x rw - xfs /dev/c rw\n");
  EXPECT_EQ(table.entries()[0].probe, first);
  EXPECT_TRUE(table.entries()[0].proven);
  EXPECT_TRUE(table.entries()[0].mount.read_only);
  EXPECT_NE(table.entries()[1].probe, second) << "its id is used again for another";
}

TEST(MountTable, KeepsTheFirstFaultAndTheOtherMounts) {
  MountTable table("/", {}, {});
  table.Update("broken one\nbroken two\n1 1 8:1 / / rw - ext4 /dev/a rw\n2 1 8:1 / /cu");
  EXPECT_EQ(table.entries().size(), 1U);
  ASSERT_TRUE(table.fault());
  EXPECT_THAT(table.fault()->message, HasSubstr("broken one"));
  table.Update("1 1 8:1 / / rw - ext4 /dev/a rw\n");
  EXPECT_FALSE(table.fault());
}

}  // namespace
}  // namespace sidecar::host
