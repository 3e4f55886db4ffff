#pragma once
// Runs one plan; a process has as many engines as exporters and /probe targets. Thread-safe.
//
// A lane is a thread; its members run one after another, the quickest first. A member that overruns
// is left behind: its batch is orphaned, it is not started again (in any generation) until it has
// returned, and the lane goes on with a new thread; eight left behind at most. Single flight is per
// member, not per scrape: whoever finds a run in flight waits for it until its own deadline. A
// reload carries over the last batch of background members whose configuration is unchanged, and
// asks runs to stop of members that are gone or changed, once no scrape waits for them.
//
//   auto all = engine.Gather({.timeout = Millis(9'500)});
//   if (all) Encode(*all, Format::kOpenMetrics, write);

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/runtime.h"
#include "common/collect/collector.h"
#include "common/metrics/encoder.h"

namespace sidecar {

// Whose collectors these are: {"host", "node", 9100}. The name labels sidecar_*{exporter}, the
// prefix names node_scrape_collector_success{collector}.
struct Identity {
  std::string_view name, prefix;
  int port;
};

struct Query {
  Millis timeout{10'000};
  // collect: only these; exclude: all but these; names: only these families.
  std::vector<std::string> collect{}, exclude{}, names{};
  // Background members that have not run yet are waited for too (--once), as long as the longest
  // timeout of a member: who is alone on its lane has its own.
  bool wait_for_background = false;
};
struct MemberStatus {
  // state: "idle", "waiting" (for its lane), "running", "left behind"; error: of the last run.
  std::string name, lane, state, error;
  double seconds, age_seconds;   // of the last run; since the last success, -1 if there was none
  std::size_t samples, dropped;  // of the last run; in all
  double timeout_seconds = 0, interval_seconds = 0;
  bool task = false;
};

class Engine {
 public:
  Engine(Identity identity, Runtime runtime);
  // Asks what runs to stop and waits two seconds for it; no gather may be running. A run that does
  // not return keeps its collector and its thread, and nothing of the Runtime except what the
  // collector itself uses.
  ~Engine();

  void Swap(Plan plan);  // new scrapes see it at once, running ones end on the old
  // Blocks until the query's deadline at most. kConfig: an unknown collector was asked for, or
  // collect and exclude at once. `last`: what the process says of itself, asked once the rest is
  // there and counted.
  using LastPart = std::function<std::shared_ptr<const Batch>()>;
  Result<Snapshot> Gather(const Query& query, const LastPart& last = {});
  std::vector<MemberStatus> Status() const;  // for /status

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar
