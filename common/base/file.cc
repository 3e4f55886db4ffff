#include "common/base/file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/parse.h"

namespace sidecar {
namespace {

constexpr std::size_t kFirstBuffer = 4096;
constexpr std::size_t kRecordRoom = 4096;  // a page: what one read of a record file returns

bool Absent(int error) {
  return error == ENOENT || error == ENOTDIR || error == ENODEV || error == ENXIO || error == ESRCH;
}

// The descriptor outlived what it was opened on: a device or process of the same name may be back.
bool Stale(int error) { return error == ENODEV || error == ESRCH || error == EBADF; }

ssize_t ReadAt(int fd, char* to, std::size_t size, std::size_t offset) {
  ssize_t got = 0;
  do {
    got = ::pread(fd, to, size, static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got;
}

// Bytes read into `buffer`, which grows up to one more than `max`; -1 with errno.
ssize_t ReadWhole(int fd, std::string& buffer, const FileOptions& options) {
  const std::size_t room = options.max_bytes + 1;  // one more tells "all" from "too much"
  if (buffer.empty()) buffer.resize(std::min(kFirstBuffer, room));
  std::size_t size = 0;
  while (true) {
    const std::size_t asked = buffer.size() - size;
    const ssize_t got = ReadAt(fd, buffer.data() + size, asked, size);
    if (got < 0) return got;
    size += static_cast<std::size_t>(got);
    const bool filled = static_cast<std::size_t>(got) == asked;
    if (got == 0 || (!options.records && !filled) || size >= room) break;
    if (options.records ? buffer.size() - size < kRecordRoom : filled) {
      buffer.resize(std::min(buffer.size() * 2, room));
      // Not made of records: once more from the start, so that all of it is of one moment.
      if (!options.records) size = 0;
    }
  }
  return static_cast<ssize_t>(size);
}

}  // namespace

Error ErrnoError(std::string_view call, std::string_view path, int error, bool optional,
                 std::source_location where) {
  Errc code = Errc::kUnavailable;
  if (error == EACCES || error == EPERM) code = Errc::kDenied;
  if (error == EOPNOTSUPP || (optional && Absent(error))) code = Errc::kNoData;
  const char* const text = ::strerrordesc_np(error);  // unlike strerror: no locale, no buffer
  std::string message(call);
  message.append(" ").append(path).append(": ");
  message += text == nullptr ? "errno " + std::to_string(error) : text;
  return {code, std::move(message), where};
}

KeptFile::KeptFile(std::string path, FileOptions options)
    : path_(std::move(path)), options_(options) {}

Result<> KeptFile::Open() {
  int fd = -1;
  do {
    // O_NONBLOCK: a FIFO in the place of a file must not stop the scrape.
    fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return Fail(ErrnoError("open", path_, errno, options_.optional));
  fd_.Reset(fd);
  return {};
}

Result<std::string_view> KeptFile::Read() {
  bool fresh = false;
  if (!fd_) {
    if (auto opened = Open(); !opened) return Fail(std::move(opened.error()));
    fresh = true;
  }
  ssize_t size = ReadWhole(fd_.get(), buffer_, options_);
  if (size < 0 && Stale(errno) && !fresh) {
    fd_.Reset();
    if (auto opened = Open(); !opened) return Fail(std::move(opened.error()));
    size = ReadWhole(fd_.get(), buffer_, options_);
  }
  if (size < 0) {
    const int error = errno;
    fd_.Reset();
    return Fail(ErrnoError("read", path_, error, options_.optional));
  }
  if (static_cast<std::size_t>(size) > options_.max_bytes) {
    return Fail(Errc::kLimit,
                path_ + ": more than " + std::to_string(options_.max_bytes) + " bytes");
  }
  return std::string_view(buffer_.data(), static_cast<std::size_t>(size));
}

Result<std::string> ReadFile(const std::string& path, FileOptions options) {
  KeptFile file(path, options);
  const auto text = file.Read();
  if (!text) return Fail(text.error());
  return std::string(*text);
}

}  // namespace sidecar
