// /proc/stat, /proc/cpuinfo and lists of CPUs: bytes of any kind end in values or in an error whose
// message is short and printable.

#include <cstdint>
#include <cstdlib>

#include "exporters/host/proc.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckError(Whole("/proc/stat", text));
  CheckError(ParseKernelStat(text));
  std::string_view rest = text;
  while (const auto line = NextLine(rest)) CheckError(ParseCpuTicks(*line));
  rest = text;
  while (NextCpuInfo(rest)) {
  }
  const auto cpus = ParseCpuList(text);
  CheckError(cpus);
  if (cpus && cpus->size() > 65'536) std::abort();
  return 0;
}
