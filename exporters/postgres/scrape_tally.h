#pragma once
// What became of the last scrape as a whole, for pg_exporter_last_scrape_*. Thread-safe.
//
//   tally.Begin(scrape.id(), clock.mono());
//   tally.End(scrape.id(), clock.mono(), /*failed=*/!done);
//   ScrapeTally::Last last = tally.last();

#include <algorithm>
#include <mutex>

#include "common/base/clock.h"

namespace sidecar::postgres {

class ScrapeTally {
 public:
  struct Last {
    std::uint64_t scrapes = 0;  // begun
    bool known = false, failed = false;
    double seconds = 0;
  };

  // Every collector does it; the first one of a scrape ends the scrape before.
  void Begin(std::uint64_t scrape, Mono now) {
    const std::scoped_lock lock(mutex_);
    if (scrape == scrape_ && last_.scrapes > 0) return;
    if (last_.scrapes > 0) {
      last_.known = true;
      last_.failed = failed_;
      last_.seconds = std::chrono::duration<double>(ended_ - began_).count();
    }
    ++last_.scrapes;
    scrape_ = scrape;
    failed_ = false;
    began_ = ended_ = now;
  }
  void End(std::uint64_t scrape, Mono now, bool failed) {
    const std::scoped_lock lock(mutex_);
    if (scrape != scrape_) return;
    ended_ = std::max(ended_, now);
    failed_ = failed_ || failed;
  }
  Last last() const {
    const std::scoped_lock lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t scrape_ = 0;
  bool failed_ = false;
  Mono began_{}, ended_{};
  Last last_{};
};

}  // namespace sidecar::postgres
