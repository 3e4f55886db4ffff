// How well the streams follow: lag, late and lost runs, audits, sampling, the state file.

#include "exporters/temporal/streams.h"

#include <algorithm>
#include <string_view>

#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kEvents = Counter("temporal_exporter_stream_events_total",
                                 "Runs counted by this process.", "temporal_namespace", "stream");
constexpr auto kLate = Counter("temporal_exporter_stream_late_events_total",
                               "Of them, those that were visible only after their time was read.",
                               "temporal_namespace", "stream");
constexpr auto kMaxLateness =
    Gauge("temporal_exporter_stream_max_lateness_seconds",
          "The latest of them since the start of this process.", "temporal_namespace", "stream");
constexpr auto kLag =
    Gauge("temporal_exporter_stream_lag_seconds",
          "Time since the moment up to which all runs were read.", "temporal_namespace", "stream");
constexpr auto kBehind =
    Gauge("temporal_exporter_stream_catching_up",
          "Whether more than a slice of time is still to be read.", "temporal_namespace", "stream");
constexpr auto kSeen =
    Gauge("temporal_exporter_stream_window_entries",
          "Runs remembered, so that none is counted twice.", "temporal_namespace", "stream");
constexpr auto kPages =
    Counter("temporal_exporter_stream_pages_total", "Pages of visibility that were read.",
            "temporal_namespace", "stream");
constexpr auto kGap = Counter("temporal_exporter_stream_gap_seconds_total",
                              "Time whose runs were given up: too far behind, too many, or the "
                              "clock was set back.",
                              "temporal_namespace", "stream");
constexpr auto kDropped = Counter("temporal_exporter_stream_dropped_total",
                                  "Remembered runs let go (window), rows without id or time "
                                  "(decode).",
                                  "temporal_namespace", "stream", "reason");
constexpr auto kAudited = Counter("temporal_exporter_stream_audits_total",
                                  "Minutes whose runs the server was asked to count as well.",
                                  "temporal_namespace", "stream");
constexpr auto kAuditFailures =
    Counter("temporal_exporter_stream_audit_failures_total",
            "Audits that the server did not answer or allow.", "temporal_namespace", "stream");
constexpr auto kMissing = Counter("temporal_exporter_stream_audit_missing_total",
                                  "Runs that the server had in them and that were not counted.",
                                  "temporal_namespace", "stream");
constexpr auto kExtra = Counter("temporal_exporter_stream_audit_extra_total",
                                "Runs that were counted and that the server no longer has.",
                                "temporal_namespace", "stream");
constexpr auto kTooLate =
    Counter("temporal_exporter_stream_too_late_total",
            "Times that the newest run was already too old to count: the exporter's clock is ahead "
            "of the server's, or the run was visible later than the late window.",
            "temporal_namespace", "stream");
constexpr auto kEligible =
    Counter("temporal_exporter_history_eligible_total",
            "Closed runs whose history could be read for activities.", "temporal_namespace");
constexpr auto kSampled = Counter("temporal_exporter_history_sampled_total",
                                  "Of them, those that were read: rates of activities scale by "
                                  "eligible / sampled.",
                                  "temporal_namespace");
constexpr auto kSkipped = Counter("temporal_exporter_history_skipped_total",
                                  "Of them, those that were not.", "temporal_namespace", "reason");
constexpr auto kWaiting =
    Gauge("temporal_exporter_history_waiting", "Closed runs whose history is still to be read.",
          "temporal_namespace");
constexpr auto kRatio = Gauge("temporal_exporter_history_sampling_ratio",
                              "The share of closed runs that is chosen now.", "temporal_namespace");
constexpr auto kOverflow =
    Counter("temporal_exporter_series_overflow_total",
            "Events counted as __other__ for want of series.", "temporal_namespace", "family");
constexpr auto kWrites =
    Counter("temporal_exporter_state_writes_total", "State files that were written.");
constexpr auto kWriteFailures = Counter("temporal_exporter_state_write_failures_total",
                                        "State files that could not be written.");
constexpr auto kBytes =
    Gauge("temporal_exporter_state_bytes", "Size of the state file; 0 if there is none.");
constexpr FamilyInfo kFamilies[] = {
    kEvents.info(),  kLate.info(),          kMaxLateness.info(),   kLag.info(),
    kBehind.info(),  kSeen.info(),          kPages.info(),         kGap.info(),
    kDropped.info(), kAudited.info(),       kAuditFailures.info(), kMissing.info(),
    kExtra.info(),   kTooLate.info(),       kEligible.info(),      kSampled.info(),
    kSkipped.info(), kWaiting.info(),       kRatio.info(),         kOverflow.info(),
    kWrites.info(),  kWriteFailures.info(), kBytes.info()};

void PutStream(Sink& sink, const std::string& name, std::string_view stream,
               const StreamStats& stats, std::int64_t now_us) {
  const auto lag_us = static_cast<double>(std::max<std::int64_t>(now_us - stats.done_us, 0));
  sink.Add(kEvents, stats.events, name, stream);
  sink.Add(kLate, stats.late, name, stream);
  sink.Add(kMaxLateness, stats.max_lateness_seconds, name, stream);
  sink.Add(kLag, lag_us / 1e6, name, stream);
  sink.Add(kBehind, stats.behind ? 1 : 0, name, stream);
  sink.Add(kSeen, stats.seen, name, stream);
  sink.Add(kPages, stats.pages, name, stream);
  sink.Add(kGap, stats.gap_seconds, name, stream);
  sink.Add(kDropped, stats.dropped_window, name, stream, "window");
  sink.Add(kDropped, stats.dropped_decode, name, stream, "decode");
  sink.Add(kAudited, stats.audited, name, stream);
  sink.Add(kAuditFailures, stats.audit_failures, name, stream);
  sink.Add(kMissing, stats.missing, name, stream);
  sink.Add(kExtra, stats.extra, name, stream);
  sink.Add(kTooLate, stats.too_late, name, stream);
}

void PutHistories(Sink& sink, const std::string& name, const SamplerStats& stats) {
  sink.Add(kEligible, stats.eligible, name);
  sink.Add(kSampled, stats.sampled, name);
  sink.Add(kSkipped, stats.by_ratio, name, "ratio");
  sink.Add(kSkipped, stats.queue_full, name, "queue_full");
  sink.Add(kSkipped, stats.too_long, name, "too_long");
  sink.Add(kSkipped, stats.gone, name, "gone");
  sink.Add(kSkipped, stats.failed, name, "failed");
  sink.Add(kWaiting, stats.waiting, name);
  sink.Add(kRatio, stats.ratio, name);
}

class StreamsCollector final : public Collector {
 public:
  explicit StreamsCollector(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    if (const StateFile* file = env_->state_file()) {
      const StateFile::Stats stats = file->stats();
      sink.Add(kWrites, stats.writes);
      sink.Add(kWriteFailures, stats.failures);
      sink.Add(kBytes, stats.bytes);
    }
    const auto snapshots = env_->streams().snapshots();
    if (snapshots.empty()) return Fail(Errc::kNoData, "no namespace was read yet");
    for (const auto& [name, snapshot] : snapshots) {
      // Now, not at the last read: one that is off or stuck falls further behind.
      const std::int64_t now_us = UsAt(snapshot->at, scrape.clock().mono());
      PutStream(sink, name, "started", snapshot->started, now_us);
      PutStream(sink, name, "closed", snapshot->closed, now_us);
      PutHistories(sink, name, snapshot->histories);
      sink.Add(kOverflow, snapshot->workflow_overflow, name, "workflow");
      sink.Add(kOverflow, snapshot->activity_overflow, name, "activity");
    }
    return {};
  }

 private:
  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> streams_collector{
    .name = "streams",
    .summary = "How well runs are followed: lag, late and lost ones, audits, sampling, state file.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<StreamsCollector>(env); }};

}  // namespace sidecar::temporal
