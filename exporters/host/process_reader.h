#pragma once
// Reads of one procfs's processes, with as few system calls as there can be: relative to a kept
// directory, into one buffer. One thread; views live until the next read.
//
//   ProcessReader reader("/proc");
//   if (auto listed = reader.List(pids); listed) {
//     for (pid : pids) if (auto stat = reader.Read(pid, "stat"); stat.access == Access::kRead) ...

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar::host {

enum class Access : std::uint8_t { kRead, kGone, kDenied, kFailed };

template <class T>
struct ProcessRead {
  Access access = Access::kFailed;
  T value{};
};

class ProcessReader {
 public:
  explicit ProcessReader(std::string procfs);

  // The pids, ascending. kUnavailable, kDenied.
  Result<> List(std::vector<std::int32_t>& pids);
  Access ListThreads(std::int32_t pid, std::vector<std::int32_t>& tids);

  ProcessRead<std::string_view> Read(std::int32_t pid, std::string_view file,
                                     std::size_t max_bytes = kMaxBytes);
  ProcessRead<std::string_view> ReadThread(std::int32_t pid, std::int32_t tid,
                                           std::string_view file);
  ProcessRead<std::string_view> ReadTop(std::string_view file);  // "uptime"

  ProcessRead<std::uint64_t> CountDescriptors(std::int32_t pid);
  // The soft limit of open files; kUnlimited.
  ProcessRead<std::uint64_t> DescriptorLimit(std::int32_t pid);

  // The CPU time that all threads of the process, those that have ended included, have used until
  // now, in nanoseconds: equal at two moments if and only if none of it ran between them, so
  // nothing that only a running process can change has changed. One system call of 0.2 us against
  // 13 us of files. None where pids of this procfs are not ours (another pid namespace, a test's
  // folder).
  std::optional<std::int64_t> CpuNanoseconds(std::int32_t pid) const;

 private:
  static constexpr std::size_t kMaxBytes = 1U << 20U;  // status lists up to 65,536 groups

  Result<> Open();
  void FindFeatures();
  Access ListNumbers(int directory, std::vector<std::int32_t>& numbers);
  ProcessRead<std::string_view> ReadPath(const char* path, std::size_t max_bytes);

  std::string procfs_;
  UniqueFd directory_;
  bool own_pids_ = false;           // the procfs of our own pid namespace
  bool sized_descriptors_ = false;  // the size of PID/fd is how many there are: since 6.2
  std::string buffer_;
  std::vector<char> entries_;
  std::vector<std::int32_t> descriptors_;
};

}  // namespace sidecar::host
