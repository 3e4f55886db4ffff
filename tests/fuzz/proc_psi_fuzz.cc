// The short files: /proc/pressure/*, loadavg and sys/fs/file-nr.

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "exporters/host/proc.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckError(ParsePressure(text));
  CheckError(ParseFileHandles(text));
  const auto loads = ParseLoadAverages(text);
  CheckError(loads);
  if (loads && !(std::isfinite(loads->one) && std::isfinite(loads->fifteen))) std::abort();
  return 0;
}
