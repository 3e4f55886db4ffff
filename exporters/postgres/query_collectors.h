#pragma once
// Definitions as the engine's collectors: of scope cluster on their lane's session, of scope
// database from what the rotation has found. Each is run by one thread at a time, as the engine
// does; what they share is thread-safe.
//
//   members.push_back({name, schedule, MakeClusterCollector(watched, member, past),
//                      fingerprint});

#include <cstdint>
#include <memory>
#include <optional>

#include "common/collect/collector.h"
#include "exporters/postgres/cut_counter.h"
#include "exporters/postgres/databases.h"
#include "exporters/postgres/query_member.h"
#include "exporters/postgres/scrape_tally.h"
#include "exporters/postgres/server.h"

namespace sidecar::postgres {

// What the collectors of a server share. Kept over reloads, as the server is.
struct Watched {
  std::shared_ptr<Server> server;
  std::shared_ptr<Databases> databases;
  std::shared_ptr<ScrapeTally> tally;
  std::shared_ptr<const CutCounter> cuts;
};

// What its last run has cost: why a query has no other turn for now. Kept over reloads; its
// collectors' alone, one run after another.
struct QueryPast {
  std::optional<Error> flood{};  // its result was given up on, and its connection with it
  Mono flood_until{};
  std::uint64_t left = 0;  // the connection whose backend runs on
};

std::unique_ptr<Collector> MakeClusterCollector(Watched watched,
                                                std::shared_ptr<const QueryMember> member,
                                                std::shared_ptr<QueryPast> past);
// `limits`: of all databases.
std::unique_ptr<Collector> MakeDatabaseCollector(Watched watched,
                                                 std::shared_ptr<const QueryMember> member,
                                                 const Limits& limits);
// pg_up, pg_login_up, pg_static and the exporter's own pg_exporter_*.
std::unique_ptr<Collector> MakeCoreCollector(Watched watched);
// A fresh login now and then, where no session made one.
std::unique_ptr<Task> MakeLoginProbe(Watched watched);

}  // namespace sidecar::postgres
