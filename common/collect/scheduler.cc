// The scheduler's threads, and what it says and counts.

#include "common/collect/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "common/collect/reason.h"
#include "common/log/log.h"

namespace sidecar {
namespace {

constexpr std::size_t kThreadName = 15;  // the kernel's limit

}  // namespace

Scheduler::Scheduler(const Identity& identity, const Runtime& runtime)
    : runtime_(runtime), self_(identity, runtime.self) {}

Scheduler::~Scheduler() = default;

bool Scheduler::Launch(std::string name, std::function<void(Thread&)> work) {
  name.resize(std::min(name.size(), kThreadName));
  std::erase_if(threads_, [](Thread& thread) {
    if (thread.finished) thread.handle.join();  // at once: it does not take the mutex any more
    return thread.finished;
  });
  Thread& thread = threads_.emplace_back();
  try {
    thread.handle = std::thread([self = shared_from_this(), &thread, name = std::move(name),
                                 work = std::move(work)]() mutable {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      work(thread);
      work = nullptr;
      const std::scoped_lock lock(self->mutex_);
      thread.finished = true;
      self->ended_.notify_all();
    });
  } catch (const std::exception&) {  // no thread, or no memory for one
    threads_.pop_back();
    return false;
  }
  return true;
}

void Scheduler::Close() {
  std::vector<std::shared_ptr<Run>> running;
  std::vector<std::shared_ptr<void>> garbage;
  std::shared_ptr<const Generation> generation = std::make_shared<Generation>();
  Lock lock(mutex_);
  closed_ = true;
  for (const auto& [key, slot] : slots_) {
    if (slot->running) running.push_back(slot->running);
  }
  for (const auto& run : running) run->entry->flight.reset();
  for (const auto& [name, lane] : lanes_) {
    for (auto& run : lane->TakeQueued([](const auto&) { return true; })) {
      run->entry->flight.reset();
      garbage_.push_back(std::move(run));
    }
    lane->wake.notify_all();
  }
  keeper_.notify_all();
  events_.clear();
  std::swap(garbage, garbage_);
  std::swap(generation, generation_);
  lock.unlock();
  for (const auto& run : running) run->stop.request_stop();
  running.clear();
  garbage.clear();
  generation.reset();

  lock.lock();
  const Mono until = runtime_.clock.mono() + kDrain;
  const auto all_ended = [this] { return std::ranges::all_of(threads_, &Thread::finished); };
  while (!all_ended() && runtime_.clock.WaitUntil(lock, ended_, until)) {
  }
  // Who is not in foreign code ends by itself, and uses the runtime until then.
  ended_.wait(lock, [this] {
    return std::ranges::all_of(threads_, [](const Thread& t) { return t.finished || t.abroad; });
  });
  for (Thread& thread : threads_) {
    if (thread.finished) {
      thread.handle.join();
    } else {
      // Nothing can end a thread that hangs in a system call. What it touches from here on (this
      // object, its run, its collector) it owns.
      thread.handle.detach();
    }
  }
}

void Scheduler::Failed(Slot& slot, Errc reason, std::string message) {
  if (reason != Errc::kNoData) self_.CountError(slot.name, reason);
  Noted(slot, reason, std::move(message));
}

void Scheduler::Noted(Slot& slot, Errc reason, std::string message) {
  slot.error = std::move(message);
  if (slot.failing == reason) return;
  slot.failing = reason;
  slot.warned = slot.warned || reason != Errc::kNoData;
  events_.push_back(
      {.kind = Event::Kind::kFailed, .name = slot.name, .reason = reason, .message = slot.error});
}

void Scheduler::Warned(Slot& slot, const std::vector<Error>& warnings, Outcome& outcome) {
  unsigned seen = 0;  // each reason counts once a run, the first one is the run's
  for (const Error& warning : warnings) {
    const unsigned bit = 1U << static_cast<unsigned>(warning.code);
    if ((seen & bit) != 0) continue;
    seen |= bit;
    if (!outcome.reason) {
      outcome.reason = warning.code;
      Failed(slot, warning.code, warning.message);
    } else if (warning.code != Errc::kNoData) {
      self_.CountError(slot.name, warning.code);
    }
  }
}

void Scheduler::Succeeded(Slot& slot, Mono now) {
  slot.succeeded = now;
  if (!slot.failing) return;
  slot.failing.reset();
  slot.error.clear();
  if (std::exchange(slot.warned, false))
    events_.push_back({.kind = Event::Kind::kRecovered, .name = slot.name});
}

void Scheduler::Flush(Lock& lock) {
  if (events_.empty() && garbage_.empty()) return;
  auto events = std::exchange(events_, {});
  auto garbage = std::exchange(garbage_, {});
  if (closed_) events.clear();
  lock.unlock();
  for (const Event& event : events) Report(event);
  garbage.clear();
  lock.lock();
}

void Scheduler::Report(const Event& event) {
  Log& log = runtime_.log;
  const LogField exporter("exporter", self_.exporter());
  const LogField collector("collector", event.name);
  switch (event.kind) {
    case Event::Kind::kFailed:
      if (event.reason == Errc::kNoData) {
        log.Debug("collector has no data", {exporter, collector, {"err", event.message}});
      } else {
        log.Warn("collector failed",
                 {exporter, collector, {"reason", Reason(event.reason)}, {"err", event.message}});
      }
      return;
    case Event::Kind::kRecovered:
      log.Info("collector recovered", {exporter, collector});
      return;
    case Event::Kind::kOverlaps:
      log.Warn("collector gives series that another one has too, left out",
               {exporter, collector, {"err", event.message}});
      return;
    case Event::Kind::kLeftBehind:
      log.Warn("collector left behind, its lane has a new thread", {exporter, collector});
      return;
    case Event::Kind::kReturned:
      log.Info("collector returned after its deadline",
               {exporter, collector, {"seconds", event.seconds}});
      return;
  }
}

}  // namespace sidecar
