#include "exporters/postgres/scrape_tally.h"

#include <gtest/gtest.h>

namespace sidecar::postgres {
namespace {

constexpr Mono At(int ms) { return Mono(std::chrono::hours(1)) + Millis(ms); }

TEST(ScrapeTallyTest, KnowsNothingOfTheScrapeThatRuns) {
  ScrapeTally tally;
  tally.Begin(1, At(0));
  tally.End(1, At(10), true);
  EXPECT_EQ(tally.last().scrapes, 1U);
  EXPECT_FALSE(tally.last().known);
}

TEST(ScrapeTallyTest, SumsUpTheScrapeBefore) {
  ScrapeTally tally;
  tally.Begin(1, At(0));
  tally.End(1, At(10), false);
  tally.Begin(1, At(20));  // its next collector
  tally.End(1, At(50), true);
  tally.End(1, At(40), false);
  tally.Begin(2, At(1'000));
  EXPECT_EQ(tally.last().scrapes, 2U);
  EXPECT_TRUE(tally.last().known);
  EXPECT_TRUE(tally.last().failed);
  EXPECT_DOUBLE_EQ(tally.last().seconds, 0.05);
  tally.End(1, At(2'000), true);  // late, of an earlier scrape
  tally.End(2, At(1'010), false);
  tally.Begin(3, At(3'000));
  EXPECT_FALSE(tally.last().failed);
  EXPECT_DOUBLE_EQ(tally.last().seconds, 0.01);
}

TEST(ScrapeTallyTest, CountsEachOfTwoScrapesThatOverlapOnce) {
  ScrapeTally tally;
  tally.Begin(1, At(0));
  tally.End(1, At(10), false);
  tally.Begin(2, At(20));
  tally.Begin(1, At(30));  // the first one's next collector
  tally.End(1, At(60), true);
  tally.End(2, At(70), false);
  EXPECT_EQ(tally.last().scrapes, 2U);
  EXPECT_TRUE(tally.last().failed) << "the first one, which ended after the second had begun";
  EXPECT_DOUBLE_EQ(tally.last().seconds, 0.06);
  tally.Begin(3, At(1'000));
  EXPECT_FALSE(tally.last().failed);
  EXPECT_DOUBLE_EQ(tally.last().seconds, 0.05);
}

}  // namespace
}  // namespace sidecar::postgres
