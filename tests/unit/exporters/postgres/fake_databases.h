#pragma once
// A server of several databases, as far as the tasks that visit them ask it, and what they share.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exporters/postgres/database_runner.h"
#include "tests/support/fake_clock.h"

namespace sidecar::postgres {

// A server of databases, each with a table of so many rows. Keeps what was asked of it, in order.
struct FakeServer {
  std::vector<std::string> databases = {"postgres"};
  std::map<std::string, Error> refuses;  // by database
  std::map<std::string, Error> breaks;   // the query of it
  std::map<std::string, Millis> hangs;   // by statement: times out after it
  std::map<std::string, int> rows;
  std::vector<std::string> log;
  FakeClock* clock = nullptr;
  std::function<void()> on_open{};
  Millis query_time{0};
};

class FakeSession final : public Session {
 public:
  FakeSession(FakeServer& server, std::string database)
      : server_(server), database_(database.empty() ? "postgres" : std::move(database)) {
    server_.log.push_back("open " + database_);
    if (server_.on_open) server_.on_open();
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
    const Column columns[] = {{"datname", 19}, {"c", 16}, {"oid", 26}};
    if (auto begun = reader.Begin(columns); !begun) return begun;
    for (const std::string& name : server_.databases) {
      const Cell cells[] = {name, "t", ""};
      if (auto read = reader.Row(cells); !read) return read;
    }
    return {};
  }

  FakeServer& server_;
  const std::string database_;
  Facts facts_;
};

inline constexpr QueryVariant kVariants[] = {{.versions = {}, .sql = "SELECT"}};
inline constexpr std::string_view kLabels[] = {"k"};
inline constexpr MetricDef kMetrics[] = {
    {.name = "pg_x", .help = "h", .unit = "", .column = "n", .labels = kLabels}};

inline QueryMember Member(std::string_view name, Millis interval) {
  QueryMember member{.def = {.name = name,
                             .summary = "s",
                             .scope = QueryScope::kDatabase,
                             .interval = interval,
                             .login_interval = interval,
                             .rank_by = "n",
                             .builtin = true,
                             .variants = kVariants,
                             .metrics = kMetrics}};
  member.schedule = {.interval = interval};
  return member;
}

class DatabasesFixture : public ::testing::Test {
 protected:
  DatabasesFixture() { server_.clock = &clock_; }

  std::unique_ptr<Session> Open(const std::string& database) {
    return std::make_unique<FakeSession>(server_, database);
  }
  std::shared_ptr<const DatabaseRunner> RunnerOf(std::vector<QueryMember> members,
                                                 DatabaseFilter filter = {}) {
    DatabaseRunner::Members shared;
    for (QueryMember& member : members) {
      shared.push_back(std::make_shared<const QueryMember>(std::move(member)));
    }
    return std::make_shared<const DatabaseRunner>(
        databases_, std::move(shared), std::move(filter),
        [this](std::string_view, std::size_t series) { cut_ += series; });
  }
  void Run(Task& task) {
    server_.log.clear();
    EXPECT_TRUE(task.Run(Scrape(clock_, clock_.mono() + Millis(60'000), {}, 1)));
  }
  std::vector<Databases::Result> Results(std::string_view name) const {
    return databases_->Results(std::string(name) + "\n");
  }

  FakeClock clock_;
  FakeServer server_;
  std::shared_ptr<Databases> databases_ = std::make_shared<Databases>();
  std::size_t cut_ = 0;
};

}  // namespace sidecar::postgres
