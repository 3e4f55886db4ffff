// The files of control groups: bytes of any kind end in values or in an error whose message is
// short and printable.

#include <cstdint>
#include <cstdlib>

#include "common/base/parse.h"
#include "exporters/host/cgroup_files.h"
#include "exporters/host/cgroup_names.h"
#include "exporters/host/proc.h"
#include "tests/support/printable.h"

using namespace sidecar;
using namespace sidecar::host;

namespace {

void CheckKeyed(std::string_view text) {
  std::optional<std::uint64_t> usage, periods, anon, killed;
  const CgroupKey wanted[] = {
      {"usage_usec", &usage}, {"nr_periods", &periods}, {"anon", &anon}, {"oom_kill", &killed}};
  CheckError(ParseCgroupKeys(text, wanted));
}

void CheckIo(std::string_view text) {
  CheckError(ParseIoStat(text));
  std::vector<CgroupIo> devices;
  CheckError(ParseBlkio(text, BlkioUnit::kBytes, devices));
  CheckError(ParseBlkio(text, BlkioUnit::kOperations, devices));
  if (devices.size() > text.size()) std::abort();
}

// No path leads out of its mount.
void CheckPaths(std::string_view text) {
  CgroupMount all{.v2 = true, .options = {}, .root = "/", .mountpoint = "/sys/fs/cgroup"};
  auto entries = ParseCgroupEntries(text);
  CheckError(entries);
  if (entries) {
    for (const CgroupEntry& entry : *entries) {
      const auto path = PathIn(all, entry);
      if (path && (*path + "/").find("/../") != std::string::npos) std::abort();
    }
    const std::string id = CgroupId(*entries);
    if (id.empty() || ShortName(id).find('/') != std::string::npos) std::abort();
  }
  (void)KubernetesName(text);
  while (const auto line = NextLine(text)) {
    const auto mount = ParseCgroupMount(*line);
    if (!mount || !*mount) continue;
    (void)PathIn(**mount, {.v2 = true, .controllers = {}, .path = "/a/b"});
    (void)PathIn(**mount, {.v2 = false, .controllers = {"memory"}, .path = "/../a"});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckKeyed(text);
  CheckError(ParseCgroupValue(text));
  CheckError(ParseCpuMax(text));
  CheckError(CountProcesses(text));
  CheckError(ParsePressure(text));
  CheckIo(text);
  CheckPaths(text);
  return 0;
}
