#include "exporters/postgres/home_database.h"

#include <gmock/gmock.h>

#include "tests/unit/exporters/postgres/fake_databases.h"

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

QueryMember Patient(std::string_view name, Millis interval = Millis(60'000)) {
  QueryMember member = Member(name, interval);
  member.def.login_interval = 5 * interval;
  return member;
}

class HomeDatabaseTest : public DatabasesFixture {
 protected:
  std::unique_ptr<HomeDatabase> Make(std::vector<QueryMember> members, DatabaseFilter filter = {}) {
    runner_ = RunnerOf(std::move(members), std::move(filter));
    return std::make_unique<HomeDatabase>([this] { return Open({}); }, runner_, Millis(60'000));
  }
  // The rotation's first round.
  void Begin() {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    const auto session = Open({});
    ASSERT_TRUE(runner_->List(*session, scrape));
    for (const auto& member : runner_->members()) {
      const auto done = runner_->Run(*member, "postgres", *session, scrape);
      if (!done) databases_->Discovered({{"postgres"}}, clock_.mono());
    }
  }

  std::shared_ptr<const DatabaseRunner> runner_;
};

TEST_F(HomeDatabaseTest, LeavesTheBeginningToTheRotation) {
  const auto home = Make({Patient("q")});
  Run(*home);
  EXPECT_THAT(server_.log, IsEmpty());
  EXPECT_EQ(home->NotBefore(), Mono::min());
}

TEST_F(HomeDatabaseTest, KeepsTheListAndItsOwnDatabaseFreshOnOneSession) {
  server_.databases = {"a", "postgres"};
  const auto home = Make({Patient("q"), Member("impatient", Millis(10'000))});
  Begin();
  EXPECT_EQ(home->NotBefore(), clock_.mono() + Millis(60'000)) << "with the tables";
  clock_.Advance(Millis(53'000));
  Run(*home);
  EXPECT_THAT(server_.log, IsEmpty());
  server_.databases = {"a", "new", "postgres"};
  clock_.Advance(Millis(1'000));
  Run(*home);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover", "q in postgres"));
  EXPECT_THAT(databases_->names(), ElementsAre("a", "new", "postgres"));
  EXPECT_EQ(Results("q")[0].at, clock_.mono());
  Run(*home);
  EXPECT_THAT(server_.log, IsEmpty());
}

TEST_F(HomeDatabaseTest, LeavesWhatFailedToTheRotationUntilItSucceeds) {
  const auto home = Make({Patient("q"), Patient("r")});
  server_.hangs["r"] = Millis(5'000);
  Begin();
  server_.hangs.clear();
  clock_.Advance(Millis(60'000));
  Run(*home);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover"));
  databases_->Store("r\n", "postgres", std::make_shared<Batch>(), 1, clock_.mono());
  clock_.Advance(Millis(60'000));
  Run(*home);
  EXPECT_THAT(server_.log,
              ElementsAre("open postgres", "discover", "q in postgres", "r in postgres"));
}

TEST_F(HomeDatabaseTest, StopsAtTheFirstThatFails) {
  const auto home = Make({Patient("q"), Patient("r")});
  Begin();
  clock_.Advance(Millis(60'000));
  server_.breaks["postgres"] = {Errc::kUnavailable, "the session was lost"};
  Run(*home);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover", "q in postgres"));
  ASSERT_TRUE(Results("q")[0].error);
  EXPECT_FALSE(databases_->discovered_at()) << "the rotation looks at once";
}

TEST_F(HomeDatabaseTest, SaysNothingWhereItsSessionCannotBeHad) {
  const auto home = Make({Patient("q")});
  Begin();
  clock_.Advance(Millis(60'000));
  server_.refuses["postgres"] = {Errc::kUnavailable, "down"};
  Run(*home);
  EXPECT_THAT(server_.log, ElementsAre("open postgres"));
  EXPECT_FALSE(Results("q")[0].error);
  EXPECT_FALSE(databases_->blocked());
}

TEST_F(HomeDatabaseTest, ReadsTheListAloneWhereTheDatabaseOfTheDsnIsNotWanted) {
  server_.databases = {"a", "postgres"};
  const auto home = Make({Patient("q")}, {.include = {"a"}, .exclude = {}});
  const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
  ASSERT_TRUE(runner_->List(*Open({}), scrape));
  clock_.Advance(Millis(60'000));
  Run(*home);
  EXPECT_THAT(server_.log, ElementsAre("open postgres", "discover"));
  EXPECT_THAT(databases_->names(), ElementsAre("a"));
}

}  // namespace
}  // namespace sidecar::postgres
