// pg_stat_statements: the statements that take the time, and the others as one.

#include <algorithm>
#include <set>
#include <utility>

#include "exporters/postgres/named_rows.h"
#include "exporters/postgres/natives.h"
#include "exporters/postgres/statement_tracker.h"

namespace sidecar::postgres {
namespace {

constexpr std::int64_t kMostStatements = 10'000;
constexpr std::int64_t kMostText = 1'000;

struct Options {
  std::int64_t limit = 100;
  std::int64_t query_length = 120;
  bool include_query = false;
  std::vector<std::string> exclude_databases, exclude_users;

  void Read(TableReader& table) {
    table
        .Field("limit", limit,
               "Statements shown (twice as many while they change); the others are "
               "queryid=\"other\".",
               1, kMostStatements)
        .Flag("collector.stat_statements.limit");
    table.Field("include_query", include_query, "Adds pg_stat_statements_query_id with the text.")
        .Flag("collector.stat_statements.include_query");
    table
        .Field("query_length", query_length,
               "Characters of the text, which has 1000 bytes at most.", 1, kMostText)
        .Flag("collector.stat_statements.query_length");
    table.Field("exclude_databases", exclude_databases, "Databases left out.")
        .Flag("collector.stat_statements.exclude_databases");
    table.Field("exclude_users", exclude_users, "Users left out.")
        .Flag("collector.stat_statements.exclude_users");
  }
};

// The families, in the order of the exposition.
struct Shown {
  std::string_view name, help;
  StatementColumn column;
  double divisor = 1;
  bool since_1_8 = false;  // of the extension: 1.8
};
constexpr Shown kShown[] = {
    {"pg_stat_statements_calls_total", "Executions.", kCalls},
    {"pg_stat_statements_seconds_total", "Time spent executing.", kTime, 1e3},
    {"pg_stat_statements_rows_total", "Rows retrieved or changed.", kRowCount},
    {"pg_stat_statements_block_read_seconds_total",
     "Time spent reading blocks; 0 unless track_io_timing is on.", kReadTime, 1e3},
    {"pg_stat_statements_block_write_seconds_total",
     "Time spent writing blocks; 0 unless track_io_timing is on.", kWriteTime, 1e3},
    {"pg_stat_statements_shared_blks_hit_total", "Blocks found in shared buffers.", kSharedHit},
    {"pg_stat_statements_shared_blks_read_total", "Blocks read.", kSharedRead},
    {"pg_stat_statements_shared_blks_dirtied_total", "Blocks dirtied.", kSharedDirtied},
    {"pg_stat_statements_shared_blks_written_total", "Blocks written by the statement itself.",
     kSharedWritten},
    {"pg_stat_statements_temp_blks_read_total", "Temporary blocks read.", kTempRead},
    {"pg_stat_statements_temp_blks_written_total", "Temporary blocks written.", kTempWritten},
    {"pg_stat_statements_plans_total",
     "Times it was planned; 0 unless pg_stat_statements.track_planning is on.", kPlans, 1, true},
    {"pg_stat_statements_plan_seconds_total", "Time spent planning.", kPlanTime, 1e3, true},
    {"pg_stat_statements_wal_records_total", "WAL records written.", kWalRecords, 1, true},
    {"pg_stat_statements_wal_fpi_total", "Full-page images written to WAL.", kWalFpi, 1, true},
    {"pg_stat_statements_wal_bytes_total", "WAL written.", kWalBytes, 1, true},
};
constexpr std::string_view kLabels[] = {"user", "datname", "queryid"};
FamilyInfo InfoOf(const Shown& shown) {
  return {shown.name, shown.help, {}, Kind::kCounter, kLabels};
}

constexpr auto kEntries =
    Gauge("pg_stat_statements_entries", "Statements that the extension knows.");
constexpr auto kQueryId =
    Counter("pg_stat_statements_query_id", "1 for a statement's text.", "queryid", "query");

// The columns of StatementColumn under the names of the SQL, then what identifies the row.
constexpr std::array<std::string_view, kStatementColumns + 5> kColumns = {"time",
                                                                          "calls",
                                                                          "rows",
                                                                          "read_time",
                                                                          "write_time",
                                                                          "shared_blks_hit",
                                                                          "shared_blks_read",
                                                                          "shared_blks_dirtied",
                                                                          "shared_blks_written",
                                                                          "temp_blks_read",
                                                                          "temp_blks_written",
                                                                          "plans",
                                                                          "plan_time",
                                                                          "wal_records",
                                                                          "wal_fpi",
                                                                          "wal_bytes",
                                                                          "userid",
                                                                          "dbid",
                                                                          "queryid",
                                                                          "usename",
                                                                          "datname"};
enum : std::uint8_t { kUserId = kStatementColumns, kDatabaseId, kQuery, kUser, kDatabase };

class Rows final : public NamedRows<kColumns.size()> {
 public:
  Rows(const Options& options, StatementTracker& tracker)
      : NamedRows(kColumns), options_(options), tracker_(tracker) {}

 protected:
  Result<> Read() override {
    const auto named = [](const std::vector<std::string>& names, std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (named(options_.exclude_databases, Text(kDatabase))) return {};
    if (named(options_.exclude_users, Text(kUser))) return {};
    const auto user = ParseNumber<std::uint64_t>(Text(kUserId));
    const auto database = ParseNumber<std::uint64_t>(Text(kDatabaseId));
    const auto query = ParseNumber<std::int64_t>(Text(kQuery));
    if (!user || !database || !query) return Fail(Errc::kParse, "a row without its identifiers");
    StatementNumbers numbers{};
    for (std::size_t i = 0; i < kStatementColumns; ++i) {
      if (!Get(i)) continue;  // of a later version of the extension
      auto number = Number(i);
      if (!number) return Fail(std::move(number.error()));
      numbers[i] = *number;
    }
    tracker_.Add({*user, *database, *query}, Label(kUser), Label(kDatabase), numbers);
    return {};
  }

 private:
  const Options& options_;
  StatementTracker& tracker_;
};

// A label has 1 KiB at most, and a character up to four bytes.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kMostText) return text;
  std::size_t size = kMostText;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

// Texts of statements that are new among those shown.
class Texts final : public NamedRows<2> {
 public:
  explicit Texts(std::map<std::int64_t, std::string>& texts)
      : NamedRows({"queryid", "query"}), texts_(texts) {}

 protected:
  Result<> Read() override {
    if (const auto id = ParseNumber<std::int64_t>(Text(0))) texts_[*id] = std::string(Cut(Text(1)));
    return {};
  }

 private:
  std::map<std::int64_t, std::string>& texts_;
};

class Statements final : public Native {
 public:
  explicit Statements(Options options) : options_(std::move(options)) {}

  Result<> Run(const QueryDef& def, Session& session, const Scrape& scrape, Sink& sink) override {
    // Only a whole run counts: a half one would make the others look evicted.
    StatementTracker tracker = tracker_;
    Seen seen = SeenBy(session.facts());
    const bool anew = seen != seen_;
    tracker.Begin(anew);
    Rows rows(options_, tracker);
    if (auto done = RunStatement(def, session, scrape, rows); !done) return done;
    tracker.End(static_cast<std::size_t>(options_.limit));
    tracker_ = std::move(tracker);
    seen_ = std::move(seen);
    if (anew) texts_.clear();
    if (auto put = Put(VersionOf(def, session.facts()) >= 1'008, sink); !put) return put;
    sink.Add(kEntries, tracker_.size());
    return options_.include_query ? PutTexts(def, session, scrape, sink) : Result<>();
  }

 private:
  // Which server: it may be another behind the same name.
  using Seen = std::pair<std::string, double>;
  static Seen SeenBy(const Facts& facts) { return {facts.server, facts.start_time}; }

  Result<> Put(bool since_1_8, Sink& sink) const {
    const auto statements = tracker_.Shown();
    for (const Shown& shown : kShown) {
      if (shown.since_1_8 && !since_1_8) continue;
      auto family = sink.Declare(InfoOf(shown));
      if (!family) return Fail(std::move(family.error()));
      const auto put = [&](const auto& user, const auto& database, const std::string& query,
                           const StatementNumbers& numbers) {
        const std::string_view labels[] = {user, database, query};
        sink.Put(*family, numbers[shown.column] / shown.divisor, labels);
      };
      for (const auto& [key, statement] : statements) {
        put(statement->user, statement->database, std::to_string(key.query), statement->now);
      }
      for (const auto& [names, other] : tracker_.others()) {
        put(names.first, names.second, "other", other.sum);
      }
    }
    return {};
  }

  Result<> PutTexts(const QueryDef& def, Session& session, const Scrape& scrape, Sink& sink) {
    std::set<std::int64_t> ids;
    std::string unknown;
    for (const auto& shown : tracker_.Shown()) {
      const std::int64_t id = shown.first.query;
      if (!ids.insert(id).second || texts_.contains(id)) continue;
      unknown += (unknown.empty() ? "" : ",") + std::to_string(id);
    }
    std::erase_if(texts_, [&](const auto& text) { return !ids.contains(text.first); });
    if (!unknown.empty()) {
      if (auto read = ReadTexts(def, session, scrape, unknown); !read) return read;
    }
    for (const auto& [id, text] : texts_) sink.Add(kQueryId, 1, std::to_string(id), text);
    return {};
  }

  Result<> ReadTexts(const QueryDef& def, Session& session, const Scrape& scrape,
                     const std::string& ids) {
    const std::string text =
        "SELECT DISTINCT ON (queryid) queryid,"
        " left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), " +
        std::to_string(options_.query_length) +
        ") AS query FROM @extschema@.pg_stat_statements(true) WHERE queryid = ANY('{" + ids +
        "}'::bigint[])";
    const std::string sql = StatementText(def, {{}, text}, session.facts());
    Texts rows(texts_);
    // Not prepared: its text is another each time.
    return session.Query(scrape, {.name = {}, .sql = sql, .timeout = def.timeout}, rows);
  }

  const Options options_;
  StatementTracker tracker_;
  Seen seen_{};
  std::map<std::int64_t, std::string> texts_;
};

}  // namespace

std::vector<FamilyInfo> StatementsFamilies() {
  std::vector<FamilyInfo> families{kEntries.info(), kQueryId.info()};
  for (const Shown& shown : kShown) families.push_back(InfoOf(shown));
  return families;
}

std::unique_ptr<Native> MakeStatements(TableReader& table) {
  Options options;
  options.Read(table);
  return std::make_unique<Statements>(std::move(options));
}

}  // namespace sidecar::postgres
