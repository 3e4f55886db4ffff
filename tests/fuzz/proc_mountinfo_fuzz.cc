// Any bytes as mountinfo, line by line and as a table that changes: the second half of the input is
// the table after a change.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "exporters/host/mount_table.h"

namespace {

void Check(sidecar::host::MountTable& table) {
  for (const sidecar::host::MountEntry& entry : table.entries()) {
    if (!entry.probe || entry.mountpoint.empty()) std::abort();
    if (entry.proven && !entry.prompt) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  sidecar::host::MountTable table("/host", {}, {});
  table.Update(text.substr(0, size / 2));
  Check(table);
  for (auto& entry : table.entries()) entry.proven = entry.prompt;
  table.Update(text.substr(size / 2));
  Check(table);
  table.Update(text);
  Check(table);
  return 0;
}
