#include <gmock/gmock.h>

#include <algorithm>

#include "common/base/parse.h"
#include "common/config/document.h"
#include "common/metrics/encoder.h"
#include "exporters/postgres/builtins.h"
#include "exporters/postgres/native.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/exporters/postgres/scripted_session.h"

namespace sidecar::postgres {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptedRow;
using testing::ScriptedSession;
using ::testing::SizeIs;

constexpr std::uint32_t kAny = 0;

// One of them over scripted answers, with these options.
class NativesTest : public ::testing::Test {
 protected:
  void Make(std::string_view name, const std::string& options = {}) {
    def_ = &*std::ranges::find(Builtins(), name, &QueryDef::name);
    auto document = Document::Parse(options, "options.toml");
    ASSERT_TRUE(document) << document.error().message;
    TableReader table = document->Root();
    native_ = FindNative(name)->make(table);
    const auto read = table.Finish();
    ASSERT_TRUE(read) << read.error().message;
  }

  void Answer(const std::vector<std::string>& columns, std::vector<ScriptedRow> rows) {
    std::vector<std::pair<std::string, std::uint32_t>> typed;
    typed.reserve(columns.size());
    for (const std::string& column : columns) typed.emplace_back(column, kAny);
    session_.Answer(std::move(typed), std::move(rows));
  }

  Result<> Run() {
    batch_ = std::make_shared<Batch>();
    Sink sink(*batch_);
    return native_->Run(*def_, session_, Scrape(clock_, clock_.mono() + Millis(5'000), {}, 1),
                        sink);
  }
  std::string Text() {
    const auto run = Run();
    EXPECT_TRUE(run) << run.error().message;
    batch_->Seal();
    std::string text, samples;
    EXPECT_TRUE(Encode({{batch_}, {}}, Format::kText, [&](std::string_view part) -> Result<> {
      text += part;
      return {};
    }));
    std::string_view rest = text;
    while (auto line = NextLine(rest)) {
      if (!line->starts_with("#")) samples += std::string(*line) + "\n";
      if (line->starts_with("# TYPE ")) ExpectListed(line->substr(7));
    }
    return samples;
  }
  // Or a user's query could have it as something else.
  void ExpectListed(std::string_view name_and_type) const {
    const NativeSpec& spec = *FindNative(def_->name);
    const auto is = [&](std::string_view name, Kind kind) {
      return name_and_type == std::string(name) + (kind == Kind::kCounter ? " counter" : " gauge");
    };
    const std::string_view name = name_and_type.substr(0, name_and_type.find(' '));
    const bool prefixed =
        !spec.prefix.empty() && name.starts_with(spec.prefix) && is(name, Kind::kGauge);
    const auto families = spec.families();
    EXPECT_TRUE(prefixed || std::ranges::any_of(families,
                                                [&](const FamilyInfo& family) {
                                                  return is(family.name, family.kind);
                                                }))
        << name_and_type;
  }

  ScriptedSession session_;
  const QueryDef* def_ = nullptr;
  std::unique_ptr<Native> native_;
  FakeClock clock_;
  std::shared_ptr<Batch> batch_;
};

TEST_F(NativesTest, SettingsNamesEachAndCountsWhatWaitsForARestart) {
  Make("settings");
  Answer({"name", "setting", "unit", "vartype", "short_desc", "pending_restart"},
         {{"max_connections", "100", "", "integer", "Connections.", "t"},
          {"primary_conninfo", std::nullopt, "", "string", "Secret.", "t"},
          {"work_mem", "4096", "kB", "integer", "Memory.", "f"}});
  EXPECT_EQ(Text(),
            "pg_setting_pending_restart{name=\"max_connections\"} 1\n"
            "pg_setting_pending_restart{name=\"primary_conninfo\"} 1\n"
            "pg_settings_max_connections 100\npg_settings_work_mem_bytes 4194304\n"
            "pg_settings_pending_restart 2\n");
}

TEST_F(NativesTest, SettingsAreAsTheyWereWhileTheirStateIs) {
  Make("settings");
  const Scrape scrape(clock_, clock_.mono() + Millis(5'000), {}, 1);
  Answer({"loaded", "standby", "pid"}, {{"yesterday", "f", "7"}});
  const auto first = native_->State(*def_, session_, scrape),
             again = native_->State(*def_, session_, scrape);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*first, *again);
  Answer({"loaded", "standby", "pid"}, {{"yesterday", "f", std::nullopt}});
  const auto other = native_->State(*def_, session_, scrape);
  ASSERT_TRUE(other);
  EXPECT_NE(*first, *other);
  session_.facts().pooled = true;  // the next query may have another session
  const auto pooled = native_->State(*def_, session_, scrape);
  ASSERT_TRUE(pooled);
  EXPECT_EQ(*pooled, "");
  session_.facts().pooled = false;
  session_.Break({Errc::kTimeout, "late"});
  EXPECT_FALSE(native_->State(*def_, session_, scrape));
}

TEST_F(NativesTest, SettingsLosesOnlyTheOneOfAnUnknownUnit) {
  Make("settings");
  Answer({"name", "setting", "unit", "vartype", "short_desc", "pending_restart"},
         {{"ext.odd", "1", "parsec", "integer", "Odd.", "f"},
          {"fsync", "on", "", "bool", "Sync.", "f"},
          {"bad name", "1", "", "integer", "Bad.", "f"}});
  EXPECT_EQ(Text(), "pg_settings_fsync 1\npg_settings_pending_restart 0\n");
  ASSERT_THAT(batch_->warnings(), SizeIs(2));
  EXPECT_THAT(batch_->warnings()[0].message, HasSubstr("unknown unit 'parsec'"));
}

TEST_F(NativesTest, BlockingWalksRowsToRootsAndWaits) {
  Make("blocking");
  const std::vector<std::string> columns = {"pid",      "datname",  "state",
                                            "locktype", "blockers", "waited"};
  Answer(columns, {{"1", "orders", "idle in transaction", "", std::nullopt, "0"},
                   {"2", "orders", "active", "tuple", "{1,1}", "7.5"},
                   {"3", "orders", "active", "transactionid", "{2}", "1.5"}});
  EXPECT_EQ(Text(),
            "pg_blocked_backends{datname=\"orders\",locktype=\"transactionid\"} 1\n"
            "pg_blocked_backends{datname=\"orders\",locktype=\"tuple\"} 1\n"
            "pg_blocking_root_backends{datname=\"orders\",state=\"idle in transaction\"} 1\n"
            "pg_lock_wait_max_seconds{datname=\"orders\"} 7.5\npg_lock_chain_max_depth 2\n");
  Answer(columns, {});
  EXPECT_EQ(Text(), "pg_lock_chain_max_depth 0\n");
  Answer(columns, {{"x", "orders", "", "", std::nullopt, "0"}});
  EXPECT_FALSE(Run());
  Answer(columns, {{"1", "orders", "", "", "{a}", "0"}});
  EXPECT_FALSE(Run());
}

const std::vector<std::string> kStatementColumns = {"userid",  "dbid",  "queryid", "usename",
                                                    "datname", "calls", "rows",    "time"};
ScriptedRow Statement(const std::string& id, const std::string& calls, const std::string& time,
                      const std::string& datname = "orders") {
  return {"10", "5", id, "app", datname, calls, "1", time};
}

class StatementsTest : public NativesTest {
 protected:
  StatementsTest() { session_.facts().extensions = {{"pg_stat_statements", "1.10", "monitoring"}}; }
};

TEST_F(StatementsTest, ShowsTheFirstAndTheOthersAsOne) {
  Make("stat_statements", "limit = 1\n");
  Answer(kStatementColumns, {Statement("7", "2", "5000"), Statement("8", "3", "1")});
  EXPECT_THAT(Text(),
              AllOf(HasSubstr("pg_stat_statements_seconds_total{user=\"app\",datname=\"orders\","
                              "queryid=\"7\"} 5\n"),
                    HasSubstr("queryid=\"other\"} 0\n"), Not(HasSubstr("queryid=\"8\"")),
                    HasSubstr("pg_stat_statements_entries 2\n")));
  EXPECT_THAT(session_.statements().back(), HasSubstr("\"monitoring\".pg_stat_statements(false)"));
  Answer(kStatementColumns, {Statement("7", "2", "5500"), Statement("8", "10", "4")});
  EXPECT_THAT(Text(), HasSubstr("pg_stat_statements_calls_total{user=\"app\",datname=\"orders\","
                                "queryid=\"other\"} 7\n"));
}

TEST_F(StatementsTest, TakesNothingForNewWhereAnotherServerAnswers) {
  Make("stat_statements", "limit = 1\n");
  const std::vector<ScriptedRow> before = {Statement("7", "2", "5000")};
  const std::vector<ScriptedRow> after = {Statement("7", "9", "9000"), Statement("8", "900", "4")};
  const auto seen = [&](auto change) {
    Answer(kStatementColumns, before);
    ASSERT_TRUE(Run());
    change(session_.facts());
    Answer(kStatementColumns, after);
    EXPECT_THAT(Text(), HasSubstr("pg_stat_statements_calls_total{user=\"app\",datname=\"orders\","
                                  "queryid=\"other\"} 0\n"));
  };
  seen([](Facts& facts) { facts.start_time = 1'700'000'000; });
  seen([](Facts& facts) { facts.server = "10.0.0.2:5432"; });
}

TEST_F(StatementsTest, HasABoundOfRows) {
  Make("stat_statements");
  Answer(kStatementColumns, std::vector<ScriptedRow>(50'001, Statement("7", "2", "5000")));
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kLimit);
}

TEST_F(StatementsTest, LosesNothingToARunThatFailed) {
  Make("stat_statements", "limit = 1\n");
  Answer(kStatementColumns, {Statement("7", "2", "5000"), Statement("8", "3", "1")});
  ASSERT_TRUE(Run());
  Answer(kStatementColumns, {Statement("7", "2", "5000"), Statement("8", "many", "1")});
  EXPECT_FALSE(Run());
  Answer(kStatementColumns, {Statement("7", "2", "5500"), Statement("8", "5", "1")});
  EXPECT_THAT(Text(), HasSubstr("pg_stat_statements_calls_total{user=\"app\",datname=\"orders\","
                                "queryid=\"other\"} 2\n"));
}

TEST_F(StatementsTest, LeavesOutDatabasesAndUsers) {
  Make("stat_statements", "exclude_databases = [\"scratch\"]\nexclude_users = [\"nobody\"]\n");
  Answer(kStatementColumns,
         {Statement("7", "2", "5000", "scratch"), Statement("8", "3", "1", "orders")});
  EXPECT_THAT(Text(), AllOf(Not(HasSubstr("scratch")), HasSubstr("queryid=\"8\"")));
}

TEST_F(StatementsTest, HasColumnsOfTheExtensionsVersionOnly) {
  Make("stat_statements");
  Answer(kStatementColumns, {Statement("7", "2", "5000")});
  EXPECT_THAT(Text(), HasSubstr("pg_stat_statements_plans_total"));
  EXPECT_THAT(session_.statements().back(), HasSubstr("total_exec_time"));
  session_.facts().extensions[0].version = "1.7";
  EXPECT_THAT(Text(), Not(HasSubstr("pg_stat_statements_plans_total")));
  EXPECT_THAT(session_.statements().back(), HasSubstr("s.total_time"));
  session_.facts().extensions[0].version = "1.6";
  const auto run = Run();
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace sidecar::postgres
