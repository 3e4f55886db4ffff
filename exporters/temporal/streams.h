#pragma once
// The streams of all namespaces, and the task that keeps them going. Kept over a reload, so that
// counters and watermarks survive. Thread-safe: each namespace is worked on by one thread at a
// time, several namespaces by several.
//
//   plan.tasks = MakeStreamTasks(env, options);
//   for (const auto& [name, snapshot] : env->streams().Snapshots()) ...

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/collect/collector.h"
#include "exporters/temporal/namespace_streams.h"
#include "exporters/temporal/namespaces.h"
#include "exporters/temporal/stream_options.h"

namespace sidecar::temporal {

class TemporalEnv;

class Streams {
 public:
  explicit Streams(Log& log);

  using Snapshots = std::vector<std::pair<std::string, std::shared_ptr<const NamespaceSnapshot>>>;
  Snapshots snapshots() const;  // of the namespaces that were read at least once, by name

  // One round: every namespace that is due and that nobody works on. The first error of all.
  Result<> Work(TemporalEnv& env, const StreamOptions& options, StateFile* state,
                const Scrape& scrape);

 private:
  struct Entry {
    explicit Entry(std::unique_ptr<NamespaceStreams> s) : streams(std::move(s)) {}
    const std::unique_ptr<NamespaceStreams> streams;
    bool busy = false;  // guarded by the mutex of Streams, as is `due`
    Mono due{};
  };
  class Turn;

  void Follow(const NamespaceList& list);
  std::shared_ptr<Entry> Next(Mono now);
  Result<> WorkOn(Entry& entry, TemporalEnv& env, const StreamOptions& options, StateFile* state,
                  const Scrape& scrape);

  Log& log_;
  const SeriesBudgets budgets_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

// A few, each in a lane of its own: a namespace that hangs leaves the others to the next.
std::vector<Member<Task>> MakeStreamTasks(const std::shared_ptr<TemporalEnv>& env,
                                          const StreamOptions& options, std::size_t namespaces);

}  // namespace sidecar::temporal
