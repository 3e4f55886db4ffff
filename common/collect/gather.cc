// One gather: what it asks for, how long it waits, what it gets.

#include <algorithm>
#include <exception>

#include "common/collect/reason.h"
#include "common/collect/scheduler.h"

namespace sidecar {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

Error Unknown(const Generation& generation, const std::string& name) {
  for (const DisabledMember& disabled : generation.disabled) {
    if (disabled.name == name) {
      return {Errc::kConfig,
              "collector cannot run here: " + name + ": " + std::string(Reason(disabled.reason))};
    }
  }
  return {Errc::kConfig, "unknown or disabled collector: " + name};
}

}  // namespace

// Also where memory runs out on the way: then nobody looks for this gather any more, what it was to
// run itself is nobody's flight, and somebody else looks after the runs of the lanes.
struct Scheduler::Attendance {
  Attendance(Scheduler& s, Lock& l, Gathering& g) : scheduler(s), lock(l), gathering(g) {}
  Attendance(const Attendance&) = delete;
  Attendance& operator=(const Attendance&) = delete;
  ~Attendance() {
    if (!lock.owns_lock()) lock.lock();
    const bool left = std::erase(scheduler.gatherings_, &gathering) == 0;
    for (const auto& run : asked.here) {
      if (run->done) continue;
      auto& running = run->entry->slot->running;
      if (running == run) running.reset();
      scheduler.Complete(*run, {.reason = Errc::kInternal}, gathering.started);
    }
    if (left) return;
    try {
      scheduler.CoverAll();
    } catch (const std::exception&) {  // the next gather does
    }
  }

  Scheduler& scheduler;
  Lock& lock;
  Gathering& gathering;
  Asked asked{};
};

Result<> Scheduler::Gather(const Query& query, Gathering& gathering) {
  Lock lock(mutex_);
  gathering.generation = generation_;
  if (auto selected = Select(query, gathering); !selected) {
    lock.unlock();
    return selected;
  }
  Attendance attendance(*this, lock, gathering);
  Ask(query, gathering, attendance.asked);
  lock.unlock();  // who wakes wants it at once
  for (const auto& lane : attendance.asked.lanes) lane->wake.notify_one();
  lock.lock();
  for (const auto& run : attendance.asked.here) RunHere(lock, run);
  Await(lock, gathering);
  Settle(gathering);
  if (!events_.empty() || !garbage_.empty()) WakeKeeper();  // a log that blocks is not waited for
  return {};
}

Result<> Scheduler::Select(const Query& query, Gathering& gathering) const {
  const auto& entries = gathering.generation->collectors;
  if (!query.collect.empty() && !query.exclude.empty()) {
    return Fail(Errc::kConfig, "collect and exclude cannot be used together");
  }
  for (const std::string& name : query.collect) {
    if (std::ranges::find(entries, name, &Entry::name) == entries.end()) {
      return Fail(Unknown(*gathering.generation, name));
    }
  }
  gathering.items.reserve(entries.size());
  for (const auto& entry : entries) {
    if (!query.collect.empty() && !Contains(query.collect, entry->name())) continue;
    if (Contains(query.exclude, entry->name())) continue;
    gathering.items.push_back({.entry = entry});
  }
  return {};
}

void Scheduler::Ask(const Query& query, Gathering& gathering, Asked& asked) {
  const std::uint64_t id = next_id_++;
  asked.here.reserve(gathering.items.size());
  gatherings_.push_back(&gathering);
  for (Gathering::Item& item : gathering.items) {
    const Entry& entry = *item.entry;
    if (entry.background && (entry.background->ran || !query.wait_for_background)) continue;
    if (entry.slot->running && entry.slot->running->done) {
      item.outcome.reason = Errc::kTimeout;  // left behind, and not started again until it returns
      item.missed = true;
      continue;
    }
    if (entry.lane->stuck()) {
      item.outcome.reason = Errc::kLimit;
      item.missed = true;
      continue;
    }
    if (!entry.flight) {
      const bool mine = entry.schedule.in_memory && !query.wait_for_background;
      if (mine && !entry.slot->running) {
        asked.here.push_back(Begin(item.entry, id, gathering.started));
      } else {
        Enqueue(item.entry, id, gathering.started);
      }
    }
    item.run = entry.flight;
    item.run->waits = item.run->waits || query.wait_for_background;
    ++gathering.pending;
  }
  if (gathering.pending > 0) WakeLanes(gathering.started, &asked.lanes);
}

void Scheduler::Await(Lock& lock, Gathering& gathering) {
  Mono now = gathering.started;
  // No run that starts from here on has an earlier deadline, unless another gather presses: one
  // that does sees to being covered (Start). So a scrape that is quick enough wakes once.
  Span bound = std::max<Span>(
      kMinSlice, (gathering.deadline - now) / static_cast<Span::rep>(gathering.items.size() + 1));
  for (const Gathering::Item& item : gathering.items) {
    if (item.run) bound = std::min<Span>(bound, item.entry->schedule.timeout);
  }
  Mono first = now + bound;
  while (gathering.pending > 0 && now < gathering.deadline) {
    Enforce(lock, now);
    if (gathering.pending == 0) break;
    gathering.wake_at = std::min({gathering.deadline, NextEvent(), first});
    first = Mono::max();
    runtime_.clock.WaitUntil(lock, gathering.done, gathering.wake_at);
    gathering.wake_at = Mono::min();  // it looks again before it waits again
    if (gathering.pending > 0) now = runtime_.clock.mono();
  }
}

void Scheduler::Settle(Gathering& gathering) {
  std::erase(gatherings_, &gathering);
  const Mono now = runtime_.clock.mono();
  for (Gathering::Item& item : gathering.items) {
    if (item.run && item.run->done) {
      item.outcome = item.run->outcome;
      if (item.entry->background) ServeBackground(item, now);
    } else if (item.run) {
      item.outcome.reason = Errc::kTimeout;
      item.outcome.seconds = std::chrono::duration<double>(now - gathering.started).count();
      item.missed = true;
    } else if (item.entry->background && !item.missed) {
      ServeBackground(item, now);
    }
  }
  gathering.left_behind = left_behind_;
  if (gathering.generation != generation_) {
    DropQueued();
    RetireLanes();
  }
  CoverAll();  // it may leave runs behind that only it was looking after
}

// Two collectors with a series in common are a mistake in what they are told to collect.
void Scheduler::Overlapped(Gathering& gathering, std::span<const std::size_t> lost) {
  const std::scoped_lock lock(mutex_);
  // A scrape of some collectors only says nothing of the others' rows.
  const bool whole = gathering.items.size() == gathering.generation->collectors.size();
  for (std::size_t i = 0; i < lost.size(); ++i) {
    Gathering::Item& item = gathering.items[i];
    if (!item.outcome.batch) continue;
    Slot& slot = *item.entry->slot;
    const bool overlapped = slot.overlaps;
    if (whole || lost[i] > 0) slot.overlaps = lost[i] > 0;
    if (lost[i] == 0) continue;
    self_.CountDropped(slot.name, lost[i]);
    self_.CountError(slot.name, Errc::kConfig);
    item.outcome.success = false;
    item.outcome.samples -= lost[i];
    if (overlapped) continue;
    events_.push_back({.kind = Event::Kind::kOverlaps,
                       .name = slot.name,
                       .message = std::to_string(lost[i]) + " series"});
    WakeKeeper();
  }
}

void Scheduler::ServeBackground(Gathering::Item& item, Mono now) const {
  const Background& background = *item.entry->background;
  item.outcome = background.outcome;
  if (!background.outcome.batch) {
    const auto& running = item.entry->slot->running;
    item.missed = !background.ran && running && running->done;  // another generation's hangs
    if (item.missed) item.outcome.reason = Errc::kTimeout;
    return;
  }
  const Span age = now - background.at;
  if (age <= item.entry->max_age()) {
    item.age = age;
    return;
  }
  item.outcome = {.reason = background.outcome.reason.value_or(Errc::kTimeout),
                  .seconds = background.outcome.seconds};
  item.missed = true;
}

}  // namespace sidecar
