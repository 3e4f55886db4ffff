#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Meminfo, OfAVirtualMachine) {
  ExpectGolden(RunCollector("meminfo", Fixture("vm")), "meminfo");
}

TEST(Meminfo, OfAnOldKernelWithKeysOfItsOwn) {
  ExpectGolden(RunCollector("meminfo", Fixture("old")), "meminfo-old");
}

TEST(Meminfo, FollowsKeysThatComeAndGo) {
  const ScratchMachine machine;
  CollectorUnderTest meminfo("meminfo", machine.path());
  machine.Write("proc/meminfo", "MemTotal: 4 kB\nMemFree: 1 kB\nDirty: 2 kB\n");
  EXPECT_EQ(meminfo.Run().samples, 3U);
  machine.Write("proc/meminfo", "MemTotal: 4 kB\nBrandNew: 9 kB\nMemFree: 3 kB\n");
  const auto run = meminfo.Run();
  EXPECT_EQ(run.samples, 3U);
  EXPECT_THAT(run.text, HasSubstr("node_memory_BrandNew_bytes 9216\n"));
  EXPECT_THAT(run.text, HasSubstr("node_memory_MemFree_bytes 3072\n"));
  EXPECT_THAT(run.text, Not(HasSubstr("Dirty")));
}

TEST(Meminfo, AKeyThatRepeatsIsServedOnce) {
  const ScratchMachine machine;
  machine.Write("proc/meminfo", "MemFree: 4 kB\nMemFree: 5 kB\n");
  const auto run = RunCollector("meminfo", machine.path());
  ASSERT_TRUE(run.result);
  EXPECT_EQ(run.samples, 1U);
}

TEST(Meminfo, ALineOf64KiBIsAnErrorWithAShortMessage) {
  const ScratchMachine machine;
  machine.Write("proc/meminfo", "MemTotal: 4 kB\n" + std::string(65'536, 'x') + ": 1 kB\n");
  const auto run = RunCollector("meminfo", machine.path());
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kParse);
  EXPECT_LT(run.result.error().message.size(), 250U);
  EXPECT_THAT(run.result.error().message, HasSubstr("xxx..."));
}

TEST(Meminfo, PastItsBoundIsALimitError) {
  const ScratchMachine machine;
  std::string text;
  while (text.size() <= 256 * 1024) text += "Key" + std::to_string(text.size()) + ": 1 kB\n";
  machine.Write("proc/meminfo", text);
  EXPECT_EQ(RunCollector("meminfo", machine.path()).result.error().code, Errc::kLimit);
}

}  // namespace
}  // namespace sidecar::host
