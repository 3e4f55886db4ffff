#include <new>

#include "tests/support/allocations.h"
#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

// As often as it takes for a scrape to get through: one allocation later each time.
TEST(EngineOutOfMemory, CostsThatScrapeOnlyWhereverItComes) {
  EngineHarness h;
  const auto swap = [&] {
    h.Swap(Collects("z", Gives("z", 1)), Collects("kept", Gives("kept", 2), {.in_memory = true}),
           Collects("also", Gives("also", 3), {.in_memory = true}));
  };
  std::size_t most = 0, thrown = 0;
  for (bool refused = true; refused; ++most) {
    ASSERT_LT(most, 10'000U);
    if (most % 2 == 0) swap();  // the first scrape of a generation has lanes and rows to make
    {
      const Allocations counted(most);
      try {
        (void)h.engine->Gather({});
      } catch (const std::bad_alloc&) {
        ++thrown;
      }
      refused = counted.count() > most;
    }
    ASSERT_THAT(h.Gather(), AllOf(HasSubstr("z_value 1\n"), HasSubstr("kept_value 2\n"),
                                  HasSubstr("also_value 3\n"), HasSubstr(Success("z", true)),
                                  HasSubstr(Success("kept", true))))
        << "after " << most << " allocations";
  }
  EXPECT_GT(thrown, 10U);
}

}  // namespace
}  // namespace sidecar
