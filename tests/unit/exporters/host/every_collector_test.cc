// Each collector of the table on the fixture `vm`, against its golden: a new collector needs no
// test of its own for that, only the golden.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

// These ask the kernel itself, not files below the roots: their own tests inject what it says.
constexpr std::string_view kAskTheKernel[] = {"filesystem", "netdev", "time", "uname"};

class EveryCollector : public ::testing::TestWithParam<const CollectorSpec<HostEnv>*> {};

TEST_P(EveryCollector, MatchesItsGoldenOnTheVirtualMachine) {
  const std::string name(GetParam()->name);
  if (std::ranges::count(kAskTheKernel, name) > 0) {
    EXPECT_FALSE(GetParam()->families.empty());
    return;
  }
  ExpectGolden(RunCollector(name, Fixture("vm")), name);
}

INSTANTIATE_TEST_SUITE_P(Host, EveryCollector, ::testing::ValuesIn(Collectors()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace sidecar::host
