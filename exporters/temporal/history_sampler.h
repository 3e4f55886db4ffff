#pragma once
// Reads the histories of runs that have closed, as far as the budget allows, and counts their
// activities. Every run while there are few; when more wait than half of the queue holds, a share
// of them, chosen by a hash of the run id so that two exporters choose alike. How many there were
// and how many were read is exported, so that rates can be scaled. What waits is part of the state,
// so a restart loses none. One thread.
//
//   sampler.Offer(run, options);                                  // it has closed
//   sampler.Tick(histories, scrape, options, counters);

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "common/collect/scrape.h"
#include "exporters/temporal/activity_counters.h"
#include "exporters/temporal/state_codec.h"
#include "exporters/temporal/stream_options.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

struct SamplerStats {
  std::uint64_t eligible = 0;  // runs that closed
  std::uint64_t sampled = 0;   // of them, those whose history was counted
  // Of the others: left out by chance, no room, too long, gone from the server, not readable.
  std::uint64_t by_ratio = 0, queue_full = 0, too_long = 0, gone = 0, failed = 0;
  std::size_t waiting = 0;  // now
  double ratio = 1;         // now: the chance of a run to be read
};

class HistorySampler {
 public:
  void Offer(const Execution& run, const StreamOptions& options);
  // `saw` is told every task queue that a history names; `changed` set if anything was counted or
  // left out.
  Result<> Tick(Histories& histories, const Scrape& scrape, const StreamOptions& options,
                ActivityCounters& counters, bool& changed,
                const std::function<void(const std::string& queue)>& saw);

  SamplerStats stats() const;

  void Encode(StateWriter& out) const;
  bool Decode(StateReader& in);

 private:
  struct Waiting {
    std::string workflow_id, run_id, type;
    int failures = 0;
    std::uint64_t sampled_before = 0;  // its last failure
  };

  double Ratio(const StreamOptions& options) const;
  Result<ActivityJoin> ReadRun(Histories& histories, const Scrape& scrape,
                               const StreamOptions& options, const Waiting& run);
  Result<> Failed(const Scrape& scrape, Error error);
  double Allow(const Scrape& scrape, const StreamOptions& options);

  std::deque<Waiting> waiting_;
  SamplerStats stats_;
  double allowed_ = 0;  // reads
  Mono allowed_at_{}, retry_at_{};
  int failures_ = 0;
};

}  // namespace sidecar::temporal
