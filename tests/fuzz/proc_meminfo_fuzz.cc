// /proc/meminfo: whatever is a key becomes a valid metric name.

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
  KeyFamilies families;
  std::size_t number = 0;
  while (const auto line = NextLine(rest)) {
    const auto entry = ParseMeminfo(*line);
    CheckError(entry);
    if (!entry) continue;
    const KeyFamily& family = families.At(number++, entry->key, [](KeyFamily& fresh) {
      fresh.name = "node_memory_" + MetricWord(fresh.key);
    });
    if (family.key != entry->key || !ValidName(family.name)) std::abort();
  }
  return 0;
}
