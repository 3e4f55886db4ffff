// /proc/vmstat: whatever is a key becomes a valid metric name, whatever is a value is finite.

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "common/metrics/family.h"
#include "exporters/host/key_families.h"
#include "exporters/host/proc.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (const auto line = NextLine(rest)) {
    const auto entry = ParseVmstat(*line);
    CheckError(entry);
    if (!entry) continue;
    if (!ValidName("node_vmstat_" + MetricWord(entry->key))) std::abort();
    if (!std::isfinite(entry->value)) std::abort();
  }
  return 0;
}
