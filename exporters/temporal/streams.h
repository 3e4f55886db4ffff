#pragma once
// The streams of all namespaces, and the task that keeps them going. Kept over a reload, so that
// counters and watermarks survive. Thread-safe: each namespace is worked on by one thread at a
// time, several namespaces by several.
//
//   plan.tasks = MakeStreamTasks(env, options, namespaces);
//   for (const auto& [name, snapshot] : env->streams().snapshots()) ...

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

  // What a collector shows, with a warning in the sink for each namespace whose streams, or
  // histories, could not be read the last time: what it shows of those is older.
  enum class Part : std::uint8_t { kStreams, kHistories };
  Result<Snapshots> Show(Part part, Sink& sink) const;

  // Series that the collectors of what is counted must have room for: those of the options, those
  // of before a reload that lowered them, and what "__other__" of each namespace comes to.
  struct Room {
    std::int64_t workflows, activities;
  };
  Room room(const StreamOptions& options, std::size_t namespaces) const;

  std::size_t size() const;  // namespaces that are followed

  // One round: every namespace that is due and that nobody works on. The first error of all.
  Result<> Work(TemporalEnv& env, const StreamOptions& options, StateFile* state,
                const Scrape& scrape);

 private:
  struct Entry {
    explicit Entry(std::unique_ptr<NamespaceStreams> s) : streams(std::move(s)) {}
    const std::unique_ptr<NamespaceStreams> streams;
    bool busy = false;  // guarded by the mutex of Streams, as are the others
    Mono due{};
    Result<> read{}, histories{};  // the last time
  };
  class Turn;

  std::vector<std::string> Follow(const Namespaces::Known& known);  // the names that are gone
  std::shared_ptr<Entry> Next(Mono now);
  Result<> WorkOn(Entry& entry, TemporalEnv& env, const StreamOptions& options, StateFile* state,
                  const Scrape& scrape);

  Log& log_;
  const SeriesBudgets budgets_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  Mono followed_{};  // when the list of them was read; none was: those of the state file
};

// A few, each in a lane of its own: a namespace that hangs leaves the others to the next.
std::vector<Member<Task>> MakeStreamTasks(const std::shared_ptr<TemporalEnv>& env,
                                          const StreamOptions& options, std::size_t namespaces);

}  // namespace sidecar::temporal
