#pragma once
// Everything that is counted in one namespace: its two streams, the counters they feed, the
// activities of closed runs, and how these survive a restart. A tick reads what is due, commits to
// the state file, and only then shows the new values: a scrape never sees a number that a restart
// could take back. One thread ticks; snapshots are read by any.
//
//   NamespaceStreams streams("default", budgets, log);
//   streams.Tick({*visibility, *histories, queues, options, state_file}, scrape);
//   const auto snapshot = streams.snapshot();

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "exporters/temporal/activity_counters.h"
#include "exporters/temporal/history_sampler.h"
#include "exporters/temporal/queue_book.h"
#include "exporters/temporal/state_file.h"
#include "exporters/temporal/stream.h"
#include "exporters/temporal/workflow_counters.h"

namespace sidecar::temporal {

struct NamespaceSnapshot {
  WorkflowCounters::Snapshot workflows;
  ActivityCounters::Snapshot activities;
  StreamStats started, closed;
  StreamTime at{};  // when it was made
  SamplerStats histories;
  std::uint64_t workflow_overflow = 0, activity_overflow = 0;
};

struct SeriesBudgets {  // of all namespaces
  std::shared_ptr<SeriesBudget> workflows, activities;
};

class NamespaceStreams {
 public:
  struct Sources {
    Visibility& visibility;
    Histories* histories;  // null: not now
    QueueBook& queues;
    const StreamOptions& options;
    StateFile* state;  // null: none
  };
  struct Outcome {
    Result<> streams, histories;
  };

  // `since`: Unix microseconds from which on runs count, of a namespace that did not exist before;
  // 0: from the first tick. What is restored from the state file goes on where it was.
  NamespaceStreams(std::string name, SeriesBudgets budgets, Log& log, std::int64_t since = 0);

  Outcome Tick(const Sources& sources, const Scrape& scrape);
  // Of the last commit; null before the first tick.
  std::shared_ptr<const NamespaceSnapshot> snapshot() const;
  const std::string& name() const { return name_; }

 private:
  struct State {
    explicit State(const SeriesBudgets& budgets, std::int64_t since = 0)
        : started(StreamKind::kStarted, since),
          closed(StreamKind::kClosed, since),
          workflows(budgets.workflows),
          activities(budgets.activities) {}
    Stream started, closed;
    WorkflowCounters workflows;
    ActivityCounters activities;
    HistorySampler sampler;

    std::string Encode() const;
    bool Decode(std::string_view bytes);
  };

  void Restore(const Sources& sources, const Scrape& scrape);
  void ReadStreams(const Sources& sources, const Scrape& scrape, Outcome& outcome);
  void ReadHistories(const Sources& sources, const Scrape& scrape, Outcome& outcome);
  void Commit(const Sources& sources, Mono now);
  void Publish(const Scrape& scrape);

  const std::string name_;
  const SeriesBudgets budgets_;
  Log& log_;
  StreamClock clock_;
  std::unique_ptr<State> state_;
  bool restored_ = false;
  bool dirty_ = true;  // something was counted since the last commit
  Mono committed_at_{};
  std::string committed_to_;  // the path; a reload may name another
  mutable std::mutex mutex_;
  std::shared_ptr<const NamespaceSnapshot> snapshot_;
};

}  // namespace sidecar::temporal
