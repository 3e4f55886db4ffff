#include "exporters/postgres/load_queries.h"

#include <algorithm>

#include "common/base/parse.h"
#include "common/collect/collector.h"
#include "exporters/postgres/query_loading.h"
#include "exporters/postgres/query_versions.h"
#include "exporters/postgres/query_words.h"

namespace sidecar::postgres {
namespace {

constexpr std::string_view kMajorsOnly = "PostgreSQL's majors, like \"18\"";
constexpr Millis kDatabaseInterval = std::chrono::seconds(30);

bool ValidCollector(std::string_view name) {
  return !name.empty() && name.size() <= 48 && std::ranges::all_of(name, [&](const char& c) {
    return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && &c != name.data());
  });
}

class Loader {
 public:
  Loader(TableReader& table, QueryOrigin origin, OwnedQueryDef::Storage& storage)
      : table_(table), origin_(origin), storage_(storage), def_(storage.def) {}

  void Load() {
    ReadNames();
    ReadWhere();
    ReadWhen();
    ReadLimits();
    ReadSql();
    LoadMetrics(table_, origin_, storage_);
  }

 private:
  void ReadNames() {
    std::string name = ReadText(table_, "name", "The collector's name.");
    Require(table_, "name", name);
    if (!name.empty() && !ValidCollector(name)) {
      table_.Reject("name", "lower-case letters, digits and underscores, 48 at most");
    }
    if (name == "core") table_.Reject("name", "'core' is what the exporter says of itself");
    def_.name = storage_.Keep(std::move(name));
    def_.summary = storage_.Keep(ReadText(table_, "summary", "What it tells, in a line."));
    if (origin_ == QueryOrigin::kBuiltin) Require(table_, "summary", def_.summary);
    def_.builtin = origin_ == QueryOrigin::kBuiltin;
    table_.Field("on_by_default", def_.on_by_default, "Whether it runs unless told otherwise.");
  }

  void ReadWhere() {
    def_.scope = Choice(table_, "scope", kScopes, "Once per server or in every database");
    def_.role = Choice(table_, "role", kRoles, "Servers it is for");
    def_.privilege = Choice(table_, "privilege", kPrivileges, "What our role must be member of");
    def_.databases = storage_.Keep(ReadList(table_, "databases", "Databases to run in, as globs."));
    table_.Field("database_label", def_.database_label, "Adds the label datname.");
    const bool cluster = def_.scope == QueryScope::kCluster;
    if (cluster && !def_.databases.empty()) {
      table_.Reject("databases", "is for scope = \"database\"");
    }
    const bool one = def_.databases.size() == 1 &&
                     def_.databases[0].find_first_of("*?[\\") == std::string_view::npos;
    if (!def_.database_label && !cluster && !one) {
      table_.Reject("database_label", "without the label 'databases' must name one database");
    }
    const bool slow = Choice(table_, "lane", kLanes, "Which connection of scope cluster");
    def_.lane = slow ? "slow" : "main";
    if (!cluster && table_.Has("lane")) table_.Reject("lane", "is for scope = \"cluster\"");
  }

  void ReadWhen() {
    def_.versions_of_extension =
        Choice(table_, "versions_of", kVersionsOf, "What version ranges are of");
    def_.versions = ReadVersions(table_, def_.versions_of_extension);
    def_.extension = storage_.Keep(ReadText(table_, "extension", "Extension that it needs."));
    const std::string version =
        ReadText(table_, "extension_version", "The least version of the extension.");
    if (!version.empty()) {
      const auto parsed = ParseVersion(version);
      if (!parsed) table_.Reject("extension_version", "must be like \"1.8\"");
      def_.extension_version = parsed.value_or(0);
    }
    if (!def_.extension.empty()) return;
    for (const char* const key : {"extension_version", "versions_of"}) {
      if (table_.Has(key) &&
          (key != std::string_view("versions_of") || def_.versions_of_extension)) {
        table_.Reject(key, "needs 'extension'");
      }
    }
  }

  void ReadLimits() {
    const bool databases = def_.scope == QueryScope::kDatabase;
    if (databases) def_.interval = kDatabaseInterval;
    Schedule schedule{.interval = def_.interval, .timeout = def_.timeout, .max_age = def_.max_age};
    schedule.Read(table_);
    if (databases && schedule.interval == Millis(0)) {
      table_.Reject("interval", "must not be 0 with scope = 'database'");
    }
    if (databases && schedule.timeout > QueryDef::kLongestVisit) {
      table_.Reject("timeout", "must be 30s at most with scope = 'database'");
    }
    def_.interval = schedule.interval;
    table_.Field("login_interval", def_.login_interval,
                 "Scope database: how long it waits for a login that is made anyway.");
    if (table_.Has("login_interval") && (!databases || def_.login_interval < def_.interval)) {
      table_.Reject("login_interval", "is for scope = \"database\", and at least the interval");
    }
    def_.login_interval = std::max(def_.login_interval, def_.interval);
    def_.timeout = schedule.timeout;
    def_.max_age = schedule.max_age;
    def_.series_limit = static_cast<std::int64_t>(schedule.limits.series);
    def_.rank_by = storage_.Keep(ReadText(
        table_, "rank_by", "Column: past the limit the rows with the greatest of it stay."));
  }

  void ReadSql() {
    const std::string sql = ReadText(table_, "sql", "One SELECT; /*!13+ ... */ for versions.");
    Require(table_, "sql", sql);
    if (sql.empty()) return;
    if (sql.find('\0') != std::string::npos) return table_.Reject("sql", "holds a zero byte");
    if (sql.find("@extschema@") != std::string::npos && def_.extension.empty()) {
      table_.Reject("sql", "@extschema@ needs 'extension'");
    }
    auto texts = ExpandVersions(sql, def_.versions);
    if (!texts) return table_.Reject("sql", texts.error().message);
    for (VersionText& text : *texts) {
      if (!def_.versions_of_extension && HasMinors(text.versions)) {
        return table_.Reject("sql", "version comments have " + std::string(kMajorsOnly));
      }
      storage_.variants.push_back({text.versions, storage_.Keep(Ranked(std::move(text.text)))});
    }
    def_.variants = storage_.variants;
  }

  // The server sorts, so that the first rows are those that stay.
  std::string Ranked(std::string sql) const {
    if (def_.rank_by.empty()) return sql;
    std::string quoted;
    for (const char c : def_.rank_by) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return "SELECT * FROM (\n" + sql + "\n) AS ranked ORDER BY \"" + quoted + "\" DESC NULLS LAST";
  }

  TableReader& table_;
  const QueryOrigin origin_;
  OwnedQueryDef::Storage& storage_;
  QueryDef& def_;
};

}  // namespace

Versions ReadVersions(TableReader& table, bool of_extension) {
  const std::string text = ReadText(table, "versions", "Versions it is for: 13+, -12, 12-16, 17.");
  if (text.empty()) return {};
  const auto versions = ParseVersions(text);
  if (!versions) table.Reject("versions", "must be like \"13+\", \"-12\", \"12-16\" or \"17\"");
  if (versions && !of_extension && HasMinors(*versions)) {
    table.Reject("versions", "are " + std::string(kMajorsOnly));
  }
  return versions.value_or(Versions{});
}

OwnedQueryDef::OwnedQueryDef(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
OwnedQueryDef::OwnedQueryDef(OwnedQueryDef&&) noexcept = default;
OwnedQueryDef& OwnedQueryDef::operator=(OwnedQueryDef&&) noexcept = default;
OwnedQueryDef::~OwnedQueryDef() = default;

const QueryDef& OwnedQueryDef::def() const { return storage_->def; }

OwnedQueryDef LoadQuery(TableReader& table, QueryOrigin origin) {
  auto storage = std::make_unique<OwnedQueryDef::Storage>();
  Loader(table, origin, *storage).Load();
  return OwnedQueryDef(std::move(storage));
}

}  // namespace sidecar::postgres
