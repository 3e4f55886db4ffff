#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "exporters/host/process_files.h"

namespace sidecar::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string StatOf(const std::string& comm, const std::string& rest = "") {
  const std::string fields =
      " S 1 42 42 0 -1 4194560 10 11 12 13 14 15 16 17 20 0 3 0 5000 123456 77 "
      "18446744073709551615";
  return "42 (" + comm + ")" + (rest.empty() ? fields : rest) + "\n";
}

TEST(ProcessStat, TakesTheFieldsOfTheProcessAndNotThoseOfItsChildren) {
  const std::string text = StatOf("postgres");
  const auto stat = ParseProcessStat(text);
  ASSERT_TRUE(stat) << stat.error().message;
  EXPECT_EQ(stat->comm, "postgres");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 1);
  EXPECT_EQ(stat->minor_faults, 10U);
  EXPECT_EQ(stat->major_faults, 12U);
  EXPECT_EQ(stat->user_ticks, 14U);
  EXPECT_EQ(stat->system_ticks, 15U);
  EXPECT_EQ(stat->threads, 3U);
  EXPECT_EQ(stat->start_ticks, 5000U);
  EXPECT_EQ(stat->virtual_bytes, 123456U);
  EXPECT_EQ(stat->resident_pages, 77U);
}

TEST(ProcessStat, NamesMayHoldBlanksParenthesesLinesAndAnotherProcessesFields) {
  for (const std::string name : {"my (odd) name", ") R 1", "(", ")", "", "a\nb", "\xff\xfe"}) {
    const std::string text = StatOf(name);
    const auto stat = ParseProcessStat(text);
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->comm, name);
    EXPECT_EQ(stat->state, 'S');
  }
}

TEST(ProcessStat, HostileLinesAreErrorsThatNameTheBytes) {
  std::string cut = StatOf("x");
  cut.pop_back();
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("1 (x\n"), std::string("1 )x( S 1\n"),
        std::string("1 (x)\n"), std::string("1 (x) S\n"), StatOf("x", " SS 1 2"),
        StatOf("x", " S 1 42 42 0 -1 0 -10 0 12 0 14 15 0 0 20 0 3 0 5 6 7"),
        StatOf("x", " S 1 42 42 0 -1 0 10 0 12 0 14 15 0 0 20 0 3 0 5 6 99999999999999999999"),
        StatOf("x", " S 99999999999 42 42 0 -1 0 1 0 1 0 1 1 0 0 20 0 3 0 5 6 7"), cut}) {
    const auto stat = ParseProcessStat(text);
    ASSERT_FALSE(stat) << text;
    EXPECT_EQ(stat.error().code, Errc::kParse);
    EXPECT_LT(stat.error().message.size(), 400U);
  }
}

TEST(ProcessStatus, OfAKernelThreadHasNoSwap) {
  const auto status = ParseProcessStatus(
      "Name:\tkthreadd\nUid:\t1\t2\t3\t4\nvoluntary_ctxt_switches:\t50\n"
      "nonvoluntary_ctxt_switches:\t7\nnew_key:\tx\n");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->effective_uid, 2U);
  EXPECT_EQ(status->swapped_bytes, 0U);
  EXPECT_EQ(status->voluntary, 50U);
  EXPECT_EQ(status->nonvoluntary, 7U);
}

TEST(ProcessStatus, ANameCannotPassForAnotherLine) {
  // The kernel writes a newline in a name as backslash n.
  const auto status = ParseProcessStatus(
      "Name:\tUid:\t9 9\\nVmSwap: 1 kB\nUid:\t0\t5\t0\t0\nVmSwap:\t      12 kB\n"
      "voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->effective_uid, 5U);
  EXPECT_EQ(status->swapped_bytes, 12U * 1024);
}

TEST(ProcessStatus, WithoutWhatIsCountedOrMalformedIsAnError) {
  const std::string end = "voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n";
  for (const std::string& text :
       {std::string(), "Uid:\t0\n" + end, end, std::string("Uid:\t0\t0\t0\t0\n"),
        "Uid:\t0\t-1\t0\t0\n" + end, "Uid:\t0\t1\t0\t0\nVmSwap:\t18014398509481985 kB\n" + end,
        "Uid:\t0\t1\t0\t0\nVmSwap:\t12 MB\n" + end,
        std::string(
            "Uid:\t0\t1\t0\t0\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2")}) {
    EXPECT_FALSE(ParseProcessStatus(text)) << text;
  }
}

TEST(ProcessIo, IsOfStorageAndNotOfCalls) {
  const auto io = ParseProcessIo(
      "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
      "cancelled_write_bytes: 7\n");
  ASSERT_TRUE(io);
  EXPECT_EQ(io->read_bytes, 5U);
  EXPECT_EQ(io->write_bytes, 6U);
  for (const char* text : {"", "read_bytes: 5\n", "read_bytes: x\nwrite_bytes: 6\n",
                           "read_bytes: 5\nwrite_bytes: 6"}) {
    EXPECT_FALSE(ParseProcessIo(text)) << text;
  }
}

TEST(OpenFilesLimit, IsTheSoftOneOrUnlimited) {
  const std::string line = "Max open files            ";
  EXPECT_EQ(ParseOpenFilesLimit("Limit  Soft Limit\n" + line + "1024  4096  files\n").value(),
            1024U);
  EXPECT_EQ(ParseOpenFilesLimit(line + "unlimited  unlimited  files\n").value(), kUnlimited);
  EXPECT_FALSE(ParseOpenFilesLimit(line + "many\n"));
  EXPECT_FALSE(ParseOpenFilesLimit(line));
  EXPECT_FALSE(ParseOpenFilesLimit(""));
}

TEST(SmapsRollup, TakesTheProportionalSums) {
  const auto memory = ParseSmapsRollup(
      "0-1 ---p [rollup]\nRss: 9 kB\nPss: 4 kB\nPss_Anon: 3 kB\n"
      "SwapPss:  2 kB\n");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->resident_bytes, 4096U);
  EXPECT_EQ(memory->swapped_bytes, 2048U);
  EXPECT_FALSE(ParseSmapsRollup(""));
  EXPECT_FALSE(ParseSmapsRollup("Pss: 4\n"));
}

TEST(Uptime, IsInHundredths) {
  EXPECT_EQ(ParseUptimeTicks("3600.05 7000.00\n").value(), 360'005U);
  for (const char* text : {"", "1", "1.5", "1.500", "-1.00", "1.-5", "99999999999.00"}) {
    EXPECT_FALSE(ParseUptimeTicks(text)) << text;
  }
}

TEST(BootTime, IsTheLineOfStat) {
  EXPECT_EQ(ParseBootTime("cpu 1\nbtime 1767222000\nprocesses 4\n"), 1'767'222'000U);
  EXPECT_EQ(ParseBootTime("cpu 1\nxbtime 1\n"), std::nullopt);
  EXPECT_EQ(ParseBootTime("cpu 1\nbtime soon\n"), std::nullopt);
  EXPECT_EQ(ParseBootTime("cpu 1\nbtime "), std::nullopt);
}

TEST(Cmdline, EndsAtTheNulsThatATitleLeaves) {
  using std::string_view_literals::operator""sv;
  EXPECT_THAT(SplitCmdline("a\0-b\0\0c\0"sv), ElementsAre("a", "-b", "", "c"));
  EXPECT_THAT(SplitCmdline("postgres: checkpointer \0\0\0"sv),
              ElementsAre("postgres: checkpointer "));
  EXPECT_THAT(SplitCmdline("cut"sv), ElementsAre("cut"));
  EXPECT_THAT(SplitCmdline("\0\0"sv), IsEmpty());
  EXPECT_THAT(SplitCmdline(""sv), IsEmpty());
}

TEST(Cgroups, AreThePathsOfEachHierarchy) {
  EXPECT_THAT(ParseCgroupPaths("12:cpu,cpuacct:/a\n1:name=systemd:/b:c\nnonsense\nx:y\n0::/\n"),
              ElementsAre("/a", "/b:c", "/"));
}

TEST(Users, AreFoundByTheirWholeNumber) {
  constexpr std::string_view kPasswd =
      ":x:7:\nroot:x:0:0::/:/bin/sh\nbroken\nfoo:x:700:1\npg:x:70:70:::\n";
  EXPECT_EQ(FindUser(kPasswd, 70), "pg");
  EXPECT_EQ(FindUser(kPasswd, 0), "root");
  EXPECT_EQ(FindUser(kPasswd, 7), std::nullopt);
}

TEST(Schedstat, IsTheTimeOnACpu) {
  EXPECT_EQ(ParseSchedstat("123 4 5\n").value(), 123U);
  EXPECT_FALSE(ParseSchedstat("\n"));
  EXPECT_THAT(ParseSchedstat("x y\n").error().message, HasSubstr("'x y"));
}

}  // namespace
}  // namespace sidecar::host
