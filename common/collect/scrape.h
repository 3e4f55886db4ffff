#pragma once
// The time one run may take, and the clock it is measured by.
//
//   poll(&fd, 1, scrape.LeftMs());                                   // libpq
//   context.set_deadline(scrape.WallDeadline());                      // gRPC
//   std::stop_callback cut(scrape.stop(), [&] { context.TryCancel(); });

#include <algorithm>

#include "common/base/clock.h"

namespace sidecar {

class Scrape {
 public:
  Scrape(const Clock& clock, Mono deadline, std::stop_token stop, std::uint64_t id,
         bool waits = false)
      : clock_(&clock), deadline_(deadline), stop_(std::move(stop)), id_(id), waits_(waits) {}

  const Clock& clock() const { return *clock_; }
  // Asked when the run's own deadline has passed (or its slice, where others of its lane are waited
  // for), the drain grace has ended, or a reload has taken the member away or changed it and no
  // scrape waits for the run. A stop_callback runs on the thread of a scrape that waits, so it must
  // not block: shut a socket, cancel a call, notify.
  const std::stop_token& stop() const { return stop_; }
  // Runs of one scrape have the same id: they may share one read of a file.
  std::uint64_t id() const { return id_; }
  // Who asked waits for what is made in the background too (--once): a collector that emits from a
  // task's state waits for its first result.
  bool waits() const { return waits_; }
  // The same run with less time.
  Scrape Within(Millis most) const {
    Scrape part = *this;
    part.deadline_ = std::min(deadline_, clock_->mono() + most);
    return part;
  }

  int LeftMs() const {
    const auto left = std::chrono::duration_cast<Millis>(deadline_ - clock_->mono()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }
  Wall WallDeadline() const { return clock_->wall() + Millis(LeftMs()); }

 private:
  const Clock* clock_;
  Mono deadline_;
  std::stop_token stop_;
  std::uint64_t id_;
  bool waits_;
};

}  // namespace sidecar
