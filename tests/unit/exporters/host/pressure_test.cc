#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Pressure, OfAVirtualMachine) {
  ExpectGolden(RunCollector("pressure", Fixture("vm")), "pressure");
}

TEST(Pressure, OfAMachineThatAccountsInterrupts) {
  ExpectGolden(RunCollector("pressure", Fixture("metal")), "pressure-metal");
}

TEST(Pressure, WithoutSupportInTheKernelThereIsNoData) {
  const auto run = RunCollector("pressure", Fixture("old"));
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kNoData);
}

TEST(Pressure, ALineThatIsNotThereIsNoSeries) {
  const ScratchMachine machine("vm");
  machine.Write("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n");
  const auto run = RunCollector("pressure", machine.path());
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("node_pressure_io_waiting_seconds_total 1.5\n"));
  EXPECT_THAT(run.text, Not(HasSubstr("node_pressure_io_stalled_seconds_total")));
}

}  // namespace
}  // namespace sidecar::host
