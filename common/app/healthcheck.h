#pragma once
// The subcommand `healthcheck`: asks the exporter that runs with the same flags and configuration
// whether its process is alive (GET /-/healthy). For a container's HEALTHCHECK, in an image without
// a shell or curl. Blocks; any thread. Like the page it asks for, it says nothing about what is
// watched.
//
//   if (auto alive = CheckHealth(":9100", Millis(3'000)); !alive) ...

#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sidecar {

// `listen` as an operator writes it; where it is every address, the loopback is asked. kConfig for
// no address, kUnavailable for no connection or another answer than 200, kTimeout past `timeout`;
// one line each.
Result<> CheckHealth(const std::string& listen, Millis timeout);

}  // namespace sidecar
