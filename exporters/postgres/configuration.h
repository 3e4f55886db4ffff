#pragma once
// [postgres] as a whole: where the server is, which databases, which collectors and how they run.
// Read over a describing table too. One thread.
//
//   Configuration configuration;
//   configuration.Read(table, getenv);      // faults go to the table

#include <memory>
#include <string>
#include <vector>

#include "common/config/table_reader.h"
#include "exporters/postgres/conninfo.h"
#include "exporters/postgres/discovery.h"
#include "exporters/postgres/query_member.h"

namespace sidecar::postgres {

struct Configuration {
  ConnectOptions connect;
  DatabaseFilter databases;
  std::vector<QueryMember> queries;  // that are switched on, built-in ones first
  std::string server_key;            // equal: the same server, reached the same way

  void Read(TableReader& postgres, const Getenv& getenv);

 private:
  struct Own {  // a user's query
    std::shared_ptr<const OwnedQueryDef> storage;
    Schedule schedule;
    Millis login_interval;
    std::string fingerprint;
    bool enabled;
  };
  void ReadQueries(TableReader& postgres);
  static std::vector<Own> ReadOwn(TableReader& postgres);
  void ReadBuiltin(TableReader& all, const QueryDef& def, bool disable_defaults,
                   std::vector<Own>& own);
};

// Flags of postgres_exporter 0.20 that do not exist here (yet).
std::span<const std::string_view> PeerFlags();

}  // namespace sidecar::postgres
