#pragma once
// Decides which member runs when, on which lane, until when, and who waits for it. Internal to
// common/collect; Engine is its face. Thread-safe. Its threads own it: one that was left behind may
// outlive the engine, and touches nothing but it and its run then.
//
// Deadlines are enforced by whoever waits: a gather wakes when the next run may overrun, so that a
// scrape costs one wake-up of each lane and one of the gather. Where no gather waits (background
// members, a gather that left before its runs ended), the keeper does; its thread starts on demand.
// Invariant (Cover): for each run of a lane there is somebody who wakes at its deadline, or is
// awake: a gather is, also while it reads what is in memory, and looks before it waits.

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "common/base/runtime.h"
#include "common/collect/engine.h"
#include "common/collect/run.h"
#include "common/collect/self_metrics.h"

namespace sidecar {

// From the request to stop until the run counts as left behind.
inline constexpr Millis kGrace{50};
// Threads that a process can lose to hung members.
inline constexpr std::size_t kMaxLeftBehind = 8;
// How long the destructor waits for what runs.
inline constexpr Millis kDrain{2'000};
// What a member gets of its lane's time although others wait.
inline constexpr Millis kMinSlice{100};
// Taken for the duration of a member that has never run.
inline constexpr Millis kUnknown{50};
// A background member whose source is unavailable or denied is tried again after a tenth of its
// interval or this, whichever is longer (less Entry::early).
inline constexpr Millis kShortestRetry{1'000};

class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  Scheduler(const Identity& identity, const Runtime& runtime);
  ~Scheduler();

  void Swap(Plan plan);
  // Fills the items that the query selects and waits for them until the deadline at most.
  Result<> Gather(const Query& query, Gathering& gathering);
  // Of each item, how many of its rows another one has too: the scrape went on without them.
  void Overlapped(Gathering& gathering, std::span<const std::size_t> lost);
  std::vector<MemberStatus> Status() const;
  // What runs is asked to stop and waited for; nothing runs any more, or it is on its own.
  void Close();

  SelfMetrics& self() { return self_; }

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Thread {
    std::thread handle{};
    bool finished = false;
    bool abroad = false;  // in a collector's code, without the mutex: it may never come back
  };
  // A line for the log, written once the mutex is free: it may block. Counters are raised at once,
  // so that the scrape that shows success 0 shows the reason too.
  struct Event {
    enum class Kind : std::uint8_t { kFailed, kRecovered, kOverlaps, kLeftBehind, kReturned };
    Kind kind;
    std::string name;
    Errc reason = Errc::kInternal;
    std::string message{};
    double seconds = 0;
  };
  struct Execution;  // what a run's thread brings back

  // generation.cc: a plan becomes the current one.
  void Join(Entry& entry, bool task, const std::string& lane);
  void Adopt(Entry& entry, const Generation& old, Mono now);
  bool Current(const Entry& entry) const;
  void DropQueued();
  void StopObsolete(Mono now);
  bool Continues(const Entry& entry) const;
  void RetireLanes();

  // gather.cc: one gather.
  Result<> Select(const Query& query, Gathering& gathering) const;
  struct Asked {
    std::vector<std::shared_ptr<Lane>> lanes{};  // whose threads are to be woken
    std::vector<std::shared_ptr<Run>> here{};    // the gather's own
  };
  struct Attendance;
  void Ask(const Query& query, Gathering& gathering, Asked& asked);
  void Await(Lock& lock, Gathering& gathering);
  void Settle(Gathering& gathering);
  void ServeBackground(Gathering::Item& item, Mono now) const;

  // lane.cc: runs on their lanes.
  void RunLane(Lane& lane, std::uint64_t epoch, Thread& self);
  void Enqueue(const std::shared_ptr<Entry>& entry, std::uint64_t id, Mono now);
  // Threads that are only to be woken can be left to the caller, for when it is off the mutex.
  void WakeLanes(Mono now, std::vector<std::shared_ptr<Lane>>* waiting = nullptr);
  void WakeLane(Lane& lane, Mono now);
  static std::shared_ptr<Run> Pick(const Lane& lane);
  Scrape Start(Lane& lane, const std::shared_ptr<Run>& run);
  void Finish(Lane* lane, Run& run, Execution& execution);
  // By a gather, of what is in memory.
  std::shared_ptr<Run> Begin(const std::shared_ptr<Entry>& entry, std::uint64_t id, Mono now);
  void RunHere(Lock& lock, const std::shared_ptr<Run>& run);
  bool IsAwaited(const Run& run) const;
  Outcome Judge(const Run& run, Execution& execution, Mono now);
  void Complete(Run& run, Outcome outcome, Mono now);
  void Hasten(Entry& entry, Mono now);
  void FailQueued(Lane& lane, const Slot* slot, Errc reason, const std::string& why, Mono now);
  Mono SliceEnd(const Lane& lane, const Run& run, Mono now) const;
  void Tighten(Lane& lane, Mono now);

  // deadline.cc: overruns, and the keeper that watches when no gather does.
  void Enforce(Lock& lock, Mono now, Thread* self = nullptr);
  void LeaveBehind(Lane& lane, Mono now);
  void Disown(Lane& lane);
  void Returned(const Run& run, Mono now);
  Mono NextEvent() const;
  Mono NextStart(Mono now) const;
  void Cover(Mono at);
  void CoverAll();
  void WakeKeeper();
  void RunKeeper(Thread& self);
  void EnqueueDue(Mono now);
  static bool StillRests(Entry& entry, Mono now);
  Mono NextDue() const;

  // scheduler.cc: threads and what is said.
  // `name` is for top -H. False: no thread to be had.
  bool Launch(std::string name, std::function<void(Thread&)> work);
  void Failed(Slot& slot, Errc reason, std::string message);
  void Noted(Slot& slot, Errc reason, std::string message);  // without counting
  void Warned(Slot& slot, const std::vector<Error>& warnings, Outcome& outcome);
  void Succeeded(Slot& slot, Mono now);
  void Flush(Lock& lock);
  void Report(const Event& event);

  const Runtime runtime_;
  SelfMetrics self_;

  mutable std::mutex mutex_;
  bool closed_ = false;
  std::uint64_t next_id_ = 1;
  std::shared_ptr<const Generation> generation_ = std::make_shared<Generation>();
  std::map<std::pair<bool, std::string>, std::shared_ptr<Slot>> slots_;
  std::map<std::string, std::shared_ptr<Lane>> lanes_;
  std::vector<Gathering*> gatherings_;
  std::size_t left_behind_ = 0;

  bool keeping_ = false;
  Mono keeper_wakes_ = Mono::min();
  std::condition_variable keeper_;

  std::list<Thread> threads_;
  std::condition_variable ended_;
  std::vector<Event> events_;
  std::vector<std::shared_ptr<void>> garbage_;  // destroyed once the mutex is free
};

}  // namespace sidecar
