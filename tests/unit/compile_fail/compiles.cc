// What the failing cases start from: it compiles.
#include "common/metrics/sink.h"

namespace sidecar {

constexpr auto kCpu = Counter("node_cpu_seconds_total", "CPU time.", "cpu", "mode");
constexpr auto kTime = Histogram("run_time_seconds", "Time of a run.");

Result<> Collect(Sink& sink, const HistogramValue& value) {
  sink.Add(kCpu, 1, "0", "idle");
  sink.Add(kTime, value);
  const auto handle = sink.Declare({"declared", "", "", Kind::kGauge, {}});
  if (!handle) return Fail(handle.error());
  sink.Put(*handle, 1, {});
  return {};
}

}  // namespace sidecar
