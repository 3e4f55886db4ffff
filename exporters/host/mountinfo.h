#pragma once
// Lines of /proc/PID/mountinfo (proc(5)). Pure functions; a Mount owns its texts.
//
//   auto mount = ParseMount(line);
//   std::string shown = StripRoot(mount->mountpoint, "/host");   // "/host/data": "/data"

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::host {

struct Mount {
  std::uint64_t id = 0;
  std::string major, minor;
  std::string mountpoint;  // as the kernel has it: any bytes but NUL
  std::string fs_type, source;
  bool read_only = false;  // the mount, its file system, or ext4 after an error (since 6.15)

  bool operator==(const Mount&) const = default;
};

// kParse, naming the line. The kernel writes blanks, tabs, newlines and backslashes as \ooo; a
// source may hold blanks all the same, and may be empty. Tags before " - " are left out.
Result<Mount> ParseMount(std::string_view line);

// A field of mountinfo as it was before the kernel escaped it.
std::string Unescaped(std::string_view field);

// `path` without the prefix `root`, by whole components: "/host" leaves "/hostile" alone and turns
// "/host" into "/".
std::string_view StripRoot(std::string_view path, std::string_view root);

// Whether the file system waits for something outside this kernel: a server or a process.
bool IsRemote(std::string_view fs_type);

// Whether statfs on it reads memory alone, so that it may be asked without a thread of its own.
bool IsPrompt(std::string_view fs_type);

}  // namespace sidecar::host
