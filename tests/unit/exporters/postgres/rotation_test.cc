#include "exporters/postgres/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A server of databases, each with a table of so many rows. Keeps what was asked of it, in order.
struct FakeServer {
  std::vector<std::string> databases = {"postgres"};
  std::map<std::string, Error> refuses;  // by database
  std::map<std::string, Error> breaks;   // the query of it
  std::map<std::string, Millis> hangs;   // by statement: times out after it
  std::map<std::string, int> rows;
  std::vector<std::string> log;
  FakeClock* clock = nullptr;
  Millis query_time{0};
};

class FakeSession final : public Session {
 public:
  FakeSession(FakeServer& server, std::string database)
      : server_(server), database_(database.empty() ? "postgres" : std::move(database)) {
    server_.log.push_back("open " + database_);
    facts_.version_num = 150'000;
    facts_.database = database_;
  }
  Result<> Ready(const Scrape&) override {
    const auto found = server_.refuses.find(database_);
    if (found != server_.refuses.end()) return Fail(found->second);
    return {};
  }
  Result<> Query(const Scrape& scrape, const Statement& statement, RowReader& reader) override {
    if (statement.name == "discovery") return List(reader);
    if (auto ready = Ready(scrape); !ready) return ready;
    server_.log.push_back(std::string(statement.name) + " in " + database_);
    server_.clock->Advance(server_.query_time);
    if (const auto hangs = server_.hangs.find(std::string(statement.name));
        hangs != server_.hangs.end()) {
      server_.clock->Advance(hangs->second);
      return Fail(Errc::kTimeout, "no answer in time");
    }
    if (const auto found = server_.breaks.find(database_); found != server_.breaks.end()) {
      return Fail(found->second);
    }
    const Column columns[] = {{"k", 25}, {"n", 20}};
    if (auto begun = reader.Begin(columns); !begun) return begun;
    const auto count = server_.rows.find(database_);
    for (int i = 0; i < (count == server_.rows.end() ? 1 : count->second); ++i) {
      const std::string key = std::to_string(i);
      const Cell cells[] = {key, "1"};
      if (auto read = reader.Row(cells); !read) return read;
    }
    return {};
  }
  const Facts& facts() const override { return facts_; }

 private:
  Result<> List(RowReader& reader) {
    server_.log.push_back("discover");
    const Column columns[] = {{"datname", 19}, {"c", 16}};
    if (auto begun = reader.Begin(columns); !begun) return begun;
    for (const std::string& name : server_.databases) {
      const Cell cells[] = {name, "t"};
      if (auto read = reader.Row(cells); !read) return read;
    }
    return {};
  }

  FakeServer& server_;
  const std::string database_;
  Facts facts_;
};

constexpr QueryVariant kVariants[] = {{.versions = {}, .sql = "SELECT"}};
constexpr std::string_view kLabels[] = {"k"};
constexpr MetricDef kMetrics[] = {
    {.name = "pg_x", .help = "h", .unit = "", .column = "n", .labels = kLabels}};

QueryMember Member(std::string_view name, Millis interval) {
  QueryMember member{.def = {.name = name,
                             .summary = "s",
                             .scope = QueryScope::kDatabase,
                             .interval = interval,
                             .rank_by = "n",
                             .builtin = true,
                             .variants = kVariants,
                             .metrics = kMetrics}};
  member.schedule = {.interval = interval};
  return member;
}

class RotationTest : public ::testing::Test {
 protected:
  RotationTest() { server_.clock = &clock_; }

  std::unique_ptr<Rotation> Make(std::vector<QueryMember> members, DatabaseFilter filter = {}) {
    Rotation::Members shared;
    for (QueryMember& member : members) {
      shared.push_back(std::make_shared<const QueryMember>(std::move(member)));
    }
    return std::make_unique<Rotation>(
        [this](const std::string& database) {
          return std::make_unique<FakeSession>(server_, database);
        },
        databases_, std::move(shared), std::move(filter), Millis(60'000),
        [this](std::string_view, std::size_t series) { cut_ += series; });
  }
  void Run(Rotation& rotation) {
    server_.log.clear();
    EXPECT_TRUE(rotation.Run(Scrape(clock_, clock_.mono() + Millis(60'000), {}, 1)));
  }
  std::vector<Databases::Result> Results(std::string_view name) const {
    return databases_->Results(std::string(name) + "\n");
  }

  FakeClock clock_;
  FakeServer server_;
  std::shared_ptr<Databases> databases_ = std::make_shared<Databases>();
  std::size_t cut_ = 0;
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

}  // namespace
}  // namespace sidecar::postgres
