#include "exporters/host/process_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "exporters/host/process_files.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kBufferBytes = 8U << 10U, kEntriesBytes = 64U << 10U;

Access AccessOf(int error) {
  if (error == ENOENT || error == ESRCH || error == ENOTDIR) return Access::kGone;
  if (error == EACCES || error == EPERM) return Access::kDenied;
  return Access::kFailed;
}

// "PID/FILE" or "PID/task/TID/FILE", without allocation.
class Path {
 public:
  Path& operator<<(std::string_view text) {
    const std::size_t size = std::min(text.size(), text_.size() - 1 - size_);
    text.copy(text_.data() + size_, size);
    size_ += size;
    return *this;
  }
  Path& operator<<(std::int32_t number) {
    std::array<char, 12> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
    return *this << std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
  }
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 96> text_{};
  std::size_t size_ = 0;
};

int OpenAt(int directory, const char* path, int flags) {
  int fd = -1;
  do {
    fd = ::openat(directory, path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// NStgid of self/status lists our pid in the procfs's namespace and in each below it: one number,
// and that ours, in the procfs of our own namespace only (since 4.1).
bool IsOwnStatus(std::string_view status) {
  constexpr std::string_view kKey = "NStgid:";
  while (auto line = NextLine(status)) {
    if (!line->starts_with(kKey)) continue;
    line->remove_prefix(kKey.size());
    const auto pid = ParseNumber<pid_t>(NextField(*line));
    return pid == ::getpid() && NextField(*line).empty();
  }
  return false;
}

}  // namespace

ProcessReader::ProcessReader(std::string procfs) : procfs_(std::move(procfs)) {}

Result<> ProcessReader::Open() {
  const int fd = OpenAt(AT_FDCWD, procfs_.c_str(), O_DIRECTORY);
  if (fd < 0) return Fail(ErrnoError("open", procfs_, errno));
  directory_.Reset(fd);
  buffer_.resize(kBufferBytes);
  entries_.resize(kEntriesBytes);
  FindFeatures();
  return {};
}

void ProcessReader::FindFeatures() {
  struct statfs system {};
  own_pids_ = sized_descriptors_ = false;
  if (::fstatfs(directory_.get(), &system) != 0 || system.f_type != PROC_SUPER_MAGIC) return;
  const auto status = ReadPath("self/status", kMaxBytes);
  own_pids_ = status.access == Access::kRead && IsOwnStatus(status.value);
  struct stat own {};
  sized_descriptors_ = ::fstatat(directory_.get(), "self/fd", &own, 0) == 0 && own.st_size > 0;
}

Access ProcessReader::ListNumbers(int directory, std::vector<std::int32_t>& numbers) {
  numbers.clear();
  while (true) {
    const ssize_t got = ::getdents64(directory, entries_.data(), entries_.size());
    if (got < 0) return AccessOf(errno);
    if (got == 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries_.data() + at);
      if (const auto number = ParseNumber<std::int32_t>(entry->d_name); number && *number >= 0) {
        numbers.push_back(*number);
      }
      at += entry->d_reclen;
    }
  }
  // A procfs lists them ascending, a folder of a test does not.
  if (!std::ranges::is_sorted(numbers)) std::ranges::sort(numbers);
  return Access::kRead;
}

Result<> ProcessReader::List(std::vector<std::int32_t>& pids) {
  if (directory_ && ::lseek(directory_.get(), 0, SEEK_SET) == 0 &&
      ListNumbers(directory_.get(), pids) == Access::kRead && !pids.empty()) {
    return {};
  }
  if (auto opened = Open(); !opened) return opened;
  if (ListNumbers(directory_.get(), pids) != Access::kRead) {
    return Fail(ErrnoError("getdents", procfs_, errno));
  }
  return {};
}

Access ProcessReader::ListThreads(std::int32_t pid, std::vector<std::int32_t>& tids) {
  tids.clear();
  const UniqueFd task(OpenAt(directory_.get(), (Path() << pid << "/task").c_str(), O_DIRECTORY));
  return task ? ListNumbers(task.get(), tids) : AccessOf(errno);
}

ProcessRead<std::string_view> ProcessReader::ReadPath(const char* path, std::size_t max_bytes) {
  const UniqueFd file(OpenAt(directory_.get(), path, 0));
  if (!file) return {AccessOf(errno)};
  std::size_t size = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), buffer_.data() + size, buffer_.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {AccessOf(errno)};
    size += static_cast<std::size_t>(got);
    if (size >= max_bytes) break;  // what is wanted stands before, or is refused by its parser
    // One read brings a whole file of this kind: a short one needs no other to say it is the end.
    if (size < buffer_.size()) break;
    buffer_.resize(buffer_.size() * 2);
  }
  const std::string_view text(buffer_.data(), std::min(size, max_bytes));
  return {Access::kRead, text};
}

ProcessRead<std::string_view> ProcessReader::Read(std::int32_t pid, std::string_view file,
                                                  std::size_t max_bytes) {
  return ReadPath((Path() << pid << "/" << file).c_str(), max_bytes);
}

ProcessRead<std::string_view> ProcessReader::ReadThread(std::int32_t pid, std::int32_t tid,
                                                        std::string_view file) {
  return ReadPath((Path() << pid << "/task/" << tid << "/" << file).c_str(), kMaxBytes);
}

ProcessRead<std::string_view> ProcessReader::ReadTop(std::string_view file) {
  return ReadPath((Path() << file).c_str(), kMaxBytes);
}

ProcessRead<std::uint64_t> ProcessReader::CountDescriptors(std::int32_t pid) {
  const Path path = Path() << pid << "/fd";
  if (sized_descriptors_) {
    struct stat directory {};
    if (::fstatat(directory_.get(), path.c_str(), &directory, 0) != 0) return {AccessOf(errno)};
    return {Access::kRead, static_cast<std::uint64_t>(directory.st_size)};
  }
  const UniqueFd directory(OpenAt(directory_.get(), path.c_str(), O_DIRECTORY));
  if (!directory) return {AccessOf(errno)};
  const Access listed = ListNumbers(directory.get(), descriptors_);
  return {listed, descriptors_.size()};
}

ProcessRead<std::uint64_t> ProcessReader::DescriptorLimit(std::int32_t pid) {
  rlimit limit{};
  if (own_pids_ && ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0) {
    return {Access::kRead, limit.rlim_cur == RLIM_INFINITY ? kUnlimited : limit.rlim_cur};
  }
  const auto text = Read(pid, "limits");  // anybody may read it, at 15 times the cost
  if (text.access != Access::kRead) return {text.access};
  const auto parsed = ParseOpenFilesLimit(text.value);
  if (!parsed) return {Access::kFailed};
  return {Access::kRead, *parsed};
}

std::optional<std::int64_t> ProcessReader::CpuNanoseconds(std::int32_t pid) const {
  if (!own_pids_) return std::nullopt;
  // clock_getcpuclockid(3) makes the same number, with a system call more.
  constexpr clockid_t kScheduled = 2;
  const clockid_t clock = static_cast<clockid_t>(~static_cast<unsigned>(pid) << 3U) | kScheduled;
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return std::nullopt;
  constexpr std::int64_t kPerSecond = 1'000'000'000;
  return time.tv_sec * kPerSecond + time.tv_nsec;
}

}  // namespace sidecar::host
