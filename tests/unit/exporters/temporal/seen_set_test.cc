#include "exporters/temporal/seen_set.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sidecar::temporal {
namespace {

TEST(RunKey, IsTheBitsOfAUuid) {
  const RunKey key = KeyOf("019a0b1c-2d3e-7f40-8123-456789abcdef");
  EXPECT_EQ(key.high, 0x019a0b1c2d3e7f40U);
  EXPECT_EQ(key.low, 0x8123456789abcdefU);
}

TEST(RunKey, OfAnyOtherTextIsAHashThatDiffers) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> keys;
  for (const std::string id :
       {"", "a", "b", "019A0B1C-2D3E-7F40-8123-456789ABCDEF",
        "019a0b1c+2d3e-7f40-8123-456789abcdef", "019a0b1c-2d3e-7f40-8123-456789abcdeg",
        "019a0b1c-2d3e-7f40-8123-456789abcdef0"}) {
    const RunKey key = KeyOf(id);
    EXPECT_TRUE(keys.emplace(key.high, key.low).second) << id;
  }
  EXPECT_EQ(KeyOf("a"), KeyOf("a"));
}

// Ids of client starts begin with a clock (UUIDv7): runs of one second differ in few bits.
TEST(RunKey, SpreadOfNeighbouringIdsIsEven) {
  int low_half = 0;
  for (unsigned i = 0; i < 1'000; ++i) {
    const RunKey key{0x019a0b1c2d3e7000U, 0x8000000000000000U + i};
    low_half += Spread(key) < std::uint64_t{1} << 63U ? 1 : 0;
  }
  EXPECT_GT(low_half, 400);
  EXPECT_LT(low_half, 600);
}

TEST(SeenSet, RemembersUntilDropped) {
  SeenSet seen;
  for (std::int64_t time = 1; time <= 5; ++time) {
    EXPECT_TRUE(seen.Insert({0, static_cast<std::uint64_t>(time)}, time));
  }
  EXPECT_FALSE(seen.Insert({0, 3}, 99));
  EXPECT_EQ(seen.Median(), 3);
  seen.DropBelow(4);
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen.Insert({0, 3}, 99));
  EXPECT_FALSE(seen.Insert({0, 4}, 4));
  EXPECT_EQ(SeenSet().Median(), 0);
}

}  // namespace
}  // namespace sidecar::temporal
