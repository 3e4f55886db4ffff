#pragma once
// The host exporter: node_exporter's collectors by name, type and flag (host.md).
//
//   App("host-exporter").Add(host::MakeHost()).Run(argc, argv);

#include <memory>

#include "common/app/app.h"

namespace sidecar::host {

std::unique_ptr<Exporter> MakeHost();

}  // namespace sidecar::host
