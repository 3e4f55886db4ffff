// A rule's name is the first line, its expression the second, the rest is a command line: a rule is
// refused or names the group with 1 to 256 bytes of UTF-8.

#include <cstdint>
#include <cstdlib>

#include "common/base/parse.h"
#include "common/metrics/utf8.h"
#include "exporters/host/process_files.h"
#include "exporters/host/process_rules.h"

using namespace sidecar;
using namespace sidecar::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto name = NextLine(rest).value_or(std::string_view{});
  const auto expression = NextLine(rest).value_or(std::string_view{});
  ProcessRules rules;
  if (!rules.Add({.name = std::string(name), .cmdline = {std::string(expression)}})) return 0;
  const auto group = rules.GroupOf({.pid = 1,
                                    .comm = rest.substr(0, 15),
                                    .arguments = SplitCmdline(rest),
                                    .cgroups = ParseCgroupPaths(rest),
                                    .username = rest,
                                    .start_hundredths = size * 1'000'000'000'000});
  if (group && (group->empty() || group->size() > 256 || !IsUtf8(*group))) std::abort();
  return 0;
}
