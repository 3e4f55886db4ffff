#include "exporters/host/cgroup_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sidecar::host {
namespace {

constexpr std::size_t kFirstBytes = 8U << 10U;
constexpr std::size_t kMaxBytes = 4U << 20U;  // cgroup.procs of 500,000 processes

Access AccessOf(int error) {
  if (error == ENOENT || error == ENODEV || error == ENOTDIR || error == ESRCH ||
      error == EOPNOTSUPP) {  // the last: pressure where the kernel does not keep it
    return Access::kGone;
  }
  if (error == EACCES || error == EPERM) return Access::kDenied;
  return Access::kFailed;
}

template <class Call>
int Again(Call call) {
  int result = -1;
  do {
    result = static_cast<int>(call());
  } while (result < 0 && errno == EINTR);
  return result;
}

// Inside the root even where a container made /sys a link to somewhere else.
int OpenBelow(int root, const std::string& path) {
  struct open_how how {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const int fd =
      Again([&] { return ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how)); });
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  // Before 5.6, or where an older seccomp profile forbids what it does not know.
  std::size_t begin = path.find_first_not_of('/');
  if (begin == std::string::npos) begin = path.size();
  const std::string relative = "./" + path.substr(begin);
  return Again([&] {
    return ::openat(root, relative.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  });
}

bool IsGenuine(int fd) {
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0) return false;
  return system.f_type == CGROUP2_SUPER_MAGIC || system.f_type == CGROUP_SUPER_MAGIC;
}

}  // namespace

CgroupDirectory::Opened CgroupDirectory::Open(const std::string& root, const std::string& path,
                                              bool genuine) {
  const UniqueFd base(
      Again([&] { return ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
  if (!base) return {AccessOf(errno)};
  UniqueFd fd(OpenBelow(base.get(), path));
  if (!fd) return {AccessOf(errno)};
  if (genuine && !IsGenuine(fd.get())) return {Access::kGone};
  Opened opened{Access::kRead};
  opened.directory.fd_ = std::move(fd);
  return opened;
}

ProcessRead<std::string_view> CgroupDirectory::Read(std::string_view file,
                                                    std::string& buffer) const {
  std::array<char, 64> name{};
  if (file.size() >= name.size()) return {Access::kGone};
  file.copy(name.data(), file.size());
  const UniqueFd opened(
      Again([&] { return ::openat(fd_.get(), name.data(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  if (!opened) return {AccessOf(errno)};
  if (buffer.size() < kFirstBytes) buffer.resize(kFirstBytes);
  std::size_t size = 0;
  while (true) {  // cgroup.procs comes a page at a time: until nothing comes
    const ssize_t got = ::read(opened.get(), buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {AccessOf(errno)};
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > kMaxBytes) return {Access::kFailed};
    if (size == buffer.size()) buffer.resize(buffer.size() * 2);
  }
  return {Access::kRead, std::string_view(buffer.data(), size)};
}

bool CgroupDirectory::Has(const char* file) const {
  return ::faccessat(fd_.get(), file, F_OK, 0) == 0;
}

}  // namespace sidecar::host
