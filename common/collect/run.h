#pragma once
// What the scheduler keeps: names, members of a generation, runs, lanes, and the gathers that wait.
// Internal to common/collect. Everything that is not const is guarded by the scheduler's mutex,
// except a run's work, which its thread alone enters.

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/collect/batch_pool.h"
#include "common/collect/collector.h"

namespace sidecar {

struct Run;
struct Lane;
using Span = Mono::duration;

inline constexpr Millis kEarly{500};

// What came of a run. A batch only where its rows may be served.
struct Outcome {
  bool success = false;
  std::optional<Errc> reason{};
  double seconds = 0;
  std::size_t samples = 0;
  std::shared_ptr<const Batch> batch{};
  std::vector<std::shared_ptr<const Batch>> shared{};  // beside it: Sink::Share
};

// A name; it outlives generations, so that no two of them run it at once.
struct Slot {
  explicit Slot(std::string n) : name(std::move(n)) {}

  const std::string name;
  std::shared_ptr<Run> running{};  // until it returns, also when it was left behind
  std::size_t queued = 0;
  std::optional<Span> last{};     // duration of the last run: the order of the lane
  std::optional<Span> usual{};    // of the last one that succeeded: what a slice grants it
  std::optional<Errc> failing{};  // what was said last, so that the log has changes only
  std::string error{};
  bool warned = false;    // of a failure, and not yet of its end
  bool overlaps = false;  // in the last scrape it gave what another collector has too
  std::size_t samples = 0, dropped = 0;
  std::optional<Mono> succeeded{};
};

// The last result of a background member, shared by the generations that did not change it.
struct Background {
  Outcome outcome{};  // of the last run; `batch` is of the last one that had rows
  Mono at{};          // when that batch was finished
  bool ran = false;
};

// A member of one generation.
struct Entry {
  Schedule schedule{};
  std::string fingerprint{};
  std::unique_ptr<Collector> collector{};  // one of the two
  std::unique_ptr<Task> task{};
  std::shared_ptr<Slot> slot{};
  std::shared_ptr<Lane> lane{};
  std::shared_ptr<BatchPool> batches = std::make_shared<BatchPool>();
  std::size_t order = 0;  // in the plan

  // Of the last run that succeeded, if small; for the entry's runs only, as its collector is. One
  // that says the same is served as this, so that encoders know it again.
  std::shared_ptr<const Batch> last{};

  std::shared_ptr<Run> flight{};             // queued or running, and still worth joining
  std::shared_ptr<Background> background{};  // periodic collectors only
  Mono due{};                                // periodic members only
  bool rests = false;                        // a task that has said until when
  // What an older generation made may be as old as that one had it, until there is newer.
  Mono inherited_at{};
  Span inherited_age{};

  const std::string& name() const { return slot->name; }
  bool periodic() const { return schedule.interval > Millis(0); }
  // A collector that is due so soon is started when the keeper is awake for something else: a
  // wake-up costs more than most runs. Not a task, which may find nothing to do before its time,
  // nor what must not grow older than its interval: the next run may be as much later.
  Span early() const {
    const bool exact =
        task || (schedule.max_age > Millis(0) && schedule.max_age < schedule.interval + kEarly);
    return exact ? Span{} : std::min<Span>(kEarly, schedule.interval / 10);
  }
  bool IsDue(Mono now) const { return periodic() && due <= now + early(); }
  void PassDue(Mono now) {  // runs that were missed do not pile up
    if (!IsDue(now)) return;
    const Span interval = schedule.interval;
    due += interval * (1 + std::max(Span{}, now - due) / interval);
  }
  Span max_age() const {
    const Span own = schedule.max_age > Millis(0) ? schedule.max_age : 3 * schedule.interval;
    const bool inherited = background && background->at == inherited_at;
    return inherited ? std::max(own, inherited_age) : own;
  }
};

struct Run {
  Run(std::shared_ptr<Entry> e, std::uint64_t i, Mono now)
      : entry(std::move(e)), id(i), queued_at(now) {}

  const std::shared_ptr<Entry> entry;
  const std::uint64_t id;  // of the scrape that started it
  const Mono queued_at;
  std::stop_source stop{};

  Mono started{};
  Mono granted{};            // the end of its slice
  Mono event = Mono::max();  // the deadline; once stop was asked, the end of the grace
  bool waits = false;        // for the background too
  bool begun = false, stop_asked = false;
  bool done = false;         // the outcome stands; if it has not returned, it overran
  bool left_behind = false;  // its thread is no longer the lane's
  bool obsolete = false;     // a reload took its member away or changed it
  Outcome outcome{};
};

// A thread that runs one member after another. It is replaced when a member is left behind.
struct Lane : std::enable_shared_from_this<Lane> {
  explicit Lane(std::string n) : name(std::move(n)) {}
  // Its member overran and no thread could take its place.
  bool stuck() const { return current && current->done; }
  template <class Predicate>
  std::vector<std::shared_ptr<Run>> TakeQueued(Predicate predicate) {
    const auto gone = std::stable_partition(queue.begin(), queue.end(), std::not_fn(predicate));
    std::vector<std::shared_ptr<Run>> taken(gone, queue.end());
    queue.erase(gone, queue.end());
    for (const auto& run : taken) --run->entry->slot->queued;
    return taken;
  }

  const std::string name;
  std::vector<std::shared_ptr<Run>> queue{};
  std::shared_ptr<Run> current{};
  std::condition_variable wake{};
  std::uint64_t epoch = 0;  // a thread of an earlier one was left behind and ends
  bool threaded = false;
  bool wanted = true;  // by the current generation
};

struct Generation {
  std::vector<std::shared_ptr<Entry>> collectors, tasks;
  std::vector<DisabledMember> disabled;
};

// One gather while it waits.
struct Gathering {
  struct Item {
    std::shared_ptr<Entry> entry;
    std::shared_ptr<Run> run{};  // none: the outcome is known, or the background has it
    Outcome outcome{};
    std::optional<Span> age{};
    bool missed = false;  // failed for this gather only: not counted by any run
  };

  Gathering(Mono begin, Mono end) : started(begin), deadline(end) {}
  bool Wants(const Run& run) const {
    for (const Item& item : items) {
      if (item.run.get() == &run) return true;
    }
    return false;
  }

  const Mono started, deadline;
  Mono wake_at = Mono::min();  // when it will look after runs that overrun; min: it is awake
  std::vector<Item> items{};
  std::size_t pending = 0;
  std::condition_variable done{};
  std::shared_ptr<const Generation> generation{};  // what it ends on
  std::size_t left_behind = 0;
};

}  // namespace sidecar
