#pragma once
// process_*: what this process uses, under the names of every Prometheus client library; from
// /proc/self/stat, /proc/self/fd and getrlimit(2). Thread-safe. What cannot be read is absent.
//
//   ProcessMetrics process;
//   process.Collect(sink);

#include <mutex>

#include "common/base/file.h"
#include "common/metrics/sink.h"

namespace sidecar {

class ProcessMetrics {
 public:
  explicit ProcessMetrics(const std::string& procfs = "/proc");
  void Collect(Sink& sink);

 private:
  void CollectStat(std::string_view text, Sink& sink) const;

  std::mutex mutex_;  // guards the files
  KeptFile stat_;
  std::string fd_directory_;
  double boot_time_ = 0;  // Unix seconds; 0: unknown
  double max_fds_, max_virtual_;
};

}  // namespace sidecar
