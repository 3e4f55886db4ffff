// expect: error: .* is not a constant expression
#include "common/metrics/family.h"

namespace sidecar {

constexpr auto kBad = Gauge("node-load1", "1m load average.");

}  // namespace sidecar
