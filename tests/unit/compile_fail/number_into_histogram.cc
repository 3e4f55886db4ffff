// expect: error: no matching (member )?function for call to .*Add
#include "common/metrics/sink.h"

namespace sidecar {

constexpr auto kTime = Histogram("run_time_seconds", "Time of a run.");

void Collect(Sink& sink) { sink.Add(kTime, 1.5); }

}  // namespace sidecar
