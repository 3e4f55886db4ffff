#pragma once
// When a login that failed may be tried again: at once in the next scrape, then after a pause that
// doubles. Within one scrape the first failure answers for all. One thread.
//
//   if (auto refused = backoff.Refuses(scrape.id(), now)) return Fail(*refused);
//   backoff.Failed(scrape.id(), now, error);

#include <algorithm>
#include <optional>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sidecar::postgres {

class Backoff {
 public:
  static constexpr Millis kFirst{250}, kLongest{8'000};

  std::optional<Error> Refuses(std::uint64_t scrape, Mono now) const {
    if (last_ && (scrape == scrape_ || now < retry_at_)) return last_;
    return std::nullopt;
  }
  // Nothing was tried, for another's login is waited for: the next scrape may at once.
  void Held(std::uint64_t scrape, Error error) {
    scrape_ = scrape;
    last_ = std::move(error);
    held_ = true;
  }
  // By a login that was waited for once already.
  bool held() const { return held_; }
  void Failed(std::uint64_t scrape, Mono now, Error error) {
    scrape_ = scrape;
    last_ = std::move(error);
    ++failures_;
    held_ = false;
    const int doublings = std::clamp(failures_ - 2, 0, 10);
    retry_at_ = failures_ == 1 ? now : now + std::min(kFirst * (1 << doublings), kLongest);
  }
  void Succeeded() {
    failures_ = 0;
    retry_at_ = {};
    held_ = false;
    last_.reset();
  }

 private:
  int failures_ = 0;
  bool held_ = false;
  std::uint64_t scrape_ = 0;
  Mono retry_at_{};
  std::optional<Error> last_{};
};

}  // namespace sidecar::postgres
