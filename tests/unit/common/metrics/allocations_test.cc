#include "tests/support/allocations.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>

namespace sidecar {
namespace {

TEST(Allocations, AreCountedWhileTheCounterLives) {
  const auto before = std::make_unique<int>(0);
  const Allocations counted;
  EXPECT_EQ(counted.count(), 0U);
  const auto one = std::make_unique<int>(1);
  const auto more = std::make_unique<char[]>(10);
  EXPECT_EQ(counted.count(), 2U);
}

TEST(Allocations, AreRefusedPastTheMostThereMayBe) {
  bool refused = false;
  {
    const Allocations counted(1);
    const auto one = std::make_unique<int>(1);
    try {
      const auto another = std::make_unique<int>(2);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(*std::make_unique<int>(3), 3);
}

}  // namespace
}  // namespace sidecar
