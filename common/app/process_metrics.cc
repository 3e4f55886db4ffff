#include "common/app/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <memory>
#include <optional>

#include "common/base/parse.h"

namespace sidecar {
namespace {

constexpr auto kCpu =
    Counter("process_cpu_seconds_total", "CPU time this process used, user and system.");
constexpr auto kOpenFds = Gauge("process_open_fds", "Open file descriptors.");
constexpr auto kMaxFds = Gauge("process_max_fds", "Most file descriptors that may be open.");
constexpr auto kVirtual = Gauge("process_virtual_memory_bytes", "Virtual memory.");
constexpr auto kVirtualMax =
    Gauge("process_virtual_memory_max_bytes", "Most virtual memory that may be had; -1: no limit.");
constexpr auto kResident = Gauge("process_resident_memory_bytes", "Resident memory.");
constexpr auto kStart =
    Gauge("process_start_time_seconds", "When the process started, in Unix time.");
constexpr auto kThreads = Gauge("process_threads", "Threads of the process.");

// Fields of /proc/PID/stat after the command's closing parenthesis, proc(5), counted from 0.
constexpr std::size_t kUserTicks = 11, kSystemTicks = 12, kNumThreads = 17, kStartTicks = 19,
                      kVirtualBytes = 20, kResidentPages = 21, kFields = 22;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Since Linux 6.2 the size of the folder is the count; before that it is 0.
std::optional<double> CountEntries(const std::string& path) {
  struct stat folder {};
  if (::stat(path.c_str(), &folder) == 0 && folder.st_size > 0) {
    return static_cast<double>(folder.st_size);
  }
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) return std::nullopt;
  int entries = 0;
  while (::readdir(directory.get()) != nullptr) ++entries;
  return entries - 3;  // ".", ".." and the descriptor of this very walk
}

double LimitOf(int resource, double unlimited) {
  rlimit limit{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &limit);
  return limit.rlim_cur == RLIM_INFINITY ? unlimited : static_cast<double>(limit.rlim_cur);
}

double BootTime(const std::string& procfs) {
  const auto text = ReadFile(procfs + "/stat");
  if (!text) return 0;
  std::string_view rest = *text;
  while (auto line = NextLine(rest)) {
    if (NextField(*line) != "btime") continue;
    return ParseNumber<double>(NextField(*line)).value_or(0);
  }
  return 0;
}

}  // namespace

ProcessMetrics::ProcessMetrics(const std::string& procfs)
    : stat_(procfs + "/self/stat"),
      fd_directory_(procfs + "/self/fd"),
      boot_time_(BootTime(procfs)),
      max_fds_(LimitOf(RLIMIT_NOFILE, std::numeric_limits<double>::infinity())),
      max_virtual_(LimitOf(RLIMIT_AS, -1)) {}

void ProcessMetrics::Collect(Sink& sink) {
  const std::scoped_lock lock(mutex_);
  if (const auto text = stat_.Read()) CollectStat(*text, sink);
  if (const auto open = CountEntries(fd_directory_)) sink.Add(kOpenFds, *open);
  sink.Add(kMaxFds, max_fds_);
  sink.Add(kVirtualMax, max_virtual_);
}

void ProcessMetrics::CollectStat(std::string_view text, Sink& sink) const {
  const std::size_t command_end = text.rfind(')');  // the command may hold blanks and parentheses
  if (command_end == std::string_view::npos) return;
  std::string_view rest = text.substr(command_end + 1);
  std::array<double, kFields> fields{};
  NextField(rest);  // the state, a letter
  for (std::size_t i = 1; i < kFields; ++i) {
    const auto number = ParseNumber<double>(NextField(rest));
    if (!number) return;
    fields.at(i) = *number;
  }
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  sink.Add(kCpu, (fields[kUserTicks] + fields[kSystemTicks]) / ticks);
  sink.Add(kThreads, fields[kNumThreads]);
  sink.Add(kVirtual, fields[kVirtualBytes]);
  sink.Add(kResident, fields[kResidentPages] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  if (boot_time_ > 0) sink.Add(kStart, boot_time_ + fields[kStartTicks] / ticks);
}

}  // namespace sidecar
