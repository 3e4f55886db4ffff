#include "tests/support/fake_clock.h"

#include <algorithm>
#include <vector>

namespace sidecar {
namespace {

constexpr Millis kPatience{30'000};

}  // namespace

FakeClock::FakeClock(Mono mono, Wall wall) : mono_(mono), wall_(wall) {}

Mono FakeClock::mono() const {
  const std::scoped_lock lock(mutex_);
  return mono_;
}

Wall FakeClock::wall() const {
  const std::scoped_lock lock(mutex_);
  return wall_;
}

bool FakeClock::SleepUntil(Mono at, std::stop_token stop) const {
  std::mutex mutex;
  std::condition_variable changed;
  const std::stop_callback wake(stop, [&] {
    const std::scoped_lock lock(mutex);
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  while (!stop.stop_requested() && WaitUntil(lock, changed, at)) {
  }
  lock.unlock();  // the callback's destructor may wait for a callback that wants the mutex
  return !stop.stop_requested();
}

bool FakeClock::WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                          Mono at) const {
  std::list<Waiter>::iterator self;
  {
    const std::scoped_lock own(mutex_);
    if (at <= mono_) return false;
    self = waiters_.insert(waiters_.end(), {lock.mutex(), &changed, at});
    registered_.notify_all();
  }
  changed.wait(lock);
  std::unique_lock own(mutex_);
  const bool pinned = self->pins > 0;
  if (pinned) {
    lock.unlock();  // Advance wants it
    unpinned_.wait(own, [&] { return self->pins == 0; });
  }
  const bool before = mono_ < at;
  waiters_.erase(self);
  own.unlock();
  if (pinned) lock.lock();
  return before;
}

void FakeClock::Advance(Millis by) {
  std::vector<Waiter*> due;
  {
    const std::scoped_lock lock(mutex_);
    mono_ += by;
    wall_ += by;
    for (Waiter& waiter : waiters_) {
      if (waiter.at > mono_) continue;
      ++waiter.pins;
      due.push_back(&waiter);
    }
  }
  for (const Waiter* waiter : due) {
    // The waiter holds its mutex from before it registers until it waits: with the mutex in hand no
    // notification is lost.
    const std::scoped_lock lock(*waiter->mutex);
    waiter->changed->notify_all();
  }
  const std::scoped_lock lock(mutex_);
  for (Waiter* waiter : due) --waiter->pins;
  unpinned_.notify_all();
}

void FakeClock::StepWall(Millis by) {
  const std::scoped_lock lock(mutex_);
  wall_ += by;
}

template <class Counts>
bool FakeClock::Await(std::size_t threads, Millis real, Counts counts) const {
  std::unique_lock lock(mutex_);
  return registered_.wait_for(lock, real, [&] {
    return static_cast<std::size_t>(std::count_if(waiters_.begin(), waiters_.end(), counts)) >=
           threads;
  });
}

bool FakeClock::AwaitBlocked(std::size_t threads) const {
  return AwaitBlockedFor(threads, kPatience);
}

bool FakeClock::AwaitBlockedFor(std::size_t threads, Millis real) const {
  return Await(threads, real, [this](const Waiter& waiter) {
    return waiter.at > mono_ && waiter.at != Mono::max();
  });
}

bool FakeClock::AwaitBlockedUntil(Mono at, std::size_t threads) const {
  return Await(threads, kPatience,
               [this, at](const Waiter& waiter) { return waiter.at > mono_ && waiter.at == at; });
}

}  // namespace sidecar
