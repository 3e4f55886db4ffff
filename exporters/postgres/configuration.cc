#include "exporters/postgres/configuration.h"

#include <algorithm>

#include "exporters/postgres/builtins.h"

namespace sidecar::postgres {
namespace {

Schedule ScheduleOf(const QueryDef& def) {
  Schedule schedule{.interval = def.interval, .timeout = def.timeout, .max_age = def.max_age};
  schedule.limits = Limits::OfSeries(static_cast<std::size_t>(def.series_limit));
  return schedule;
}

// What runs in the background, or is not ours to vouch for, has not the session that says whether
// the server is up.
void Settle(QueryMember& member) {
  QueryDef& def = member.def;
  Schedule& schedule = member.schedule;
  def.timeout = schedule.timeout;
  def.interval = schedule.interval;
  // What waits for a login must not grow too old meanwhile.
  if (schedule.max_age > Millis(0)) {
    def.login_interval = std::min(def.login_interval, schedule.max_age / 3);
  }
  def.login_interval = std::max(def.login_interval, def.interval);
  def.series_limit = static_cast<std::int64_t>(schedule.limits.series);
  const bool slow = def.lane == "slow" || schedule.interval > Millis(0) || !def.builtin;
  schedule.lane = def.scope == QueryScope::kDatabase ? "databases" : slow ? "slow" : "main";
}

// A result of the slow session may have to wait for the longest statement there: it is served with
// its age until then, rather than leaving a gap.
void AllowForWaiting(std::vector<QueryMember>& members) {
  const auto waits = [](const QueryMember& member) {
    return member.schedule.lane == "slow" && member.schedule.interval > Millis(0);
  };
  Millis longest{0};
  for (const QueryMember& member : members) {
    const bool at_home = member.def.login_interval > member.schedule.interval;  // HomeDatabase
    if (member.schedule.lane != "slow" && !at_home) continue;
    longest = std::max(longest, member.schedule.timeout);
  }
  for (QueryMember& member : members) {
    Schedule& schedule = member.schedule;
    if (!waits(member) || schedule.max_age > Millis(0)) continue;
    schedule.max_age = std::max(3 * schedule.interval, 2 * schedule.interval + longest);
  }
}

constexpr std::string_view kPeerFlags[] = {
    "auto-discover-databases",
    "collection-timeout",
    "collector.buffercache_summary",
    "collector.database_wraparound",
    "collector.process_idle",
    "collector.stat_activity_autovacuum",
    "collector.stat_wal_receiver",
    "collector.statio_user_indexes",
    "collector.xlog_location",
    "config.file.auth",
    "constantLabels",
    "disable-default-metrics",
    "disable-settings-metrics",
    "dumpmaps",
    "exclude-databases",
    "extend.query-path",
    "include-databases",
    "metric-prefix",
    "web.config.file",
    "web.systemd-socket",
};

}  // namespace

std::span<const std::string_view> PeerFlags() { return kPeerFlags; }

void Configuration::Read(TableReader& postgres, const Getenv& getenv) {
  connect.Read(postgres, getenv);
  postgres
      .Field("databases_include", databases.include,
             "Databases to visit, as globs; empty: all that the role may connect to.")
      .Field("databases_exclude", databases.exclude, "Databases not to visit, as globs.");
  const ConnectOptions& c = connect;
  for (const std::string& part : {c.dsn,
                                  c.host,
                                  c.user,
                                  c.dbname,
                                  c.sslmode,
                                  c.sslrootcert,
                                  c.sslcert,
                                  c.sslkey,
                                  c.passfile,
                                  c.service,
                                  std::to_string(c.port),
                                  c.password.Describe(),
                                  c.application_name,
                                  c.environment_uri.Describe(),
                                  c.environment_user.Describe(),
                                  std::to_string(c.connect_timeout.count()),
                                  std::to_string(c.lock_timeout.count()),
                                  std::to_string(c.session_max_age.count()),
                                  std::to_string(c.max_connections),
                                  std::to_string(c.login_probe_interval.count()),
                                  std::to_string(c.refresh_interval.count())}) {
    server_key += part + '\0';
  }
  ReadQueries(postgres);
}

// A user's query of a built-in's name takes its place: what the built-in's table says of the
// schedule is then of the user's, and the name may be switched off there.
void Configuration::ReadBuiltin(TableReader& all, const QueryDef& def, bool disable_defaults,
                                std::vector<Own>& own) {
  TableReader table = all.Table(def.name);
  const auto replaced =
      std::ranges::find(own, def.name, [](const Own& query) { return query.storage->def().name; });
  const bool is_replaced = replaced != own.end();
  bool enabled = is_replaced || (def.on_by_default && !disable_defaults);
  table.Field("enabled", enabled, def.summary).Flag("collector." + std::string(def.name));
  QueryMember member{.def = def,
                     .schedule = ScheduleOf(is_replaced ? replaced->storage->def() : def)};
  member.schedule.Read(table);
  // Who says how often wants it so often.
  if (table.Has("interval")) member.def.login_interval = Millis(0);
  const QueryScope scope = is_replaced ? replaced->storage->def().scope : def.scope;
  if (scope == QueryScope::kDatabase && member.schedule.interval == Millis(0)) {
    table.Reject("interval", "must not be 0: it is read database by database");
  }
  if (scope == QueryScope::kDatabase && member.schedule.timeout > QueryDef::kLongestVisit) {
    table.Reject("timeout", "must be 30s at most: it is read database by database");
  }
  if (def.metrics.empty()) member.native = FindNative(def.name)->make(table);
  if (table.describing()) return;
  member.fingerprint = table.Fingerprint();
  if (is_replaced) {
    replaced->enabled = replaced->enabled && enabled;
    replaced->schedule = member.schedule;
    if (table.Has("interval")) replaced->login_interval = Millis(0);
    replaced->fingerprint += member.fingerprint;
    return;
  }
  if (!enabled) return;
  Settle(member);
  queries.push_back(std::move(member));
}

std::vector<Configuration::Own> Configuration::ReadOwn(TableReader& postgres) {
  std::vector<TableReader> tables = postgres.Tables("queries");
  std::vector<OwnedQueryDef> loaded;
  std::vector<std::string> fingerprints;
  for (TableReader& table : tables) {
    loaded.push_back(LoadQuery(table, QueryOrigin::kUser));
    fingerprints.push_back(table.Fingerprint());
  }
  CheckQueries(tables, loaded);
  std::vector<Own> own;
  own.reserve(loaded.size());
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const bool enabled = loaded[i].def().on_by_default;
    const Schedule schedule = ScheduleOf(loaded[i].def());
    const Millis login_interval = loaded[i].def().login_interval;
    own.push_back({std::make_shared<const OwnedQueryDef>(std::move(loaded[i])), schedule,
                   login_interval, std::move(fingerprints[i]), enabled});
  }
  return own;
}

void Configuration::ReadQueries(TableReader& postgres) {
  std::vector<Own> own = ReadOwn(postgres);
  TableReader all = postgres.Table("collectors");
  bool disable_defaults = false;
  all.Field("disable_defaults", disable_defaults, "Only collectors enabled by name.")
      .Flag("collector.disable-defaults");
  for (const QueryDef& def : Builtins()) ReadBuiltin(all, def, disable_defaults, own);
  if (postgres.describing()) return;
  for (Own& query : own) {
    if (!query.enabled) continue;
    QueryMember member{.def = query.storage->def(),
                       .storage = query.storage,
                       .schedule = query.schedule,
                       .fingerprint = std::move(query.fingerprint)};
    member.def.login_interval = query.login_interval;
    Settle(member);
    queries.push_back(std::move(member));
  }
  AllowForWaiting(queries);
}

}  // namespace sidecar::postgres
