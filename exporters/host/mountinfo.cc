#include "exporters/host/mountinfo.h"

#include <algorithm>
#include <optional>

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kShownLine = 256;  // of a line in an error

constexpr std::string_view kRemote[] = {
    "9p",    "acfs", "afs",    "beegfs", "ceph",     "cifs",   "coda",   "davfs",    "glusterfs",
    "gfs2",  "gpfs", "lustre", "ncpfs",  "nfs",      "nfs4",   "ocfs2",  "orangefs", "panfs",
    "pvfs2", "smb3", "smbfs",  "vboxsf", "virtiofs", "vmhgfs", "wekafs", "prl_fs"};

constexpr std::string_view kPrompt[] = {"ext2",  "ext3", "ext4",     "xfs",
                                        "tmpfs", "vfat", "devtmpfs", "ramfs"};

auto Bad(std::string_view why, std::string_view line) {
  return Fail(Errc::kParse,
              std::string(why) + " in '" + std::string(line.substr(0, kShownLine)) + "'");
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

bool HasOption(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const std::size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) break;
    options.remove_prefix(comma + 1);
  }
  return false;
}

// Past the optional tags: what follows the field "-".
std::optional<std::string_view> AfterSeparator(std::string_view rest) {
  while (true) {
    const std::string_view field = NextField(rest);
    if (field.empty()) return std::nullopt;
    if (field == "-") return rest;
  }
}

}  // namespace

std::string Unescaped(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' && IsOctal(text[i + 1]) &&
        IsOctal(text[i + 2]) && IsOctal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

Result<Mount> ParseMount(std::string_view line) {
  std::string_view rest = line;
  const auto id = ParseNumber<std::uint64_t>(NextField(rest));
  NextField(rest);  // the parent
  const std::string_view device = NextField(rest);
  NextField(rest);  // the part of the file system that is mounted
  const std::string_view mountpoint = NextField(rest), options = NextField(rest);
  const std::size_t colon = device.find(':');
  if (!id || colon == std::string_view::npos || mountpoint.empty()) return Bad("no mount", line);
  const auto after = AfterSeparator(rest);
  if (!after) return Bad("no ' - '", line);
  rest = *after;
  const std::string_view type = NextField(rest);
  // From both ends: the source in the middle is whatever the file system calls it.
  const std::size_t blank = rest.rfind(' ');
  if (type.empty() || blank == std::string_view::npos || blank == 0) {
    return Bad("fewer fields than a mount has", line);
  }
  const std::string_view source = rest.substr(1, blank - 1), super = rest.substr(blank + 1);
  return Mount{.id = *id,
               .major = std::string(device.substr(0, colon)),
               .minor = std::string(device.substr(colon + 1)),
               .mountpoint = Unescaped(mountpoint),
               .fs_type = Unescaped(type),
               .source = Unescaped(source),
               .read_only = HasOption(options, "ro") || HasOption(super, "ro") ||
                            HasOption(super, "emergency_ro")};
}

std::string_view StripRoot(std::string_view path, std::string_view root) {
  while (root.ends_with('/')) root.remove_suffix(1);
  if (root.empty() || !path.starts_with(root)) return path;
  const std::string_view rest = path.substr(root.size());
  if (rest.empty()) return "/";
  return rest.front() == '/' ? rest : path;
}

bool IsRemote(std::string_view fs_type) {
  return fs_type.starts_with("fuse") || std::ranges::find(kRemote, fs_type) != std::end(kRemote);
}

bool IsPrompt(std::string_view fs_type) {
  return std::ranges::find(kPrompt, fs_type) != std::end(kPrompt);
}

}  // namespace sidecar::host
