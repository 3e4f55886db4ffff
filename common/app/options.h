#pragma once
// What [log], [web] and [sidecar] say: the same in every binary. Plain data.
//
//   AppOptions options;
//   options.Read(root, one_exporter);

#include <string>
#include <vector>

#include "common/http/server.h"
#include "common/log/log.h"

namespace sidecar {

struct AppOptions {
  LogOptions log;
  ServerOptions limits;
  std::string telemetry_path = "/metrics";
  std::int64_t max_requests = 40;
  bool disable_exporter_metrics = false;
  bool enable_lifecycle = false;  // POST /-/reload
  bool watch = true;              // reload when the files change
  Millis drain_timeout{20'000};
  std::vector<std::string> shared_listen;  // [sidecar] listen: one address for all exporters

  // `several`: the binary holds more than one exporter, so [sidecar] means something.
  void Read(TableReader& root, bool several);
};

}  // namespace sidecar
