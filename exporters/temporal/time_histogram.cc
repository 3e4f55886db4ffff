#include "exporters/temporal/time_histogram.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "common/metrics/utf8.h"

namespace sidecar::temporal {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
// OpenMetrics allows an exemplar 128 characters of names and values: "workflow_id", "run_id" and a
// run id of 36 leave 75.
constexpr std::size_t kWorkflowIdLength = 75, kRunIdLength = 36;

bool Fits(std::string_view id, std::size_t most) {
  return !id.empty() && id.size() <= 4 * most && IsUtf8(id) && CodePoints(id) <= most;
}

}  // namespace

void TimeHistogram::Observe(std::int64_t ns, const RunExemplar* exemplar) {
  ns = std::max<std::int64_t>(ns, 0);
  const double seconds = static_cast<double>(ns) / 1e9;
  const auto bucket = static_cast<std::size_t>(
      std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin());
  ++counts_[bucket];
  nanos_ += static_cast<std::uint64_t>(ns % kNanos);
  seconds_ += static_cast<std::uint64_t>(ns / kNanos) + nanos_ / kNanos;
  nanos_ %= kNanos;
  if (exemplar == nullptr || !Fits(exemplar->run_id, kRunIdLength)) return;
  if (kept_.empty()) kept_.resize(counts_.size());
  Kept& kept = kept_[bucket];
  // Prometheus refuses an exemplar that is older than the one it has.
  if (!kept.run_id.empty() && exemplar->time_ms <= kept.time_ms) return;
  const bool fits = Fits(exemplar->workflow_id, kWorkflowIdLength);
  kept.workflow_id = fits ? exemplar->workflow_id : std::string_view();
  kept.run_id = exemplar->run_id;
  kept.time_ms = exemplar->time_ms;
  kept.seconds = seconds;
}

void TimeHistogram::Merge(const TimeHistogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  nanos_ += other.nanos_;
  seconds_ += other.seconds_ + nanos_ / kNanos;
  nanos_ %= kNanos;
}

std::uint64_t TimeHistogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

double TimeHistogram::sum() const {
  return static_cast<double>(seconds_) + static_cast<double>(nanos_) / 1e9;
}

void TimeHistogram::Put(Sink& sink, Sink::Handle family,
                        std::span<const std::string_view> labels) const {
  std::vector<double> cumulative;
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts_) {
    cumulative.push_back(static_cast<double>(total += count));
  }
  std::vector<std::array<LabelPair, 2>> names;
  names.reserve(kept_.size());
  std::vector<Exemplar> exemplars;
  for (const Kept& kept : kept_) {
    if (kept.run_id.empty()) continue;
    names.push_back({LabelPair{"workflow_id", kept.workflow_id}, LabelPair{"run_id", kept.run_id}});
    std::span<const LabelPair> pairs = names.back();
    if (kept.workflow_id.empty()) pairs = pairs.subspan(1);
    exemplars.push_back({kept.seconds, kept.time_ms, pairs});
  }
  sink.Put(family, HistogramValue{bounds_, cumulative, sum(), exemplars}, labels);
}

void TimeHistogram::PutZero(Sink& sink, Sink::Handle family,
                            std::span<const std::string_view> labels) const {
  const std::vector<double> zero(counts_.size());
  sink.Put(family, HistogramValue{bounds_, zero, 0}, labels);
}

void TimeHistogram::Encode(StateWriter& out) const {
  out.Number(counts_.size());
  for (const std::uint64_t count : counts_) out.Number(count);
  out.Number(seconds_).Number(nanos_);
}

bool TimeHistogram::Decode(StateReader& in) {
  if (in.Number() != counts_.size()) return false;
  for (std::uint64_t& count : counts_) count = in.Number();
  seconds_ = in.Number();
  nanos_ = in.Number();
  return in.ok() && nanos_ < static_cast<std::uint64_t>(kNanos);
}

}  // namespace sidecar::temporal
