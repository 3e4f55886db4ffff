// Overruns: who notices them, and what becomes of the run, its thread and its lane.

#include <algorithm>
#include <exception>
#include <utility>

#include "common/collect/scheduler.h"

namespace sidecar {

void Scheduler::Enforce(Lock& lock, Mono now, Thread* self) {
  std::vector<std::shared_ptr<Run>> stop;
  for (auto& [name, lane] : lanes_) {
    const auto& run = lane->current;
    if (!run || run->event > now) continue;
    if (run->stop_asked) {
      LeaveBehind(*lane, now);
    } else {
      run->stop_asked = true;
      run->event = now + kGrace;
      stop.push_back(run);
    }
  }
  if (stop.empty()) return;
  if (self != nullptr) self->abroad = true;
  lock.unlock();  // the callbacks of a stop token are the collectors' code
  for (const auto& run : stop) run->stop.request_stop();
  stop.clear();
  lock.lock();
  if (self != nullptr) self->abroad = false;
}

void Scheduler::LeaveBehind(Lane& lane, Mono now) {
  const std::shared_ptr<Run> run = lane.current;
  Slot& slot = *run->entry->slot;
  slot.last = now - run->started;
  Failed(slot, Errc::kTimeout, "has not returned after its deadline");
  Complete(*run,
           {.reason = Errc::kTimeout, .seconds = std::chrono::duration<double>(*slot.last).count()},
           now);
  if (slot.queued > 0) {
    for (auto& [name, other] : lanes_) {
      FailQueued(*other, &slot, Errc::kTimeout, "an earlier run has not returned", now);
    }
  }
  if (left_behind_ >= kMaxLeftBehind) {
    FailQueued(lane, nullptr, Errc::kLimit, "too many runs have not returned", now);
    return;  // the lane is stuck
  }
  Disown(lane);
  if (!lane.queue.empty()) WakeLane(lane, now);
}

void Scheduler::Disown(Lane& lane) {
  Run& run = *lane.current;
  run.left_behind = true;
  ++left_behind_;
  ++lane.epoch;
  lane.threaded = false;
  events_.push_back({.kind = Event::Kind::kLeftBehind, .name = run.entry->name()});
  lane.current.reset();  // its thread and its slot hold it
}

void Scheduler::Returned(const Run& run, Mono now) {
  Slot& slot = *run.entry->slot;
  slot.last = now - run.started;
  events_.push_back({.kind = Event::Kind::kReturned,
                     .name = slot.name,
                     .seconds = std::chrono::duration<double>(*slot.last).count()});
  if (!run.left_behind) return;
  --left_behind_;
  for (auto& [name, lane] : lanes_) {
    if (lane->stuck() && left_behind_ < kMaxLeftBehind) Disown(*lane);
  }
}

Mono Scheduler::NextEvent() const {
  Mono next = Mono::max();
  for (const auto& [name, lane] : lanes_) {
    if (lane->current) next = std::min(next, lane->current->event);
  }
  return next;
}

// What is queued has its deadline once it starts. Looked for from now on, it needs no wake-up then.
Mono Scheduler::NextStart(Mono now) const {
  Mono next = Mono::max();
  for (const auto& [name, lane] : lanes_) {
    if (lane->current) continue;  // and nobody knows for how long
    for (const auto& run : lane->queue) next = std::min(next, now + run->entry->schedule.timeout);
  }
  return next;
}

void Scheduler::Cover(Mono at) {
  const auto waits = [](const Gathering* gathering) { return gathering->pending > 0; };
  for (const Gathering* gathering : gatherings_) {
    if (waits(gathering) && gathering->wake_at <= at) return;
  }
  if (keeping_ && keeper_wakes_ <= at) return;
  const auto someone = std::ranges::find_if(gatherings_, waits);
  if (someone != gatherings_.end()) {
    (*someone)->done.notify_one();
  } else {
    WakeKeeper();
  }
}

void Scheduler::CoverAll() {
  for (const auto& [name, lane] : lanes_) {
    if (lane->current && lane->current->event != Mono::max()) Cover(lane->current->event);
  }
}

void Scheduler::WakeKeeper() {
  if (keeping_) {
    keeper_.notify_one();
  } else {
    keeping_ = Launch("keeper", [this](Thread& self) { RunKeeper(self); });
  }
}

void Scheduler::RunKeeper(Thread& self) {
  Lock lock(mutex_);
  while (!closed_) {
    keeper_wakes_ = Mono::min();  // it looks at everything before it waits again
    const Mono now = runtime_.clock.mono();
    Enforce(lock, now, &self);
    if (closed_) break;
    EnqueueDue(now);
    Flush(lock);
    if (closed_) break;
    if (!events_.empty() || !garbage_.empty()) continue;  // they came while nobody could wake it
    keeper_wakes_ = std::min({NextDue(), NextEvent(), NextStart(now)});
    runtime_.clock.WaitUntil(lock, keeper_, keeper_wakes_);
  }
}

bool Scheduler::StillRests(Entry& entry, Mono now) {
  if (!entry.rests || entry.slot->running) return false;
  try {
    entry.due = std::max(entry.due, entry.task->PutOff());
  } catch (const std::exception&) {  // no memory: its run will say so
    return false;
  }
  return !entry.IsDue(now);
}

void Scheduler::EnqueueDue(Mono now) {
  const std::uint64_t id = next_id_++;
  for (const auto* entries : {&generation_->collectors, &generation_->tasks}) {
    for (const auto& entry : *entries) {
      if (!entry->IsDue(now) || StillRests(*entry, now)) continue;
      entry->PassDue(now);
      Slot& slot = *entry->slot;
      if (entry->flight || (slot.running && slot.running->done)) continue;
      if (entry->lane->stuck()) {
        Failed(slot, Errc::kLimit, "too many runs have not returned");
      } else {
        Enqueue(entry, id, now);
      }
    }
  }
  WakeLanes(now);
}

Mono Scheduler::NextDue() const {
  Mono next = Mono::max();
  for (const auto* entries : {&generation_->collectors, &generation_->tasks}) {
    for (const auto& entry : *entries) {
      if (entry->periodic()) next = std::min(next, entry->due);
    }
  }
  return next;
}

}  // namespace sidecar
