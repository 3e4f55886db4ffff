// Any bytes as a file of udev's database: no value holds a newline.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "exporters/host/udev.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto disk =
      sidecar::host::ParseUdev(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const std::string& value : {disk.serial, disk.model, disk.fs_uuid, disk.dm_name}) {
    if (value.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
