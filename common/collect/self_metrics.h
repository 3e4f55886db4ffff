#pragma once
// What the engine says about itself, in the one vocabulary of DESIGN.md section 3. Counters live in
// the process's registry, so they outlive plans; the gauges of one gather go into a batch, so that
// two scrapes never see each other's. Thread-safe.
//
//   self.CountError("cpu", Errc::kTimeout);   // sidecar_collector_errors_total{...}
//   GatherGauges gauges(self, sink);
//   gauges.Add({.collector = "cpu", .success = true, .seconds = 0.001, .samples = 40});

#include <optional>
#include <string>

#include "common/collect/engine.h"
#include "common/metrics/sink.h"

namespace prometheus {
template <class T>
class Family;
class Counter;
class Histogram;
}  // namespace prometheus

namespace sidecar {

// Series left out of what a collector gave, by exporter, collector and reason: "duplicate" is the
// engine's, "limit" whose definition has one.
prometheus::Family<prometheus::Counter>& DroppedSeries(prometheus::Registry& registry);

class SelfMetrics {
 public:
  SelfMetrics(const Identity& identity, prometheus::Registry& registry);

  void CountError(const std::string& collector, Errc reason);
  void CountDropped(const std::string& collector, std::size_t series);  // reason="duplicate"
  void ObserveScrape(double seconds);

  const std::string& exporter() const { return exporter_; }
  const std::string& prefix() const { return prefix_; }

 private:
  std::string exporter_, prefix_;
  prometheus::Family<prometheus::Counter>& errors_;
  prometheus::Family<prometheus::Counter>& dropped_;
  prometheus::Histogram& scrape_;
};

// One member as a gather saw it.
struct GatherRow {
  std::string_view collector;
  bool success;
  double seconds;
  std::size_t samples;
  std::optional<double> age_seconds{};  // background members that have rows
};

class GatherGauges {
 public:
  GatherGauges(const SelfMetrics& self, Sink& sink);
  void Add(const GatherRow& row);
  void Disabled(std::string_view collector, Errc reason);
  void LeftBehind(std::size_t runs, std::size_t most);

 private:
  const SelfMetrics& self_;
  Sink& sink_;
  Result<Sink::Handle> success_, duration_;
};

}  // namespace sidecar
