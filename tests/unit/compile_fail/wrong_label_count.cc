// expect: error: no matching (member )?function for call to .*Add
#include "common/metrics/sink.h"

namespace sidecar {

constexpr auto kCpu = Counter("node_cpu_seconds_total", "CPU time.", "cpu", "mode");

void Collect(Sink& sink) { sink.Add(kCpu, 1, "0"); }

}  // namespace sidecar
