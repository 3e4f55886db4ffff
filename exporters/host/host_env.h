#pragma once
// What the host exporter lends its collectors: roots, and reads that one scrape shares. Shared by
// the collectors of a generation. Thread-safe.
//
//   const auto text = env->Stat(scrape);       // /proc/stat, one read for cpu and stat
//   KeptFile file(env->Proc("loadavg"));

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/runtime.h"
#include "common/collect/collector.h"
#include "common/collect/keep.h"

namespace sidecar::host {

struct Roots {
  std::string procfs = "/proc", sysfs = "/sys", rootfs = "/", udev_data = "/run/udev/data";
  void Read(TableReader& host);  // --path.procfs and so on
};

class HostEnv {
 public:
  // `keep` (none in tests) lives as long as the exporter.
  HostEnv(Roots roots, Runtime runtime, Keep* keep = nullptr);

  const Roots& roots() const { return roots_; }
  const Runtime& runtime() const { return runtime_; }
  std::string Proc(std::string_view path) const;  // "stat": "/proc/stat"
  std::string Sys(std::string_view path) const;

  // State that outlives a reload, such as counters of processes that have ended. Only while the
  // plan is built.
  template <class T, class Make>
  std::shared_ptr<T> Kept(const std::string& key, Make make) const {
    return keep_ == nullptr ? make() : keep_->Get<T>(key, make);
  }

  // /proc/stat, read once a scrape. Shared, so that a run left behind keeps its own.
  Result<std::shared_ptr<const std::string>> Stat(const Scrape& scrape);

 private:
  Roots roots_;
  Runtime runtime_;
  Keep* keep_;
  std::mutex mutex_;  // guards what follows
  KeptFile stat_file_;
  std::shared_ptr<const std::string> stat_;
  std::uint64_t stat_scrape_ = 0;
};

// The numbers N of the entries PREFIX + N in a folder, ascending: cpu0, cpu1, ... of
// /sys/devices/system/cpu. None when the folder cannot be read.
std::vector<std::uint32_t> NumberedEntries(const std::string& folder, std::string_view prefix);

// The exporter's collectors, in the order of its CMakeLists.txt (generated).
std::span<const CollectorSpec<HostEnv>* const> Collectors();

}  // namespace sidecar::host
