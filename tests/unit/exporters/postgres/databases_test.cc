#include "exporters/postgres/databases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const Batch> Rows() { return std::make_shared<Batch>(); }

class DatabasesTest : public ::testing::Test {
 protected:
  std::vector<std::string> Names(const std::string& key) const {
    std::vector<std::string> names;
    for (const auto& result : databases_.Results(key)) names.push_back(result.database);
    return names;
  }

  FakeClock clock_;
  Databases databases_;
};

TEST_F(DatabasesTest, ForgetsWhatIsNotFoundAgain) {
  databases_.Discovered({{"a", true}, {"b", true}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  databases_.Store("q", "b", Rows(), 1, clock_.mono());
  EXPECT_THAT(Names("q"), ElementsAre("a", "b"));
  databases_.Discovered({{"b", true}}, clock_.mono());
  EXPECT_THAT(Names("q"), ElementsAre("b"));
}

TEST_F(DatabasesTest, ForgetsTheRowsOfANameThatIsAnotherDatabaseNow) {
  databases_.Discovered({{"blue", true, "16384"}, {"green", true, "16385"}, {"c", true, "5"}},
                        clock_.mono());
  for (const char* const name : {"blue", "green", "c"}) {
    databases_.Store("q", name, Rows(), 1, clock_.mono());
  }
  databases_.Discovered({{"blue", true, "16385"}, {"old", true, "16384"}, {"c", true, "5"}},
                        clock_.mono());
  EXPECT_THAT(Names("q"), ElementsAre("c"));
  EXPECT_EQ(databases_.Tried("q", "blue"), std::nullopt) << "it is due";
}

TEST_F(DatabasesTest, ForgetsADatabaseThatMayNotBeConnectedToAnyMore) {
  databases_.Discovered({{"a", true}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  databases_.Discovered({{"a", false}}, clock_.mono());
  EXPECT_THAT(Names("q"), IsEmpty());
  EXPECT_THAT(databases_.names(), IsEmpty());
  EXPECT_EQ(databases_.counts().denied, 1U);
}

TEST_F(DatabasesTest, KeepsTheLastRowsOverAFailureWithTheirAge) {
  databases_.Discovered({{"a", true}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 3, clock_.mono());
  const Mono stored = clock_.mono();
  clock_.Advance(Millis(5'000));
  databases_.Failed("q", "a", {Errc::kTimeout, "slow"}, clock_.mono());
  const auto results = databases_.Results("q");
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0].rows);
  EXPECT_EQ(results[0].at, stored);
  EXPECT_EQ(results[0].tried, clock_.mono());
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(databases_.counts().failed, 1U);
  databases_.Store("q", "a", Rows(), 3, clock_.mono());
  EXPECT_FALSE(databases_.Results("q")[0].error);
  EXPECT_EQ(databases_.counts().visited, 1U);
}

TEST_F(DatabasesTest, ServesNothingWhereTheQueryDoesNotApply) {
  databases_.Store("q", "a", Rows(), 3, clock_.mono());
  databases_.Disabled("q", "a", {Errc::kUnsupported, "needs an extension"}, clock_.mono());
  const auto results = databases_.Results("q");
  ASSERT_EQ(results.size(), 1U);
  EXPECT_FALSE(results[0].rows);
  EXPECT_TRUE(results[0].disabled);
}

TEST_F(DatabasesTest, ShowsNothingOfADatabaseThatTheQueryIsNotFor) {
  databases_.Discovered({{"a", true}}, clock_.mono());
  databases_.Unwanted("q", "a", clock_.mono());
  EXPECT_THAT(Names("q"), IsEmpty());
  databases_.AwaitFirst("q", clock_, clock_.mono() + Millis(60'000));  // does not wait
}

TEST_F(DatabasesTest, KnowsWhatTimedOutThereOrWhereItWasNotTriedYetElsewhere) {
  databases_.Discovered({{"a", true}, {"b", true}, {"c", true}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  EXPECT_FALSE(databases_.TimedOut("q", "b"));
  databases_.Failed("q", "b", {Errc::kTimeout, "slow"}, clock_.mono());
  EXPECT_FALSE(databases_.TimedOut("q", "a"));
  EXPECT_TRUE(databases_.TimedOut("q", "b"));
  EXPECT_TRUE(databases_.TimedOut("q", "c"));
  EXPECT_FALSE(databases_.TimedOut("other", "c"));
  databases_.Store("q", "b", Rows(), 1, clock_.mono());
  EXPECT_FALSE(databases_.TimedOut("q", "c"));
}

TEST_F(DatabasesTest, KnowsWhatEachDatabaseWants) {
  databases_.Discovered({{"a"}, {"b"}, {"closed", false}, {"c"}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 10, clock_.mono());
  databases_.Store("q", "c", Rows(), 5, clock_.mono());
  databases_.Store("other", "b", Rows(), 100, clock_.mono());
  EXPECT_THAT(databases_.Wants("q"), ElementsAre(10, std::nullopt, 5));
  EXPECT_THAT(databases_.Wants("none"), ElementsAre(std::nullopt, std::nullopt, std::nullopt));
}

TEST_F(DatabasesTest, DropsTheResultsOfQueriesThatAreGone) {
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  databases_.Store("r", "a", Rows(), 1, clock_.mono());
  databases_.KeepOnly({"r"});
  EXPECT_THAT(Names("q"), IsEmpty());
  EXPECT_THAT(Names("r"), ElementsAre("a"));
}

TEST_F(DatabasesTest, ADatabaseThatNoQueryIsForWasNotVisited) {
  databases_.Discovered({{"a", true}, {"b", true}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  databases_.Unwanted("q", "b", clock_.mono());
  EXPECT_EQ(databases_.counts().visited, 1U);
  EXPECT_EQ(databases_.counts().pending, 1U);
}

TEST_F(DatabasesTest, WaitsUntilEveryDatabaseWasTried) {
  auto waiting = std::async(std::launch::async, [&] {
    databases_.AwaitFirst("q", clock_, clock_.mono() + Millis(60'000));
  });
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  databases_.Discovered({{"a", true}, {"b", true}, {"closed", false}}, clock_.mono());
  databases_.Store("q", "a", Rows(), 1, clock_.mono());
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  databases_.Failed("q", "b", {Errc::kDenied, "no"}, clock_.mono());
  waiting.get();
}

TEST_F(DatabasesTest, WaitsNoLongerThanItMayNorForARotationThatIsBlocked) {
  auto waiting = std::async(std::launch::async, [&] {
    databases_.AwaitFirst("q", clock_, clock_.mono() + Millis(60'000));
  });
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  clock_.Advance(Millis(60'000));
  waiting.get();
  databases_.Blocked(Error{Errc::kUnavailable, "down"});
  databases_.AwaitFirst("q", clock_, clock_.mono() + Millis(60'000));
  EXPECT_TRUE(databases_.blocked());
}

}  // namespace
}  // namespace sidecar::postgres
