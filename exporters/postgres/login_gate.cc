#include "exporters/postgres/login_gate.h"

#include <algorithm>
#include <string>

namespace sidecar::postgres {

void LoginGate::Pass::Release() {
  LoginGate* const gate = std::exchange(gate_, nullptr);
  if (gate == nullptr) return;
  const std::scoped_lock lock(gate->mutex_);
  --gate->passes_;
  if (gate->holder_ == number_) gate->holder_ = 0;
  gate->left_.notify_all();
}

Result<LoginGate::Pass> LoginGate::Enter(const Clock& clock, Mono until, Millis patience) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const Mono now = clock.mono();
    if (holder_ == 0 || now - since_ >= kLongestLogin) {
      holder_ = ++last_;
      since_ = now;
      return Pass(this, holder_, passes_++ == 0);
    }
    const Mono end = std::min(until, since_ + patience);
    if (now >= end) {
      return Fail(Errc::kUnavailable,
                  "another login has had no answer for " +
                      std::to_string(std::chrono::duration_cast<Millis>(now - since_).count()) +
                      " ms");
    }
    clock.WaitUntil(lock, left_, end);
  }
}

}  // namespace sidecar::postgres
