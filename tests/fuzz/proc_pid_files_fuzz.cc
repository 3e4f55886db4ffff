// The other files of /proc/PID, and those of the system that are read with them: bytes of any kind
// end in values or in an error whose message is short and printable.

#include <cstdint>
#include <cstdlib>

#include "exporters/host/process_files.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckError(ParseProcessStatus(text));
  CheckError(ParseProcessIo(text));
  CheckError(ParseOpenFilesLimit(text));
  CheckError(ParseSmapsRollup(text));
  CheckError(ParseSchedstat(text));
  CheckError(ParseUptimeTicks(text));
  (void)ParseBootTime(text);
  std::size_t bytes = 0;
  for (const std::string_view argument : SplitCmdline(text)) bytes += argument.size();
  for (const std::string_view path : ParseCgroupPaths(text)) {
    if (path.find('\n') != std::string_view::npos) std::abort();
  }
  const auto user = FindUser(text, 0);
  if (bytes > size || (user && user->empty())) std::abort();
  return 0;
}
