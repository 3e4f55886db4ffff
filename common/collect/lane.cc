// Runs on their lanes: order, slices, and what comes of a run.

#include <algorithm>
#include <exception>
#include <new>
#include <tuple>
#include <utility>

#include "common/collect/scheduler.h"

namespace sidecar {

struct Scheduler::Execution {
  std::optional<Error> error{};
  std::shared_ptr<const Batch> batch{};
  std::vector<std::shared_ptr<const Batch>> shared{};
  std::size_t dropped = 0;
  Mono not_before = Mono::min();  // a task's
};

namespace {

Span Expected(const Slot& slot) { return slot.last.value_or(Span(kUnknown)); }

// The quickest first; who has waited longer counts as that much quicker, so that nobody starves.
auto Rank(const Run& run) {
  return std::tuple(!run.entry->schedule.leads, run.queued_at + Expected(*run.entry->slot),
                    run.entry->order);
}

std::string Shown(Span span) {
  return std::to_string(std::chrono::duration_cast<Millis>(span).count()) + " ms";
}

// Who reads "timeout" would look for it in the query, or raise a timeout that it did not have.
std::string CutShort(const Run& run, const Outcome& outcome) {
  const Span own = run.entry->schedule.timeout;
  if (outcome.reason != Errc::kTimeout || run.granted >= run.started + own) return {};
  return " (it had " + Shown(run.granted - run.started) + " of its " + Shown(own) +
         ": a scrape waited for others of its lane)";
}

template <class Execution>
Result<> Enter(const Entry& entry, const Scrape& scrape, Execution& execution) {
  if (entry.task) {
    if (auto ran = entry.task->Run(scrape); !ran) return ran;
    execution.not_before = entry.task->NotBefore();
    return {};
  }
  const std::shared_ptr<Batch> batch = entry.batches->Take();
  Sink sink(*batch, entry.schedule.limits);
  if (auto collected = entry.collector->Collect(scrape, sink); !collected) return collected;
  if (batch->failure()) return Fail(*batch->failure());
  execution.dropped = batch->Seal() + sink.dropped();
  execution.shared = sink.shared();
  execution.batch = entry.last && batch->SameAs(*entry.last) ? entry.last : batch;
  return {};
}

// The engine's wall: nothing that a collector throws gets past it.
template <class Execution>
Execution Execute(const Entry& entry, const Scrape& scrape) {
  Execution execution;
  try {
    auto result = Enter(entry, scrape, execution);
    if (!result) execution.error = std::move(result.error());
  } catch (const std::bad_alloc&) {
    execution.error = Error{Errc::kInternal, "out of memory"};  // so short that it takes none
  } catch (const std::exception& e) {
    execution.error = Error{Errc::kInternal, std::string("exception: ") + e.what()};
  } catch (...) {
    execution.error = Error{Errc::kInternal, "exception of unknown type"};
  }
  return execution;
}

}  // namespace

void Scheduler::RunLane(Lane& lane, std::uint64_t epoch, Thread& self) {
  Lock lock(mutex_);
  while (!closed_ && lane.epoch == epoch) {
    std::shared_ptr<Run> run = Pick(lane);
    if (!run) {
      if (!lane.wanted && lane.queue.empty()) {
        lane.threaded = false;
        lanes_.erase(lane.name);
        return;
      }
      lane.wake.wait(lock);
      continue;
    }
    const Scrape scrape = Start(lane, run);
    self.abroad = true;
    lock.unlock();
    auto execution = Execute<Execution>(*run->entry, scrape);
    lock.lock();
    self.abroad = false;
    Finish(&lane, *run, execution);
    Flush(lock);
    self.abroad = true;
    lock.unlock();
    execution = {};
    run.reset();  // its collector may be an old generation's, and go with it
    lock.lock();
    self.abroad = false;
  }
}

void Scheduler::Enqueue(const std::shared_ptr<Entry>& entry, std::uint64_t id, Mono now) {
  auto run = std::make_shared<Run>(entry, id, now);
  entry->lane->queue.push_back(run);
  entry->flight = std::move(run);
  ++entry->slot->queued;
  entry->PassDue(now);  // a scrape that waits may be quicker than the keeper
}

// Off the lanes, so that nobody else starts it.
std::shared_ptr<Run> Scheduler::Begin(const std::shared_ptr<Entry>& entry, std::uint64_t id,
                                      Mono now) {
  auto run = std::make_shared<Run>(entry, id, now);
  run->begun = true;
  entry->flight = entry->slot->running = run;
  return run;
}

void Scheduler::RunHere(Lock& lock, const std::shared_ptr<Run>& run) {
  run->started = runtime_.clock.mono();
  run->granted = run->started + run->entry->schedule.timeout;
  const Scrape scrape{runtime_.clock, run->granted, run->stop.get_token(), run->id, false};
  lock.unlock();
  auto execution = Execute<Execution>(*run->entry, scrape);
  lock.lock();
  Finish(nullptr, *run, execution);
}

void Scheduler::WakeLanes(Mono now, std::vector<std::shared_ptr<Lane>>* waiting) {
  for (auto& [name, lane] : lanes_) {
    if (lane->queue.empty()) continue;
    if (lane->current) {
      Tighten(*lane, now);
    } else if (waiting != nullptr && lane->threaded) {
      waiting->push_back(lane);
    } else {
      WakeLane(*lane, now);
    }
  }
}

void Scheduler::WakeLane(Lane& lane, Mono now) {
  if (lane.threaded) {
    lane.wake.notify_one();
    return;
  }
  lane.threaded =
      Launch("lane " + lane.name, [this, own = lane.shared_from_this(), epoch = lane.epoch](
                                      Thread& self) { RunLane(*own, epoch, self); });
  if (!lane.threaded) FailQueued(lane, nullptr, Errc::kLimit, "no thread for its lane", now);
}

std::shared_ptr<Run> Scheduler::Pick(const Lane& lane) {
  const std::shared_ptr<Run>* first = nullptr;
  for (const auto& run : lane.queue) {
    // Another generation's run of the name is still on its way, on this lane or another.
    if (run->entry->slot->running) continue;
    if (first == nullptr || Rank(*run) < Rank(**first)) first = &run;
  }
  return first == nullptr ? nullptr : *first;
}

Scrape Scheduler::Start(Lane& lane, const std::shared_ptr<Run>& run) {
  Slot& slot = *run->entry->slot;
  std::erase(lane.queue, run);
  --slot.queued;
  slot.running = run;
  lane.current = run;
  run->begun = true;
  run->started = runtime_.clock.mono();
  run->event = run->granted = SliceEnd(lane, *run, run->started);
  Cover(run->event);
  return {runtime_.clock, run->event, run->stop.get_token(), run->id, run->waits};
}

// The member's own timeout, cut so that each gather that waits for others of the lane gets them:
// what is left to it after their usual time, the grace and as much again for the wake-ups, but at
// least an even share, the member's own usual time and a half, and kMinSlice.
Mono Scheduler::SliceEnd(const Lane& lane, const Run& run, Mono now) const {
  const Slot& slot = *run.entry->slot;
  const Span own = std::max<Span>(kMinSlice, slot.usual.value_or(Span{}) * 3 / 2);
  Mono end = run.started + run.entry->schedule.timeout;
  for (const Gathering* gathering : gatherings_) {
    const Span budget = gathering->deadline - now;
    Span others{};
    int waiting = 0;
    for (const Gathering::Item& item : gathering->items) {
      if (!item.run || item.run->begun || item.run->done || item.entry->lane.get() != &lane) {
        continue;
      }
      const Span expected = Expected(*item.entry->slot);
      if (expected > budget) continue;  // it will not have that one anyway
      others += expected;
      ++waiting;
    }
    if (waiting == 0) continue;
    const Span slice = std::max(budget - 2 * kGrace - others, budget / (waiting + 1));
    end = std::min(end, std::max(run.started + own, now + slice));
  }
  return end;
}

void Scheduler::Tighten(Lane& lane, Mono now) {
  Run& run = *lane.current;
  if (run.done || run.stop_asked) return;
  run.event = run.granted = std::min(run.event, SliceEnd(lane, run, now));
  Cover(run.event);
}

void Scheduler::Finish(Lane* lane, Run& run, Execution& execution) {
  Slot& slot = *run.entry->slot;
  slot.running.reset();
  if (lane != nullptr && !run.left_behind) lane->current.reset();
  if (closed_) return;  // the runtime may have gone
  const Mono now = runtime_.clock.mono();
  if (run.done) {
    Returned(run, now);
    return;
  }
  run.entry->rests = !run.stop_asked && execution.not_before > now;
  if (run.entry->rests) run.entry->due = std::max(run.entry->due, execution.not_before);
  Complete(run, Judge(run, execution, now), now);
  if (slot.queued > 0) WakeLanes(now);  // another generation's run waited for this one
}

// By a scrape that has not left, or by the background.
bool Scheduler::IsAwaited(const Run& run) const {
  const auto wants = [&run](const Gathering* gathering) { return gathering->Wants(run); };
  return run.entry->task || run.entry->periodic() || std::ranges::any_of(gatherings_, wants);
}

Outcome Scheduler::Judge(const Run& run, Execution& execution, Mono now) {
  Slot& slot = *run.entry->slot;
  slot.last = now - run.started;
  slot.samples = 0;
  Outcome outcome{.seconds = std::chrono::duration<double>(*slot.last).count()};
  if (run.stop_asked && run.obsolete) {
    outcome.reason = Errc::kUnavailable;  // no failure of what the name is now
    return outcome;
  }
  if (run.stop_asked) {
    const std::string why = execution.error ? ": " + execution.error->message : std::string();
    execution.error = Error{Errc::kTimeout, "stopped at its deadline" + why};
  }
  if (execution.error) {
    outcome.reason = execution.error->code;
    Failed(slot, *outcome.reason, std::move(execution.error->message) + CutShort(run, outcome));
    return outcome;
  }
  if (execution.dropped > 0) {
    slot.dropped += execution.dropped;
    self_.CountDropped(slot.name, execution.dropped);
  }
  slot.usual = slot.last;
  if (execution.batch) {
    outcome.samples = execution.batch->samples();
    Warned(slot, execution.batch->warnings(), outcome);
    for (const auto& part : execution.shared) outcome.samples += part->samples();
    slot.samples = outcome.samples;
    outcome.shared = std::move(execution.shared);
    outcome.batch = std::move(execution.batch);
    run.entry->last = outcome.batch->small() ? outcome.batch : nullptr;
  }
  outcome.success = !outcome.reason;
  if (!outcome.success) return outcome;
  if (IsAwaited(run)) {
    Succeeded(slot, now);
  } else {  // each scrape that had left has counted an error
    Noted(slot, Errc::kTimeout, "took " + Shown(*slot.last) + ": no scrape waited any more");
  }
  return outcome;
}

void Scheduler::Complete(Run& run, Outcome outcome, Mono now) {
  Entry& entry = *run.entry;
  run.done = true;
  run.event = Mono::max();
  run.outcome = std::move(outcome);
  if (entry.flight.get() == &run) entry.flight.reset();
  if (entry.background) {
    Background& background = *entry.background;
    Outcome old = std::exchange(background.outcome, run.outcome);
    background.ran = true;
    if (run.outcome.batch) {
      background.at = now;
      if (old.batch) garbage_.push_back(std::make_shared<Outcome>(std::move(old)));
    } else {
      background.outcome.batch = std::move(old.batch);
      background.outcome.shared = std::move(old.shared);
      background.outcome.samples = old.samples;
    }
    const auto& reason = run.outcome.reason;
    if (reason == Errc::kUnavailable || reason == Errc::kDenied) Hasten(entry, now);
  }
  for (Gathering* gathering : gatherings_) {
    if (!gathering->Wants(run)) continue;
    if (--gathering->pending == 0) gathering->done.notify_one();
  }
}

// What does not answer, or lets nobody in, may do so again long before the interval is over.
void Scheduler::Hasten(Entry& entry, Mono now) {
  const Mono again = now + std::max<Span>(kShortestRetry, entry.schedule.interval / 10);
  if (again >= entry.due) return;
  entry.due = again;
  if (again < keeper_wakes_) WakeKeeper();
}

void Scheduler::FailQueued(Lane& lane, const Slot* slot, Errc reason, const std::string& why,
                           Mono now) {
  auto failed = lane.TakeQueued([slot](const std::shared_ptr<Run>& run) {
    return slot == nullptr || run->entry->slot.get() == slot;
  });
  for (auto& run : failed) {
    Failed(*run->entry->slot, reason, why);
    Complete(*run, {.reason = reason}, now);
    garbage_.push_back(std::move(run));
  }
}

}  // namespace sidecar
