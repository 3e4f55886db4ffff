#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Stat, OfAVirtualMachine) { ExpectGolden(RunCollector("stat", Fixture("vm")), "stat"); }

TEST(Stat, WithSoftirqs) {
  ExpectGolden(RunCollector("stat", Fixture("metal"), "softirq = true"), "stat-softirq");
}

TEST(Stat, OfAnOldKernelHasNoSoftirqs) {
  const auto run = RunCollector("stat", Fixture("old"), "softirq = true");
  ExpectGolden(run, "stat-old");
  EXPECT_THAT(run.text, Not(HasSubstr("node_softirqs_total")));
}

TEST(Stat, WithoutAnyKnownKeyIsAnError) {
  const ScratchMachine machine;
  machine.Write("proc/stat", "cpu0 1 2 3 4\nfuture 7\n");
  const auto run = RunCollector("stat", machine.path());
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kParse);
  EXPECT_THAT(run.result.error().message, HasSubstr("proc/stat: none of the known keys"));
}

}  // namespace
}  // namespace sidecar::host
