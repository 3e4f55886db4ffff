#pragma once
// The Postgres exporter. So far it serves its own metrics: no pg_up before it is true.
//
//   App("postgres-exporter").Add(postgres::MakePostgres()).Run(argc, argv);

#include <memory>

#include "common/app/app.h"

namespace sidecar::postgres {

std::unique_ptr<Exporter> MakePostgres();

}  // namespace sidecar::postgres
