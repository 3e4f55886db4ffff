#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Vmstat, OfAVirtualMachine) { ExpectGolden(RunCollector("vmstat", Fixture("vm")), "vmstat"); }

TEST(Vmstat, FieldsAreFoundAnywhereInTheKey) {
  const auto run = RunCollector("vmstat", Fixture("vm"), "fields = 'dirty'");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("# TYPE node_vmstat_nr_dirty untyped\n"));
  EXPECT_THAT(run.openmetrics, HasSubstr("# TYPE node_vmstat_nr_dirty unknown\n"));
  EXPECT_THAT(run.text, Not(HasSubstr("pgfault")));
}

TEST(Vmstat, AllFieldsOfAnOldKernel) {
  const auto run = RunCollector("vmstat", Fixture("old"), "fields = ''");
  ASSERT_TRUE(run.result);
  EXPECT_EQ(run.samples, 7U);
}

TEST(Vmstat, RefusesABadRegularExpression) {
  const auto run = RunCollector("vmstat", Fixture("vm"), "fields = '^(oom'");
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kConfig);
  EXPECT_THAT(run.result.error().message, HasSubstr("not a regular expression"));
  EXPECT_THAT(run.result.error().message, HasSubstr("fields"));
}

TEST(Vmstat, FollowsKeysThatMove) {
  const ScratchMachine machine;
  CollectorUnderTest vmstat("vmstat", machine.path());
  machine.Write("proc/vmstat", "nr_dirty 1\npgfault 2\n");
  EXPECT_EQ(vmstat.Run().samples, 1U);
  machine.Write("proc/vmstat", "pgfault 3\nnr_dirty 1\noom_kill 4\n");
  const auto run = vmstat.Run();
  EXPECT_EQ(run.samples, 2U);
  EXPECT_THAT(run.text, HasSubstr("node_vmstat_pgfault 3\n"));
  EXPECT_THAT(run.text, HasSubstr("node_vmstat_oom_kill 4\n"));
}

}  // namespace
}  // namespace sidecar::host
