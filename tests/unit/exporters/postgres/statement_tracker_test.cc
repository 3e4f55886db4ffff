#include "exporters/postgres/statement_tracker.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Seen {
  std::int64_t query;
  double time, calls;
};

class StatementTrackerTest : public ::testing::Test {
 protected:
  void Run(const std::vector<Seen>& rows, std::size_t limit = 2, bool anew = false) {
    tracker_.Begin(anew);
    for (const Seen& row : rows) {
      StatementNumbers numbers{};
      numbers[kTime] = row.time;
      numbers[kCalls] = row.calls;
      tracker_.Add({10, 20, row.query}, "app", "orders", numbers);
    }
    tracker_.End(limit);
  }
  std::vector<std::int64_t> Shown() const {
    std::vector<std::int64_t> shown;
    for (const auto& [key, statement] : tracker_.Shown()) shown.push_back(key.query);
    return shown;
  }
  double Other(StatementColumn column = kTime) const {
    const auto found = tracker_.others().find({"app", "orders"});
    return found == tracker_.others().end() ? -1 : found->second.sum[column];
  }

  StatementTracker tracker_;
};

TEST_F(StatementTrackerTest, ShowsAtFirstThoseWithTheMostTimeAndStartsOthersAtZero) {
  Run({{1, 5, 1}, {2, 50, 1}, {3, 500, 1}});
  EXPECT_THAT(Shown(), ElementsAre(2, 3));
  EXPECT_EQ(Other(), 0);
}

TEST_F(StatementTrackerTest, AddsToOthersWhatThoseOutsideGrew) {
  Run({{1, 5, 1}, {2, 50, 1}, {3, 500, 1}});
  Run({{1, 6, 3}, {2, 60, 1}, {3, 600, 1}});
  EXPECT_THAT(Shown(), ElementsAre(2, 3));
  EXPECT_EQ(Other(), 1);
  EXPECT_EQ(Other(kCalls), 2);
}

TEST_F(StatementTrackerTest, EntersWhoGrewMostAndLeavesAfterTenRunsOutside) {
  Run({{1, 5, 1}, {2, 50, 1}, {3, 500, 1}});
  for (int run = 1; run <= 10; ++run) {
    const double more = run * 100.0;
    const std::vector<std::int64_t> first{2, 3}, later{1, 2, 3};
    EXPECT_EQ(Shown(), run == 1 ? first : later) << run;
    Run({{1, 5 + more, 1}, {2, 50, 1}, {3, 500 + more, 1}});
  }
  EXPECT_THAT(Shown(), ElementsAre(1, 3));
}

TEST_F(StatementTrackerTest, NeverLetsTheOthersFall) {
  double before = 0;
  std::uint32_t random = 7;
  std::vector<Seen> rows;
  for (std::int64_t query = 0; query < 20; ++query) rows.push_back({query, 1, 1});
  for (int run = 0; run < 200; ++run) {
    std::vector<Seen> some;
    for (Seen& row : rows) {
      random = random * 1'664'525U + 1'013'904'223U;
      row.time += random >> 24U;
      row.calls += 1;
      if (random % 17 == 0) row.time = row.calls = 1;  // reset
      if (random % 5 != 0) some.push_back(row);        // else evicted
    }
    Run(some, 5);
    EXPECT_GE(Other(), before) << run;
    before = Other();
  }
  EXPECT_GT(before, 0);
}

TEST_F(StatementTrackerTest, CountsANewStatementWholeAndAResetOneFromZero) {
  Run({{1, 500, 9}, {2, 400, 9}, {3, 5, 9}});
  Run({{1, 600, 9}, {2, 500, 9}, {3, 5, 9}, {4, 7, 3}});
  EXPECT_EQ(Other(), 7);
  Run({{1, 700, 9}, {2, 600, 9}, {3, 5, 9}, {4, 2, 1}});
  EXPECT_EQ(Other(), 9);
}

TEST_F(StatementTrackerTest, CountsNothingAsGrownWhereItBeginsAnew) {
  Run({{1, 50, 5}, {2, 40, 4}, {3, 30, 3}});
  Run({{1, 51, 6}, {2, 41, 5}, {3, 31, 4}});
  const double before = Other();
  Run({{1, 1e6, 1e6}, {2, 2e6, 1e6}, {3, 3e5, 1e6}, {4, 4e5, 1e6}}, 2, /*anew=*/true);
  EXPECT_EQ(Other(), before) << "of another server";
  EXPECT_THAT(Shown(), ElementsAre(1, 2));
  Run({{1, 1e6, 1e6}, {2, 2e6, 1e6}, {3, 3e5, 1e6}, {4, 4e5 + 7, 1e6}}, 0);
  EXPECT_EQ(Other(), before + 7);
}

TEST_F(StatementTrackerTest, ShowsTwiceTheLimitAtMostWhereManyComeAndGo) {
  std::vector<Seen> rows;
  rows.reserve(40);
  for (int query = 0; query < 40; ++query) rows.push_back({query, 1, 1});
  Run(rows);
  for (std::size_t run = 0; run < 20; ++run) {
    rows[(2 * run) % 40].time += 10;
    rows[(2 * run + 1) % 40].time += 10;
    Run(rows);
    EXPECT_LE(Shown().size(), 4U);
  }
  EXPECT_THAT(Shown(), ElementsAre(36, 37, 38, 39)) << "the last to grow";
}

TEST_F(StatementTrackerTest, ForgetsWhatTheServerForgot) {
  Run({{1, 5, 1}, {2, 50, 1}});
  Run({});
  EXPECT_EQ(tracker_.size(), 0U);
  EXPECT_THAT(Shown(), IsEmpty());
}

TEST_F(StatementTrackerTest, ForgetsTheOthersTenRunsAfterTheLastStatementOfTheirDatabase) {
  Run({{1, 5, 1}, {2, 50, 1}, {3, 500, 1}});
  Run({{1, 6, 3}, {2, 60, 1}, {3, 600, 1}});
  for (int run = 1; run < 10; ++run) {
    Run({});
    EXPECT_EQ(Other(), 1) << run;
  }
  Run({});
  EXPECT_THAT(tracker_.others(), IsEmpty());
}

TEST_F(StatementTrackerTest, SumsAStatementThatComesTwice) {
  Run({{1, 5, 1}, {1, 6, 2}});
  ASSERT_EQ(tracker_.Shown().size(), 1U);
  EXPECT_EQ(tracker_.Shown()[0].second->now[kTime], 11);
  EXPECT_EQ(tracker_.Shown()[0].second->now[kCalls], 3);
}

}  // namespace
}  // namespace sidecar::postgres
