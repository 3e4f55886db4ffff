#include "exporters/postgres/postgres.h"

#include <cstdlib>

#include "exporters/postgres/check_members.h"
#include "exporters/postgres/configuration.h"
#include "exporters/postgres/home_database.h"
#include "exporters/postgres/lent_session.h"
#include "exporters/postgres/query_collectors.h"
#include "exporters/postgres/rotation.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

constexpr Millis kTick{1'000};
constexpr Millis kCoreTimeout{3'000};
constexpr Millis kRotationTimeout{60'000};

// Made once for a configuration, kept by the next one that does not change it.
Watched Watch(const Configuration& configuration, Keep& keep, const Runtime& runtime) {
  const auto budget = keep.Get<Budget>("connections", [&] { return Budget::Make(runtime.clock); });
  const std::string& key = configuration.server_key;
  Watched watched;
  watched.server = keep.Get<Server>(key, [&] {
    return std::make_shared<Server>(key, Conninfo(configuration.connect), budget, runtime);
  });
  watched.databases = keep.Get<Databases>(key, [] { return std::make_shared<Databases>(); });
  watched.tally = keep.Get<ScrapeTally>("tally", [] { return std::make_shared<ScrapeTally>(); });
  watched.cuts = std::make_shared<const CutCounter>(runtime.self);
  return watched;
}

// A quarter later than the task that has a session at hand, which spares a login.
constexpr Millis Later(Millis interval) { return interval * 5 / 4; }

void AddVisits(Plan& plan, const Watched& watched, DatabaseRunner::Members members,
               const DatabaseFilter& filter) {
  // Of other queries or another server: what it runs is stopped by the reload that changes it.
  std::string fingerprint = watched.server->key() + filter.Text();
  for (const auto& member : members) fingerprint += '\n' + member->key();
  auto count_cut = [cuts = watched.cuts](std::string_view collector, std::size_t series) {
    cuts->Add(collector, series);
  };
  const auto runner = std::make_shared<const DatabaseRunner>(watched.databases, std::move(members),
                                                             filter, std::move(count_cut));
  const Millis discovery = watched.server->options().refresh_interval;
  auto open = [server = watched.server](const std::string& database) {
    return std::unique_ptr<Session>(server->Open(database));
  };
  auto next_login = [server = watched.server] { return server->NextLogin(); };
  plan.tasks.push_back(
      {"databases",
       {.interval = kTick, .timeout = kRotationTimeout, .lane = "rotating"},
       std::make_unique<Rotation>(std::move(open), runner, Later(discovery), std::move(next_login)),
       fingerprint});
  auto lend = [server = watched.server] { return Lend(*server, kSlowLane); };
  plan.tasks.push_back({"home_database",
                        {.interval = kTick, .timeout = kRotationTimeout, .lane = kSlowLane},
                        std::make_unique<HomeDatabase>(std::move(lend), runner, discovery),
                        fingerprint});
}

class Postgres final : public Exporter {
 public:
  Identity identity() const override { return {"postgres", "pg", 9187}; }
  std::span<const std::string_view> refused_flags() const override { return PeerFlags(); }

  Result<Plan> Build(TableReader& table, Keep& keep, Runtime runtime) override {
    Configuration configuration;
    configuration.Read(table, [](const char* name) { return std::getenv(name); });
    if (table.describing()) return Plan{};
    const Watched watched = Watch(configuration, keep, runtime);
    watched_ = watched;
    filter_ = configuration.databases;
    members_.clear();
    Plan plan;
    plan.collectors.push_back(
        {"core",
         {.timeout = std::max(kCoreTimeout, configuration.connect.connect_timeout), .leads = true},
         MakeCoreCollector(watched)});
    plan.tasks.push_back({"login_probe",
                          {.interval = kTick,
                           .timeout = configuration.connect.connect_timeout + kTick,
                           .lane = kLoginLane},
                          MakeLoginProbe(watched)});
    DatabaseRunner::Members rotated;
    for (QueryMember& query : configuration.queries) {
      if (query.native) {
        query.native = keep.Get<Native>("native/" + query.key() + watched.server->key(),
                                        [&] { return query.native; });
      }
      const auto member = std::make_shared<const QueryMember>(std::move(query));
      members_.push_back(member);
      if (member->def.scope == QueryScope::kDatabase) {
        rotated.push_back(member);
      }
      Add(plan, watched, member, keep);
    }
    if (!rotated.empty()) {
      AddVisits(plan, watched, std::move(rotated), configuration.databases);
    }
    return plan;
  }
  void AddRoutes(Router&) override {}
  std::string Check(Millis patience) override {
    if (!watched_.server) return {};
    return CheckMembers(*watched_.server, members_, filter_, patience);
  }

 private:
  static void Add(Plan& plan, const Watched& watched,
                  const std::shared_ptr<const QueryMember>& member, Keep& keep) {
    Schedule schedule = member->schedule;
    std::unique_ptr<Collector> work;
    if (member->def.scope == QueryScope::kDatabase) {
      // The interval is the rotation's; scrapes are served what it found. Each database had its
      // share of the limit, but tables come: the sum may pass it for one round. And the age of
      // each.
      schedule.interval = Millis(0);
      schedule.in_memory = true;
      schedule.limits = Limits::OfSeries(2 * schedule.limits.series + kMostDatabases);
      work = MakeDatabaseCollector(watched, member, schedule.limits);
    } else {
      work = MakeClusterCollector(
          watched, member, keep.Get<QueryPast>("past/" + member->key() + watched.server->key(), [] {
            return std::make_shared<QueryPast>();
          }));
    }
    // Of another server, or as another role, it is another member.
    plan.collectors.push_back({std::string(member->def.name), schedule, std::move(work),
                               member->fingerprint + watched.server->key()});
  }

  Watched watched_;  // of the last Build
  DatabaseFilter filter_;
  DatabaseRunner::Members members_;
};

}  // namespace

std::unique_ptr<Exporter> MakePostgres() { return std::make_unique<Postgres>(); }

}  // namespace sidecar::postgres
