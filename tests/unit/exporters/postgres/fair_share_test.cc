#include "exporters/postgres/fair_share.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

TEST(FairShare, IsAllForOne) {
  EXPECT_EQ(FairShare(100, {std::nullopt}, 0), 100);
  EXPECT_EQ(FairShare(100, {7}, 0), 100);
}

TEST(FairShare, IsEvenWhileNobodyIsKnown) {
  EXPECT_EQ(FairShare(100, {std::nullopt, std::nullopt, std::nullopt, std::nullopt}, 2), 25);
}

TEST(FairShare, LeavesToTheLargeWhatTheSmallDoNotWant) {
  EXPECT_EQ(FairShare(100, {2, 1'000, 8}, 1), 90);
  EXPECT_EQ(FairShare(100, {2, 1'000, 1'000}, 1), 49);
  EXPECT_EQ(FairShare(100, {2, 1'000, 1'000}, 0), 33);
  EXPECT_EQ(FairShare(100, {std::nullopt, 1'000, 10}, 1), 45);
}

TEST(FairShare, NeverPassesTheLimitInAll) {
  const std::vector<std::optional<std::int64_t>> wants = {5, 400, 30, 0, 12, 90, 33};
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < wants.size(); ++i)
    sum += std::min(*wants[i], FairShare(200, wants, i));
  EXPECT_LE(sum, 200);
  EXPECT_GE(sum, 190);
}

TEST(FairShare, IsOneAtLeast) {
  EXPECT_EQ(FairShare(1, {5, 5, 5}, 0), 1);
  EXPECT_EQ(FairShare(0, {}, 0), 1);
}

}  // namespace
}  // namespace sidecar::postgres
