// A plan becomes the current generation: names and lanes are found again, what did not change is
// carried over, what nobody needs any more goes.

#include <algorithm>
#include <utility>

#include "common/collect/scheduler.h"

namespace sidecar {
namespace {

template <class T>
std::shared_ptr<Entry> MakeEntry(Member<T>& member, std::size_t order) {
  auto entry = std::make_shared<Entry>();
  entry->schedule = std::move(member.schedule);
  entry->fingerprint = std::move(member.fingerprint);
  entry->order = order;
  // The scheduler finds the name's slot once it holds its mutex.
  entry->slot = std::make_shared<Slot>(std::move(member.name));
  if constexpr (std::is_same_v<T, Collector>) {
    entry->collector = std::move(member.work);
    if (entry->periodic()) entry->background = std::make_shared<Background>();
  } else {
    entry->task = std::move(member.work);
  }
  return entry;
}

}  // namespace

void Scheduler::Swap(Plan plan) {
  auto next = std::make_shared<Generation>();
  for (auto& member : plan.collectors) {
    next->collectors.push_back(MakeEntry(member, next->collectors.size()));
  }
  for (auto& member : plan.tasks) next->tasks.push_back(MakeEntry(member, next->tasks.size()));
  next->disabled = std::move(plan.disabled);

  std::shared_ptr<const Generation> old = next;
  Lock lock(mutex_);
  if (closed_) return;
  const Mono now = runtime_.clock.mono();
  for (auto& [name, lane] : lanes_) lane->wanted = false;
  for (const auto& entry : next->collectors) Join(*entry, false, entry->schedule.lane);
  for (const auto& entry : next->tasks) Join(*entry, true, entry->schedule.lane);
  bool periodic = false;
  for (const auto* entries : {&next->collectors, &next->tasks}) {
    for (const auto& entry : *entries) {
      if (!entry->periodic()) continue;
      periodic = true;
      Adopt(*entry, *generation_, now);
    }
  }
  std::swap(generation_, old);
  DropQueued();
  StopObsolete(now);
  RetireLanes();
  if (periodic) WakeKeeper();
  Flush(lock);
  lock.unlock();
  old.reset();  // its collectors go here, unless a run or a gather still uses them
  lock.lock();
  std::erase_if(slots_, [](const auto& slot) { return slot.second.use_count() == 1; });
}

void Scheduler::Join(Entry& entry, bool task, const std::string& lane) {
  auto& slot = slots_[{task, entry.name()}];
  if (!slot) slot = entry.slot;
  entry.slot = slot;
  auto& found = lanes_[lane];
  if (!found) found = std::make_shared<Lane>(lane);
  found->wanted = true;
  entry.lane = found;
}

void Scheduler::Adopt(Entry& entry, const Generation& old, Mono now) {
  entry.due = now;
  if (!entry.background) return;  // a task starts anew: what it made for others may have gone
  const auto same = std::ranges::find(old.collectors, entry.slot, &Entry::slot);
  if (same == old.collectors.end()) return;
  const Entry& before = **same;
  if (!before.background || before.fingerprint != entry.fingerprint) return;
  entry.background = before.background;
  entry.inherited_at = before.background->at;
  entry.inherited_age = before.max_age();
  const bool waiting = before.flight && !before.flight->begun;  // dropped from its lane next
  if (before.schedule.interval == entry.schedule.interval && !waiting) entry.due = before.due;
}

bool Scheduler::Current(const Entry& entry) const {
  const auto& entries = entry.task ? generation_->tasks : generation_->collectors;
  return entry.order < entries.size() && entries[entry.order].get() == &entry;
}

// An older generation's runs that nobody waits for: where one run hangs, each reload would leave
// one more behind it.
void Scheduler::DropQueued() {
  for (auto& [name, lane] : lanes_) {
    auto dropped = lane->TakeQueued([this](const std::shared_ptr<Run>& run) {
      const auto wants = [&run](const Gathering* gathering) { return gathering->Wants(*run); };
      return !Current(*run->entry) && std::ranges::none_of(gatherings_, wants);
    });
    for (auto& run : dropped) {
      run->entry->flight.reset();
      garbage_.push_back(std::move(run));
    }
  }
}

// The member as it is now does what this entry did.
bool Scheduler::Continues(const Entry& entry) const {
  const auto& entries = entry.task ? generation_->tasks : generation_->collectors;
  const auto same = std::ranges::find(entries, entry.slot, &Entry::slot);
  return same != entries.end() && (*same)->fingerprint == entry.fingerprint;
}

// What runs for nobody any more would keep its lane from what has come: a statement of ten minutes
// that the reload was to take out. Who waits for it already is given the time that he has.
void Scheduler::StopObsolete(Mono now) {
  for (const auto& [key, slot] : slots_) {
    Run* const run = slot->running.get();
    if (run == nullptr || run->done || run->stop_asked || Continues(*run->entry)) continue;
    Mono end = now;
    for (const Gathering* gathering : gatherings_) {
      if (gathering->Wants(*run)) end = std::max(end, gathering->deadline);
    }
    run->obsolete = true;
    run->event = std::min(run->event, end);
    Cover(run->event);
  }
}

void Scheduler::RetireLanes() {
  std::erase_if(lanes_, [](auto& item) {
    Lane& lane = *item.second;
    if (lane.wanted) return false;
    lane.wake.notify_one();  // its thread ends when there is nothing left to do
    return !lane.threaded && !lane.current && lane.queue.empty();
  });
}

std::vector<MemberStatus> Scheduler::Status() const {
  const std::string kOverlaps = "gives series that another collector has too";
  const std::scoped_lock lock(mutex_);
  const Mono now = runtime_.clock.mono();
  const auto seconds = [](Span span) { return std::chrono::duration<double>(span).count(); };
  std::vector<MemberStatus> all;
  for (const auto* entries : {&generation_->collectors, &generation_->tasks}) {
    for (const auto& entry : *entries) {
      const Slot& slot = *entry->slot;
      const Run* running = slot.running.get();
      const char* state = running && running->done ? "left behind"
                          : running                ? "running"
                          : entry->flight          ? "waiting"
                                                   : "idle";
      all.push_back({.name = slot.name,
                     .lane = entry->schedule.lane,
                     .state = state,
                     .error = slot.error.empty() && slot.overlaps ? kOverlaps : slot.error,
                     .seconds = seconds(slot.last.value_or(Span{})),
                     .age_seconds = slot.succeeded ? seconds(now - *slot.succeeded) : -1,
                     .samples = slot.samples,
                     .dropped = slot.dropped,
                     .timeout_seconds = seconds(entry->schedule.timeout),
                     .interval_seconds = seconds(entry->schedule.interval),
                     .task = entry->task != nullptr});
    }
  }
  return all;
}

}  // namespace sidecar
