#pragma once
// The Postgres exporter: postgres_exporter's names, the collectors as data (collectors/*.toml and
// [[postgres.queries]]), on sessions that cannot hang. Used by one thread, as every Exporter is.
//
//   App("postgres-exporter").Add(postgres::MakePostgres()).Run(argc, argv);

#include <memory>

#include "common/app/app.h"

namespace sidecar::postgres {

std::unique_ptr<Exporter> MakePostgres();

}  // namespace sidecar::postgres
