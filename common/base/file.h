#pragma once
// Reads of /proc, /sys and small files, each with a bound. A KeptFile keeps its descriptor and is
// read again with one pread at offset 0: a third of the cost of open, read, close (host.md 6.2).
// One thread at a time per KeptFile; the view lives until the next Read.
//
//   KeptFile stat("/proc/stat");
//   Result<std::string_view> text = stat.Read();

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar {

struct FileOptions {
  // kLimit past it. The buffer starts at 4 KiB and grows: the kernel allocates what a read of
  // /proc/sys asks for, so small reads are 100 times cheaper there (6.1).
  std::size_t max_bytes = 4U << 20U;
  // Made of records (seq_file with an iterator: diskstats, vmstat, mountinfo, net/*): a read ends
  // at about a page although more follows, so read on until nothing comes. Otherwise a short read
  // ends.
  bool records = false;
  // Absent is kNoData (nothing of the kind here) and no failure.
  bool optional = false;
};

class KeptFile {
 public:
  explicit KeptFile(std::string path, FileOptions options = {});
  // kUnavailable (absent, I/O error), kNoData (absent and optional, or EOPNOTSUPP), kDenied,
  // kLimit. A descriptor gone stale (ENODEV, ESRCH, EBADF) is opened anew once.
  Result<std::string_view> Read();
  const std::string& path() const { return path_; }

 private:
  Result<> Open();

  std::string path_;
  FileOptions options_;
  UniqueFd fd_;
  std::string buffer_;
};

// A file read once: open, read, close.
Result<std::string> ReadFile(const std::string& path, FileOptions options = {});

// The error of a failed system call on `path`, by errno: "open /proc/stat: Permission denied".
Error ErrnoError(std::string_view call, std::string_view path, int error, bool optional = false,
                 std::source_location where = std::source_location::current());

}  // namespace sidecar
