// /proc/PID/stat: bytes of any kind end in a process or in an error whose message is short and
// printable. What is between the first and the last parenthesis is the name, whatever it holds.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "exporters/host/process_files.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto stat = ParseProcessStat(text);
  CheckError(stat);
  if (stat && text.substr(text.find('(') + 1, stat->comm.size()) != stat->comm) std::abort();
  const std::string line =
      "1 (" + std::string(text) + ") S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n";
  const auto named = ParseProcessStat(line);
  if (!named || named->comm != text || named->start_ticks != 20) std::abort();
  return 0;
}
