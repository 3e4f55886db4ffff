#include "common/collect/self_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "common/collect/reason.h"

namespace sidecar {
namespace {

constexpr std::string_view kCollectorLabel[] = {"collector"};

constexpr auto kSamples =
    Gauge("sidecar_collector_samples", "Rows that the collector contributed to this scrape.",
          "exporter", "collector");
constexpr auto kAge =
    Gauge("sidecar_collector_age_seconds",
          "Age of the background result that this scrape was served.", "exporter", "collector");
constexpr auto kDisabled =
    Gauge("sidecar_collector_disabled", "1 for a collector that cannot run here, with the reason.",
          "exporter", "collector", "reason");
constexpr auto kLeftBehind =
    Gauge("sidecar_collector_left_behind_runs",
          "Runs that passed their deadline and have not returned.", "exporter");
constexpr auto kLeftBehindMax =
    Gauge("sidecar_collector_left_behind_runs_max",
          "Left-behind runs at which a lane gets no new thread.", "exporter");

}  // namespace

prometheus::Family<prometheus::Counter>& DroppedSeries(prometheus::Registry& registry) {
  return prometheus::BuildCounter()
      .Name("sidecar_collector_series_dropped_total")
      .Help("Series left out of what a collector gave.")
      .Register(registry);
}

SelfMetrics::SelfMetrics(const Identity& identity, prometheus::Registry& registry)
    : exporter_(identity.name),
      prefix_(identity.prefix),
      errors_(prometheus::BuildCounter()
                  .Name("sidecar_collector_errors_total")
                  .Help("Runs that failed, and scrapes that left without a run's result.")
                  .Register(registry)),
      dropped_(DroppedSeries(registry)),
      scrape_(prometheus::BuildHistogram()
                  .Name("sidecar_scrape_duration_seconds")
                  .Help("How long gathering for one scrape took, without encoding.")
                  .Register(registry)
                  .Add({{"exporter", exporter_}},
                       prometheus::Histogram::BucketBoundaries{0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
                                                               1, 2.5, 5, 10})) {}

void SelfMetrics::CountError(const std::string& collector, Errc reason) {
  errors_
      .Add({{"exporter", exporter_},
            {"collector", collector},
            {"reason", std::string(Reason(reason))}})
      .Increment();
}

void SelfMetrics::CountDropped(const std::string& collector, std::size_t series) {
  dropped_.Add({{"exporter", exporter_}, {"collector", collector}, {"reason", "duplicate"}})
      .Increment(static_cast<double>(series));
}

void SelfMetrics::ObserveScrape(double seconds) { scrape_.Observe(seconds); }

GatherGauges::GatherGauges(const SelfMetrics& self, Sink& sink)
    : self_(self),
      sink_(sink),
      success_(sink.Declare({self.prefix() + "_scrape_collector_success",
                             "Whether a collector succeeded.", "", Kind::kGauge, kCollectorLabel})),
      duration_(
          sink.Declare({self.prefix() + "_scrape_collector_duration_seconds",
                        "How long a collector's run took.", "", Kind::kGauge, kCollectorLabel})) {}

void GatherGauges::Add(const GatherRow& row) {
  const std::string_view labels[] = {row.collector};
  if (success_) sink_.Put(*success_, row.success ? 1 : 0, labels);
  if (duration_) sink_.Put(*duration_, row.seconds, labels);
  sink_.Add(kSamples, row.samples, self_.exporter(), row.collector);
  if (row.age_seconds) sink_.Add(kAge, *row.age_seconds, self_.exporter(), row.collector);
}

void GatherGauges::Disabled(std::string_view collector, Errc reason) {
  sink_.Add(kDisabled, 1, self_.exporter(), collector, Reason(reason));
}

void GatherGauges::LeftBehind(std::size_t runs, std::size_t most) {
  sink_.Add(kLeftBehind, runs, self_.exporter());
  sink_.Add(kLeftBehindMax, most, self_.exporter());
}

}  // namespace sidecar
