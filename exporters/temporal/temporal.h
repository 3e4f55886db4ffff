#pragma once
// The Temporal exporter. So far it serves its own metrics: no temporal_up before it is true.
//
//   App("temporal-exporter").Add(temporal::MakeTemporal()).Run(argc, argv);

#include <memory>

#include "common/app/app.h"

namespace sidecar::temporal {

std::unique_ptr<Exporter> MakeTemporal();

}  // namespace sidecar::temporal
