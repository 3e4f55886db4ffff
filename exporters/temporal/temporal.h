#pragma once
// The Temporal exporter: what the frontend's gRPC API tells, and nothing else.
//
//   App("temporal-exporter").Add(temporal::MakeTemporal()).Run(argc, argv);

#include <memory>

#include "common/app/app.h"

namespace sidecar::temporal {

std::unique_ptr<Exporter> MakeTemporal();

}  // namespace sidecar::temporal
