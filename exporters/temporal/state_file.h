#pragma once
// The streams' state on disk: one file, a section for each namespace, replaced as a whole (written
// beside it, fsync, rename), with a version and a checksum. What it cannot be is never used: a file
// that is cut, of another kind, of another frontend or of a newer version is set aside as
// PATH.unusable, with a log line, and everything starts anew.
//
// It must never be older than what was scraped: a counter that is restored lower than Prometheus
// has seen it counts as a reset, and its whole value is added again. So a commit comes before the
// values are shown, and when it fails the file is removed. A lock on PATH.lock keeps a second
// process away until the first has ended.
//
// Thread-safe: commits that wait for one another are written together.
//
//   if (auto ready = file.Open(); !ready) return ready;   // another process has it
//   Restore(file.Section("default"));
//   file.Commit("default", std::move(bytes));

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar {
class Log;
}

namespace sidecar::temporal {

struct StateSection {
  std::int64_t saved_s = 0;  // Unix seconds
  std::string bytes;
};
using StateSections = std::map<std::string, std::shared_ptr<const StateSection>>;  // by namespace

constexpr std::size_t kMaxStateBytes = 256U << 20U;

std::string EncodeState(std::string_view frontend, const StateSections& sections);
// kParse: not such a file, or damaged; kUnsupported: of a newer version; kConfig: of another
// frontend.
Result<StateSections> DecodeState(std::string_view bytes, std::string_view frontend);

class StateFile {
 public:
  // `frontend`: which one the counters are of, e.g. its address.
  StateFile(std::string path, std::string frontend, const Clock& clock, Log& log);

  // Locks and reads, once. kUnavailable while another process has it; call again then. What cannot
  // be read or written is no failure: it was logged, and there are no sections.
  Result<> Open();
  // As it was read; none if there was none. Of a namespace of which nothing was heard for a week,
  // none.
  std::string Section(const std::string& name_space) const;
  std::vector<std::string> names() const;  // of the namespaces that have one
  // Returns when it is on disk. Only what is open is written.
  Result<> Commit(const std::string& name_space, std::string bytes);

  struct Stats {
    std::uint64_t writes = 0, failures = 0;
    std::size_t bytes = 0;  // of the file; 0: there is none
  };
  Stats stats() const;
  const std::string& path() const { return path_; }

 private:
  Result<> Lock();
  void Read();
  Result<> Write(const StateSections& sections);
  Result<> Replace(std::string_view bytes);
  bool Remove();
  std::string Encode(StateSections sections) const;

  const std::string path_, frontend_;
  const Clock& clock_;
  Log& log_;
  mutable std::mutex mutex_;
  std::condition_variable written_;
  UniqueFd lock_;
  bool open_ = false, writing_ = false;
  StateSections sections_;
  std::uint64_t wanted_ = 0, done_ = 0;  // commits
  Result<> last_{};
  Stats stats_;
};

}  // namespace sidecar::temporal
