#include "exporters/postgres/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/exporters/postgres/fake_databases.h"

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RotationTest : public DatabasesFixture {
 protected:
  std::unique_ptr<Rotation> Make(std::vector<QueryMember> members, DatabaseFilter filter = {}) {
    return std::make_unique<Rotation>(
        [this](const std::string& database) { return Open(database); },
        RunnerOf(std::move(members), std::move(filter)), Millis(60'000),
        [this] { return next_login_; });
  }

  std::optional<Mono> next_login_{};
};

TEST_F(RotationTest, VisitsEveryDatabaseOnceForAllThatIsDueThere) {
  server_.databases = {"a", "b", "postgres"};
  const auto rotation = Make({Member("q", Millis(30'000)), Member("r", Millis(30'000))});
  Run(*rotation);
  EXPECT_THAT(server_.log,
              ElementsAre("open postgres", "discover", "q in postgres", "r in postgres", "open a",
                          "q in a", "r in a", "open b", "q in b", "r in b"));
  EXPECT_THAT(Results("q"), SizeIs(3));
  Run(*rotation);
  EXPECT_THAT(server_.log, IsEmpty()) << "nothing is due";
}

TEST_F(RotationTest, SaysWhenThereWillBeSomethingToDo) {
  server_.databases = {"a", "postgres"};
  const auto rotation = Make({Member("q", Millis(30'000)), Member("r", Millis(120'000))});
  const Mono began = clock_.mono();
  EXPECT_EQ(rotation->NotBefore(), Mono::min()) << "there is no list yet";
  Run(*rotation);
  EXPECT_EQ(rotation->NotBefore(), began + Millis(30'000));
  clock_.Advance(Millis(30'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open a", "q in a", "open postgres", "q in postgres"));
  clock_.Advance(Millis(26'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover")) << "it was woken by a failure";
  EXPECT_EQ(rotation->NotBefore(), began + Millis(60'000));
  clock_.Advance(Millis(4'000));
  Run(*rotation);
  clock_.Advance(Millis(27'000));
  server_.refuses["a"] = {Errc::kDenied, "not for you"};
  Run(*rotation);
  EXPECT_EQ(rotation->NotBefore(), Mono::min()) << "the list is read again after a failure";
  server_.refuses["postgres"] = {Errc::kUnavailable, "down"};
  Run(*rotation);
  EXPECT_EQ(rotation->NotBefore(), clock_.mono() + Millis(1'000)) << "the pause";
}

TEST_F(RotationTest, RunsEachQueryAtItsOwnInterval) {
  const auto rotation = Make({Member("often", Millis(10'000)), Member("seldom", Millis(300'000))});
  Run(*rotation);
  clock_.Advance(Millis(8'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, IsEmpty());
  clock_.Advance(Millis(1'000));  // a tenth early counts as due
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "often in postgres"));
}

TEST_F(RotationTest, FindsNewDatabasesAndForgetsDroppedOnes) {
  server_.databases = {"a", "postgres"};
  const auto rotation = Make({Member("q", Millis(300'000))});
  Run(*rotation);
  server_.databases = {"new", "postgres"};
  clock_.Advance(Millis(60'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover", "open new", "q in new"));
  const auto results = Results("q");
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(results[0].database, "new");
}

TEST_F(RotationTest, ForgetsADatabaseThatIsGoneWhenItGetsThere) {
  server_.databases = {"a", "postgres"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  server_.refuses["a"] = {Errc::kNoData, "does not exist"};
  clock_.Advance(Millis(10'000));
  Run(*rotation);
  EXPECT_THAT(Results("q"), SizeIs(1));
}

TEST_F(RotationTest, ADatabaseThatIsListedAndDoesNotExistWaitsLikeOneThatRefuses) {
  server_.databases = {"a", "broken"};
  server_.refuses["broken"] = {Errc::kNoData, "database \"broken\" does not exist"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  std::size_t logins = 0;
  for (int second = 0; second < 60; ++second) {
    Run(*rotation);
    logins += static_cast<std::size_t>(std::ranges::count(server_.log, "open broken"));
    clock_.Advance(Millis(1'000));
  }
  EXPECT_LE(logins, 8U);
  EXPECT_GE(logins, 6U);
  const auto results = Results("q");
  ASSERT_THAT(results, SizeIs(2));
  ASSERT_TRUE(results[1].error) << "it is not passed over in silence";
  EXPECT_EQ(results[1].error->code, Errc::kUnavailable);
  EXPECT_EQ(databases_->counts().failed, 1U);
  server_.refuses.clear();
  clock_.Advance(Millis(10'000));
  Run(*rotation);
  EXPECT_FALSE(Results("q")[1].error);
}

TEST_F(RotationTest, ReadsTheListAnewWhereOtherDatabasesAreWanted) {
  server_.databases = {"a", "b"};
  Run(*Make({Member("q", Millis(300'000))}, {.include = {"a"}, .exclude = {}}));
  EXPECT_THAT(Results("q"), SizeIs(1));
  Run(*Make({Member("q", Millis(300'000))}, {.include = {"b"}, .exclude = {}}));
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover", "open b", "q in b"));
  ASSERT_THAT(Results("q"), SizeIs(1));
  EXPECT_EQ(Results("q")[0].database, "b");
}

TEST_F(RotationTest, GoesOnAfterADatabaseThatRefuses) {
  server_.databases = {"a", "b"};
  server_.refuses["a"] = {Errc::kDenied, "not for you"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  const auto results = Results("q");
  ASSERT_THAT(results, SizeIs(2));
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(results[0].error->code, Errc::kDenied);
  EXPECT_TRUE(results[1].rows);
  EXPECT_FALSE(databases_->blocked());
}

TEST_F(RotationTest, GoesOnAfterADatabaseThatLetsNobodyIn) {
  server_.databases = {"a", "b", "postgres"};
  server_.refuses["a"] = {Errc::kUnavailable, "too many connections for database"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover", "q in postgres", "open a",
                                       "open b", "q in b"));
  EXPECT_FALSE(databases_->blocked());
  const auto results = Results("q");
  ASSERT_THAT(results, SizeIs(3));
  ASSERT_TRUE(results[0].error);
  EXPECT_EQ(results[0].error->message, "too many connections for database");
  clock_.Advance(Millis(1'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover")) << "it was tried, and waits";
}

TEST_F(RotationTest, AsksTheDatabaseOfTheDsnWhetherTheServerIsAway) {
  server_.databases = {"a", "b", "postgres"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  server_.refuses["a"] = server_.refuses["postgres"] = {Errc::kUnavailable, "down"};
  clock_.Advance(Millis(10'000));
  Run(*rotation);
  EXPECT_TRUE(databases_->blocked());
  EXPECT_FALSE(Results("q")[0].error) << "not its fault";
}

TEST_F(RotationTest, StopsWhereTheDatabaseOfTheDsnDeniesToo) {
  server_.databases = {"a", "b", "c", "postgres"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  const Error denied{Errc::kDenied, "role is not permitted to log in"};
  for (const char* const name : {"a", "b", "c", "postgres"}) server_.refuses[name] = denied;
  clock_.Advance(Millis(10'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open a", "open postgres"));
  EXPECT_EQ(databases_->blocked()->message, denied.message);
  clock_.Advance(Millis(2'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres")) << "each is one more that may lock it out";
  server_.refuses.clear();
  clock_.Advance(Millis(4'000));
  Run(*rotation);
  EXPECT_FALSE(databases_->blocked());
  EXPECT_TRUE(Results("q")[0].rows);
}

TEST_F(RotationTest, LetsWhatTimedOutWaitUntilTheRestIsServed) {
  server_.databases = {"a", "b", "c", "d"};
  server_.hangs["hanging"] = Millis(5'000);
  const auto rotation = Make({Member("good", Millis(30'000)), Member("hanging", Millis(30'000))});
  for (int run = 0; run < 2; ++run) Run(*rotation);
  for (const auto& result : Results("good")) EXPECT_TRUE(result.rows) << result.database;
  EXPECT_THAT(Results("good"), SizeIs(4)) << "in one hang's time";
  std::map<std::string, Mono> read;
  for (int second = 0; second < 120; ++second) {
    Run(*rotation);
    for (const auto& result : Results("good")) {
      EXPECT_LE(clock_.mono() - result.at, Millis(40'000)) << result.database;
    }
    clock_.Advance(Millis(1'000));
  }
  EXPECT_THAT(Results("hanging"), SizeIs(4)) << "it is tried all the same";
}

TEST_F(RotationTest, GivesWhatTimedOutAFifthOfTheTimeWhileOthersAreAlwaysDue) {
  server_.databases = {"a", "b"};
  server_.query_time = Millis(1'000);
  server_.hangs["hanging"] = Millis(2'000);
  const auto rotation = Make({Member("good", Millis(500)), Member("hanging", Millis(500))});
  int good = 0, hanging = 0;
  for (int run = 0; run < 30; ++run) {
    Run(*rotation);
    for (const std::string& line : server_.log) {
      good += line.starts_with("good") ? 1 : 0;
      hanging += line.starts_with("hanging") ? 1 : 0;
    }
  }
  EXPECT_GE(hanging, 5);
  EXPECT_GE(good, 10 * hanging) << "1 s each against 3 s";
}

TEST_F(RotationTest, ADatabaseThatGlobsDoNotMatchHasNoResult) {
  static constexpr std::string_view kTypo[] = {"odrers"};
  server_.databases = {"orders"};
  QueryMember member = Member("q", Millis(10'000));
  member.def.databases = kTypo;
  const auto rotation = Make({member});
  Run(*rotation);
  EXPECT_THAT(Results("q"), IsEmpty());
  databases_->AwaitFirst("q\n", clock_, clock_.mono() + Millis(1'000));  // does not wait
}

TEST_F(RotationTest, LooksForTheListAgainAfterAFailure) {
  server_.databases = {"a", "b"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  server_.breaks["a"] = {Errc::kUnavailable, "the session was lost"};
  Run(*rotation);
  server_.databases = {"b"};
  clock_.Advance(Millis(1'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover"));
  EXPECT_THAT(Results("q"), SizeIs(1));
}

TEST_F(RotationTest, IsBlockedWhileTheServerIsAwayAndPausesLongerEachTime) {
  server_.refuses["postgres"] = {Errc::kUnavailable, "down"};
  const auto rotation = Make({Member("q", Millis(10'000))});
  int attempts = 0;
  for (int second = 0; second < 30; ++second) {
    Run(*rotation);
    attempts += server_.log.empty() ? 0 : 1;
    clock_.Advance(Millis(1'000));
  }
  EXPECT_EQ(attempts, 6) << "at 0, 1, 3, 7, 15 and 23 s";
  ASSERT_TRUE(databases_->blocked());
  EXPECT_EQ(databases_->blocked()->message, "down");
  server_.refuses.clear();
  clock_.Advance(Rotation::kStretch + Millis(3'000));
  Run(*rotation);
  EXPECT_FALSE(databases_->blocked());
  EXPECT_THAT(Results("q"), SizeIs(1));
}

TEST_F(RotationTest, KeepsToTheListAndToTheGlobsOfTheQuery) {
  static constexpr std::string_view kOnly[] = {"orders_*"};
  server_.databases = {"orders_1", "orders_2", "other", "postgres", "template_x"};
  QueryMember some = Member("some", Millis(10'000));
  some.def.databases = kOnly;
  const auto rotation =
      Make({some, Member("all", Millis(10'000))},
           {.include = {"orders_*", "other", "template*"}, .exclude = {"template*", "*_2"}});
  Run(*rotation);
  EXPECT_THAT(server_.log,
              ElementsAre("open postgres", "discover", "open orders_1", "some in orders_1",
                          "all in orders_1", "open other", "all in other"));
  databases_->AwaitFirst("some\n", clock_, clock_.mono() + Millis(1'000));  // does not wait
}

TEST_F(RotationTest, LetsAReloadTakeOverAndGoesOnWhereItStopped) {
  server_.databases = {"a", "b", "c", "d"};
  server_.query_time = Millis(3'000);
  const auto rotation = Make({Member("q", Millis(300'000))});
  Run(*rotation);
  EXPECT_THAT(Results("q"), SizeIs(2));
  const auto next = Make({Member("q", Millis(300'000))});
  Run(*next);
  EXPECT_THAT(server_.log, ElementsAre("open c", "q in c", "open d", "q in d"));
}

TEST_F(RotationTest, VisitsTheLongestForgottenFirst) {
  server_.databases = {"a", "b", "c"};
  server_.query_time = Millis(3'000);
  const auto rotation = Make({Member("q", Millis(3'000))});
  Run(*rotation);  // a at 3 s, b at 6 s
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open c", "q in c", "open a", "q in a"));
}

TEST_F(RotationTest, SharesTheLimitAmongTheDatabasesAndCountsWhatWasCut) {
  server_.databases = {"big", "small"};
  server_.rows = {{"big", 100}, {"small", 2}};
  QueryMember member = Member("q", Millis(10'000));
  member.schedule.limits.series = 50;
  const auto rotation = Make({member});
  Run(*rotation);
  auto results = Results("q");
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(results[0].rows->samples(), 25U) << "half, while the other is not known";
  EXPECT_EQ(results[1].rows->samples(), 2U);
  EXPECT_EQ(cut_, 75U);
  clock_.Advance(Millis(10'000));
  Run(*rotation);
  results = Results("q");
  EXPECT_EQ(results[0].rows->samples(), 48U) << "what the other leaves";
  EXPECT_EQ(cut_, 127U);
}

TEST_F(RotationTest, KeepsOnlyTheResultsOfItsOwnQueries) {
  databases_->Store("gone\n", "postgres", nullptr, 0, clock_.mono());
  const auto rotation = Make({Member("q", Millis(10'000))});
  Run(*rotation);
  EXPECT_THAT(Results("gone"), IsEmpty());
}

QueryMember Patient(std::string_view name) {
  QueryMember member = Member(name, Millis(60'000));
  member.def.login_interval = Millis(300'000);
  return member;
}

TEST_F(RotationTest, SpendsALoginThatIsWantedOnTheDatabaseThatHasWaitedLongest) {
  server_.databases = {"a", "b", "postgres"};
  const auto rotation = Make({Patient("q")});
  Run(*rotation);
  std::vector<std::string> visits;
  for (int minute = 1; minute <= 6; ++minute) {
    next_login_ = clock_.mono() + Millis(60'000);
    databases_->Discovered({{"a"}, {"b"}, {"postgres"}}, clock_.mono());  // by who has a session
    EXPECT_EQ(rotation->NotBefore(), clock_.mono() + Millis(60'000));
    clock_.Advance(Millis(50'000));
    Run(*rotation);
    EXPECT_THAT(server_.log, IsEmpty()) << "nobody wants a login yet";
    clock_.Advance(Millis(10'000));
    databases_->Discovered({{"a"}, {"b"}, {"postgres"}}, clock_.mono());
    server_.on_open = [this] { next_login_ = clock_.mono() + Millis(60'000); };
    Run(*rotation);
    ASSERT_THAT(server_.log, SizeIs(2)) << "one login";
    visits.push_back(server_.log[1]);
  }
  EXPECT_THAT(visits, ElementsAre("q in a", "q in b", "q in postgres", "q in a", "q in b",
                                  "q in postgres"));
}

TEST_F(RotationTest, WhatHasWaitedTooLongIsWorthALogin) {
  server_.databases = {"a", "postgres"};
  const auto rotation = Make({Patient("q")});
  Run(*rotation);
  clock_.Advance(Millis(299'000));
  databases_->Discovered({{"a"}, {"postgres"}}, clock_.mono());
  Run(*rotation);
  EXPECT_THAT(server_.log, IsEmpty());
  clock_.Advance(Millis(1'000));
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open a", "q in a", "open postgres", "q in postgres"));
}

TEST_F(RotationTest, WhatHasFailedIsTriedAgainAtItsInterval) {
  server_.databases = {"a", "postgres"};
  server_.refuses["a"] = {Errc::kDenied, "not for you"};
  const auto rotation = Make({Patient("q")});
  Run(*rotation);
  server_.refuses.clear();
  clock_.Advance(Millis(60'000));
  databases_->Discovered({{"a"}, {"postgres"}}, clock_.mono());
  Run(*rotation);
  EXPECT_THAT(server_.log, ElementsAre("open a", "q in a"));
}

}  // namespace
}  // namespace sidecar::postgres
