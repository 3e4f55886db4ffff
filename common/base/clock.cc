#include "common/base/clock.h"

namespace sidecar {
namespace {

class SystemClock final : public Clock {
 public:
  Mono mono() const override { return std::chrono::steady_clock::now(); }
  Wall wall() const override { return std::chrono::system_clock::now(); }

  bool SleepUntil(Mono at, std::stop_token stop) const override {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    const auto asked = [&stop] { return stop.stop_requested(); };
    // The kernel's timers do not reach Mono::max(), and libstdc++ does not clamp.
    if (at == Mono::max()) return !stopped.wait(lock, stop, asked);
    return !stopped.wait_until(lock, stop, at, asked);
  }

  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 Mono at) const override {
    if (at == Mono::max()) {
      changed.wait(lock);
      return true;
    }
    return changed.wait_until(lock, at) == std::cv_status::no_timeout;
  }
};

}  // namespace

std::unique_ptr<Clock> MakeSystemClock() { return std::make_unique<SystemClock>(); }

}  // namespace sidecar
