#pragma once
// A histogram of durations in seconds that is exact: whole counts, and a sum in nanoseconds that
// does not lose the small ones among the large. Each bucket may keep the newest run as exemplar.
// One thread; copied as a value.
//
//   TimeHistogram times(kWorkflowBounds);
//   times.Observe(duration_ns, {workflow_id, run_id, close_ms});
//   times.Put(sink, handle, labels);

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/sink.h"
#include "exporters/temporal/state_codec.h"

namespace sidecar::temporal {

// Seconds. The first users alert on 3,600.
inline constexpr double kWorkflowBounds[] = {0.05, 0.1,   0.25,  0.5,   1,     2.5,   5,
                                             10,   30,    60,    120,   300,   600,   1800,
                                             3600, 10800, 21600, 43200, 86400, 604800};
inline constexpr double kActivityBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  1,
                                             2.5,   5,    10,    30,   60,  300,  1800, 3600};

struct RunExemplar {
  std::string_view workflow_id, run_id;
  std::int64_t time_ms = 0;
};

class TimeHistogram {
 public:
  explicit TimeHistogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(std::int64_t ns, const RunExemplar* exemplar = nullptr);
  void Merge(const TimeHistogram& other);  // of the same buckets; without its exemplars
  void Put(Sink& sink, Sink::Handle family, std::span<const std::string_view> labels) const;
  void PutZero(Sink& sink, Sink::Handle family, std::span<const std::string_view> labels) const;

  std::uint64_t count() const;
  double sum() const;  // seconds

  void Encode(StateWriter& out) const;  // without exemplars
  bool Decode(StateReader& in);         // false if it is of other buckets

 private:
  struct Kept {
    std::string workflow_id, run_id;  // an id that does not fit is empty
    std::int64_t time_ms = 0;
    double seconds = 0;
  };

  std::span<const double> bounds_;  // of static life
  std::vector<std::uint64_t> counts_;
  std::vector<Kept> kept_;  // by bucket, or none
  std::uint64_t seconds_ = 0, nanos_ = 0;
};

}  // namespace sidecar::temporal
