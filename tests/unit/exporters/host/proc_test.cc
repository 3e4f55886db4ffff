#include "exporters/host/proc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sidecar::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Whole, RefusesNothingAndWhatIsCutOff) {
  EXPECT_EQ(Whole("/p", std::string_view("a\nb\n")).value(), "a\nb\n");
  EXPECT_EQ(Whole("/p", std::string_view("")).error().message, "/p: empty");
  EXPECT_EQ(Whole("/p", std::string_view("a 1\nb 23")).error().message, "/p: cut off at 'b 23'");
  EXPECT_EQ(Whole("/p", Fail(Errc::kDenied, "no")).error().code, Errc::kDenied);
}

TEST(ParseCpuTicks, TakesColumnsInOrderAndIgnoresLaterOnes) {
  const auto row = ParseCpuTicks("cpu12 1 2 3 4 5 6 7 8 9 10 later").value();
  ASSERT_TRUE(row);
  EXPECT_EQ(row->cpu, 12U);
  EXPECT_THAT(row->ticks, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
}

TEST(ParseCpuTicks, ColumnsOfLaterKernelsAreZeroOnAnOldOne) {
  const auto row = ParseCpuTicks("cpu0 1 2 3 4").value();
  ASSERT_TRUE(row);
  EXPECT_THAT(row->ticks, ElementsAre(1, 2, 3, 4, 0, 0, 0, 0, 0, 0));
}

TEST(ParseCpuTicks, SkipsTheSumAndRefusesWhatIsNoNumber) {
  EXPECT_FALSE(ParseCpuTicks("cpu  1 2 3 4").value());
  for (const char* line :
       {"cpu0", "cpu0 1 2 3", "cpu0 1 2 3 x", "cpu0 1 2 3 4 -5", "cpux 1 2 3 4", "c",
        "cpu0 18446744073709551616 2 3 4", "cpu4294967296 1 2 3 4", "cpu\xff 1 2 3 4"}) {
    const auto row = ParseCpuTicks(line);
    ASSERT_FALSE(row) << line;
    EXPECT_EQ(row.error().code, Errc::kParse);
    EXPECT_THAT(row.error().message, HasSubstr("not a number in 'c"));
  }
}

TEST(ParseKernelStat, HasNoValueForALineThatIsNotThere) {
  const auto stat = ParseKernelStat("cpu 1 2 3 4\nintr 7 1 2 3\nfuture x\nctxt 8\n").value();
  EXPECT_EQ(stat.interrupts, 7U);
  EXPECT_EQ(stat.context_switches, 8U);
  EXPECT_FALSE(stat.forks);
  EXPECT_FALSE(stat.softirqs[0]);
}

TEST(ParseKernelStat, TakesAsManySoftirqsAsThereAre) {
  const auto stat = ParseKernelStat("softirq 100 1 2\n").value();
  EXPECT_EQ(stat.softirqs[0], 1U);
  EXPECT_EQ(stat.softirqs[1], 2U);
  EXPECT_FALSE(stat.softirqs[2]);
  EXPECT_TRUE(ParseKernelStat("softirq 100 1 2 3 4 5 6 7 8 9 10 11 x\n"));
  EXPECT_FALSE(ParseKernelStat("softirq 100 1 x\n"));
  EXPECT_FALSE(ParseKernelStat("softirq\n"));
}

TEST(ParseKernelStat, RefusesWhatIsNoNumber) {
  EXPECT_FALSE(ParseKernelStat("ctxt\n"));
  EXPECT_FALSE(ParseKernelStat("btime 99999999999999999999999\n"));
  EXPECT_EQ(ParseKernelStat("processes \xfe\n").error().message,
            "not a number in 'processes \\xfe'");
}

TEST(ParseMeminfo, MultipliesByItsUnit) {
  const auto total = ParseMeminfo("MemTotal:       24684084 kB").value();
  EXPECT_EQ(total.key, "MemTotal");
  EXPECT_EQ(total.value, 24'684'084ULL * 1024);
  EXPECT_TRUE(total.bytes);
  const auto pages = ParseMeminfo("HugePages_Total:       3").value();
  EXPECT_EQ(pages.value, 3U);
  EXPECT_FALSE(pages.bytes);
}

TEST(ParseMeminfo, RefusesWhatIsMalformedOrTooLarge) {
  for (const char* line : {"", "MemTotal", "MemTotal 1 kB", ": 1 kB", "Mem Total: 1 kB",
                           "M\xc3\xa4m: 1 kB", "MemTotal:", "MemTotal: kB", "MemTotal: 1 MB",
                           "MemTotal: -1 kB", "MemTotal: 18014398509481984 kB"}) {
    const auto entry = ParseMeminfo(line);
    ASSERT_FALSE(entry) << line;
    EXPECT_EQ(entry.error().code, Errc::kParse);
  }
  EXPECT_TRUE(ParseMeminfo("MemTotal: 18014398509481983 kB")) << "the last that fits";
  EXPECT_FALSE(ParseMeminfo(std::string(65'536, 'a') + ": 1 kB"));
}

TEST(ParseVmstat, TakesWholeNumbersOfEitherSign) {
  EXPECT_EQ(ParseVmstat("pgfault 5662139").value().value, 5'662'139);
  EXPECT_EQ(ParseVmstat("nr_x -3 later").value().value, -3);
  for (const char* line : {"", "pgfault", "pgfault x", "pgfault 1.5", "pgfault nan",
                           "pgfault 18446744073709551616", "\xff 1"}) {
    EXPECT_FALSE(ParseVmstat(line)) << line;
  }
}

TEST(ParsePressure, TakesTheTotalOfTheLinesThatAreThere) {
  const auto both = ParsePressure(
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 total=3 later=x\n");
  EXPECT_EQ(both.value().some, 12U);
  EXPECT_EQ(both.value().full, 3U);
  const auto some = ParsePressure("some total=12\nother total=x\n").value();
  EXPECT_EQ(some.some, 12U);
  EXPECT_FALSE(some.full);
  EXPECT_FALSE(ParsePressure("some avg10=0.00\n"));
  EXPECT_FALSE(ParsePressure("full total=\n"));
  EXPECT_FALSE(ParsePressure("full total=-1\n"));
  EXPECT_FALSE(ParsePressure("full total=18446744073709551616\n"));
}

TEST(ParseLoadAverages, RefusesWhatIsNoFiniteNumber) {
  const auto loads = ParseLoadAverages("0.21 0.37 0.39 1/719 19737\n").value();
  EXPECT_EQ(loads.one, 0.21);
  EXPECT_EQ(loads.five, 0.37);
  EXPECT_EQ(loads.fifteen, 0.39);
  for (const char* text : {"", "\n", "0.1 0.2\n", "0.1 x 0.3\n", "inf 0.2 0.3\n", "nan 0.2 0.3\n",
                           "-1 0.2 0.3\n", "1e999 0.2 0.3\n"}) {
    EXPECT_FALSE(ParseLoadAverages(text)) << text;
  }
}

TEST(ParseFileHandles, TakesTheFirstAndTheThirdColumn) {
  const auto handles = ParseFileHandles("557\t0\t2466170\n").value();
  EXPECT_EQ(handles.allocated, 557U);
  EXPECT_EQ(handles.maximum, 2'466'170U);
  EXPECT_EQ(ParseFileHandles("1\t0\t9223372036854775807\n").value().maximum,
            9'223'372'036'854'775'807U);
  EXPECT_FALSE(ParseFileHandles("557\t0\n"));
  EXPECT_FALSE(ParseFileHandles("557\tx\t1\n"));
}

TEST(NextCpuInfo, SplitsAtEmptyLines) {
  std::string_view rest =
      "processor\t: 0\nmodel name\t: AMD EPYC: x\nflags\t\t: fpu aes\nbugs\t:\n\n\n"
      "processor\t: 1\nCPU part\t: 0xd0c\nFeatures : fp\n\nHardware : board\n";
  auto cpu = NextCpuInfo(rest);
  ASSERT_TRUE(cpu);
  EXPECT_EQ(cpu->processor, "0");
  EXPECT_EQ(cpu->model_name, "AMD EPYC: x");
  EXPECT_EQ(cpu->flags, "fpu aes");
  EXPECT_EQ(cpu->bugs, "");
  cpu = NextCpuInfo(rest);
  ASSERT_TRUE(cpu);
  EXPECT_EQ(cpu->processor, "1");
  EXPECT_EQ(cpu->flags, "fp");
  EXPECT_FALSE(NextCpuInfo(rest)) << "no processor";
}

TEST(ParseCpuList, ExpandsRangesAndRefusesDisorder) {
  EXPECT_THAT(ParseCpuList("1,3-5,9\n").value(), ElementsAre(1, 3, 4, 5, 9));
  EXPECT_THAT(ParseCpuList("\n").value(), IsEmpty());
  EXPECT_THAT(ParseCpuList("").value(), IsEmpty());
  for (const char* text : {"x", "1,,2", "1-", "-1", "3-1", "1,1", "0-5,2", "0-65536", "1-2-3"}) {
    EXPECT_FALSE(ParseCpuList(text)) << text;
  }
}

}  // namespace
}  // namespace sidecar::host
