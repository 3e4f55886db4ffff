// expect: error: .* is not a constant expression
#include "common/metrics/family.h"

namespace sidecar {

constexpr auto kBad = Counter("run_time_seconds_total", "Time of a run.", "le");

}  // namespace sidecar
