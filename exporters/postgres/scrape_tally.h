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

  // Every collector does it; the first one of a scrape ends the scrape before. Ids ascend: what an
  // older scrape still runs, because two peers overlap, begins no other.
  void Begin(std::uint64_t scrape, Mono now) {
    const std::scoped_lock lock(mutex_);
    if (last_.scrapes > 0 && scrape <= now_.id) return;
    if (last_.scrapes > 0) before_ = now_;
    ++last_.scrapes;
    now_ = {.id = scrape, .began = now, .ended = now};
  }
  void End(std::uint64_t scrape, Mono now, bool failed) {
    const std::scoped_lock lock(mutex_);
    for (One* one : {&now_, &before_}) {
      if (one->id != scrape) continue;
      one->ended = std::max(one->ended, now);
      one->failed = one->failed || failed;
    }
  }
  Last last() const {
    const std::scoped_lock lock(mutex_);
    Last last = last_;
    last.known = last_.scrapes > 1;
    last.failed = before_.failed;
    last.seconds = std::chrono::duration<double>(before_.ended - before_.began).count();
    return last;
  }

 private:
  struct One {
    std::uint64_t id = 0;
    bool failed = false;
    Mono began{}, ended{};
  };

  mutable std::mutex mutex_;
  One now_{}, before_{};
  Last last_{};
};

}  // namespace sidecar::postgres
