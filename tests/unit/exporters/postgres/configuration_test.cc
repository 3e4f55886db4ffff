#include "exporters/postgres/configuration.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "common/config/document.h"

namespace sidecar::postgres {
namespace {

using ::testing::HasSubstr;

class ConfigurationTest : public ::testing::Test {
 protected:
  // The faults; empty: none.
  std::string Read(const std::string& toml) {
    document_ = Document::Parse("[postgres]\ndsn = \"host=127.0.0.1\"\n" + toml, "p.toml");
    if (!document_) return document_.error().message;
    TableReader root = document_->Root();
    TableReader postgres = root.Table("postgres");
    configuration_ = {};
    configuration_.Read(postgres, [](const char*) -> const char* { return nullptr; });
    const auto finished = root.Finish();
    return finished ? std::string() : finished.error().message;
  }
  const QueryMember* Find(std::string_view name) const {
    const auto found = std::ranges::find(configuration_.queries, name,
                                         [](const QueryMember& member) { return member.def.name; });
    return found == configuration_.queries.end() ? nullptr : &*found;
  }

  Result<Document> document_ = Fail(Errc::kInternal, "nothing was read");
  Configuration configuration_;
};

std::string Own(const std::string& name, const std::string& lines = {}) {
  return "[[postgres.queries]]\nname = \"" + name + "\"\nsql = \"SELECT 1 AS n\"\n" + lines +
         "\nmetrics = [{ name = \"n\", type = \"gauge\", help = \"N.\" }]\n";
}

TEST_F(ConfigurationTest, WhatATableSaysOfABuiltInIsSaidOfTheQueryInItsPlace) {
  ASSERT_EQ(Read(Own("wal", "interval = \"20s\"\ntimeout = \"2s\"") +
                 "[postgres.collectors.wal]\ntimeout = \"3s\"\nseries_limit = 7\n"),
            "");
  const QueryMember* const wal = Find("wal");
  ASSERT_NE(wal, nullptr);
  EXPECT_FALSE(wal->def.builtin);
  EXPECT_EQ(wal->schedule.interval, Millis(20'000));
  EXPECT_EQ(wal->schedule.timeout, Millis(3'000));
  EXPECT_EQ(wal->def.timeout, Millis(3'000));
  EXPECT_EQ(wal->def.series_limit, 7);
  const std::string key = wal->key();
  ASSERT_EQ(Read(Own("wal", "interval = \"20s\"\ntimeout = \"2s\"") +
                 "[postgres.collectors.wal]\ntimeout = \"4s\"\nseries_limit = 7\n"),
            "");
  EXPECT_NE(Find("wal")->key(), key);
}

TEST_F(ConfigurationTest, ABuiltInIsSwitchedOffByItsTableOrByAQueryOfItsName) {
  ASSERT_EQ(Read(Own("wal") + "[postgres.collectors.wal]\nenabled = false\n"), "");
  EXPECT_EQ(Find("wal"), nullptr);
  ASSERT_EQ(Read(Own("wal", "on_by_default = false")), "");
  EXPECT_EQ(Find("wal"), nullptr);
}

TEST_F(ConfigurationTest, AUsersQueryOfABuiltInsNameIsNoDefaultToBeDisabled) {
  ASSERT_EQ(Read(Own("wal") + Own("q") + "[postgres.collectors]\ndisable_defaults = true\n"), "");
  EXPECT_NE(Find("wal"), nullptr);
  EXPECT_NE(Find("q"), nullptr);
  EXPECT_EQ(Find("locks"), nullptr);
}

TEST_F(ConfigurationTest, AResultOfTheSlowSessionMayWaitForTheLongestStatementThere) {
  ASSERT_EQ(Read(Own("wal", "interval = \"30s\"")), "");
  EXPECT_EQ(Find("wal")->schedule.max_age, Millis(90'000)) << "three intervals";
  EXPECT_EQ(Find("locks")->schedule.max_age, Millis(0)) << "in the scrape";
  ASSERT_EQ(Read(Own("report", "interval = \"1h\"\ntimeout = \"4m\"")), "");
  EXPECT_EQ(Find("wal")->schedule.max_age, Millis(300'000)) << "two of 30 s, and 4 min";
  EXPECT_EQ(Find("report")->schedule.max_age, std::chrono::hours(3));
  ASSERT_EQ(Read(Own("report", "interval = \"1h\"\ntimeout = \"4m\"") +
                 "[postgres.collectors.wal]\nmax_age = \"40s\"\n"),
            "");
  EXPECT_EQ(Find("wal")->schedule.max_age, Millis(40'000)) << "as it was said";
}

TEST_F(ConfigurationTest, WhatWaitsForALoginDoesNotWhereAnIntervalIsAskedFor) {
  ASSERT_EQ(Read(""), "");
  EXPECT_EQ(Find("stat_user_tables")->schedule.interval, Millis(60'000));
  EXPECT_EQ(Find("stat_user_tables")->def.login_interval, Millis(300'000));
  EXPECT_EQ(Find("wal")->def.login_interval, Find("wal")->schedule.interval);
  ASSERT_EQ(Read("[postgres.collectors.stat_user_tables]\ninterval = \"1m\"\n"), "");
  EXPECT_EQ(Find("stat_user_tables")->def.login_interval, Millis(60'000));
  ASSERT_EQ(Read("[postgres.collectors.stat_user_tables]\nmax_age = \"6m\"\n"), "");
  EXPECT_EQ(Find("stat_user_tables")->def.login_interval, Millis(120'000)) << "a third of it";
  const std::string own = Own("stat_user_tables",
                              "scope = \"database\"\ninterval = \"10s\"\n"
                              "login_interval = \"20s\"");
  ASSERT_EQ(Read(own), "");
  EXPECT_EQ(Find("stat_user_tables")->def.login_interval, Millis(20'000));
  ASSERT_EQ(Read(own + "[postgres.collectors.stat_user_tables]\ninterval = \"30s\"\n"), "");
  EXPECT_EQ(Find("stat_user_tables")->def.login_interval, Millis(30'000));
}

TEST_F(ConfigurationTest, AUsersScheduleHasTheRulesOfAllSchedules) {
  EXPECT_THAT(Read(Own("q", "interval = \"1ms\"")), HasSubstr("at least 100ms"));
  EXPECT_THAT(Read(Own("q", "timeout = \"11m\"")), HasSubstr("between 1ms and 10m"));
  EXPECT_THAT(Read(Own("q", "interval = \"1m\"\nmax_age = \"30s\"")),
              HasSubstr("at least the interval"));
  EXPECT_THAT(Read(Own("q", "versions = \"18.2+\"")), HasSubstr("are PostgreSQL's majors"));
}

TEST_F(ConfigurationTest, MinorsAreForVersionsOfAnExtension) {
  const auto query = [](const char* sql, const char* metric, const char* more) {
    return std::string("[[postgres.queries]]\nname = 'q'\nsql = '") + sql + "'\n" + more +
           "\nmetrics = [{ name = 'n', type = 'gauge', help = 'N.'" + metric + " }]\n";
  };
  const char* const comment = "SELECT 1 AS n /*!18.2+ , 2 AS m */";
  const char* const metric = ", versions = '18.2+'";
  EXPECT_THAT(Read(query(comment, "", "")), HasSubstr("version comments have PostgreSQL's majors"));
  EXPECT_THAT(Read(query("SELECT 1 AS n", metric, "")), HasSubstr("are PostgreSQL's majors"));
  EXPECT_EQ(Read(query(comment, metric, "extension = 'x'\nversions_of = 'extension'")), "");
  EXPECT_EQ(Read(query("SELECT 1 AS n /*!18+ , 2 AS m */", ", versions = '-17'", "")), "");
}

TEST_F(ConfigurationTest, MoreSeriesHaveMoreBytes) {
  ASSERT_EQ(Read("[postgres.collectors.locks]\nseries_limit = 5000000\n"), "");
  EXPECT_EQ(Find("locks")->schedule.limits.series, 5'000'000U);
  EXPECT_GT(Find("locks")->schedule.limits.bytes, std::size_t{5} << 30U);
  EXPECT_EQ(Find("wal")->schedule.limits.bytes, Limits{}.bytes);
}

}  // namespace
}  // namespace sidecar::postgres
