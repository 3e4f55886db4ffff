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
  Scrape(const Clock& clock, Mono deadline, std::stop_token stop, std::uint64_t id)
      : clock_(&clock), deadline_(deadline), stop_(std::move(stop)), id_(id) {}

  const Clock& clock() const { return *clock_; }
  // Asked when the run's own deadline has passed (or its slice, where others of its lane are waited
  // for) or the drain grace has ended, never by a reload. A stop_callback runs on the thread of a
  // scrape that waits, so it must not block: shut a socket, cancel a call, notify.
  const std::stop_token& stop() const { return stop_; }
  // Runs of one scrape have the same id: they may share one read of a file.
  std::uint64_t id() const { return id_; }

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
};

}  // namespace sidecar
