#include "exporters/postgres/cut_counter.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

#include <string>

namespace sidecar::postgres {

// Same name, help and labels as the engine's (self_metrics.cc): the registry gives the same family.
CutCounter::CutCounter(prometheus::Registry& registry)
    : family_(prometheus::BuildCounter()
                  .Name("sidecar_collector_series_dropped_total")
                  .Help("Series left out of what a collector gave.")
                  .Register(registry)) {}

void CutCounter::Add(std::string_view collector, std::size_t series) const {
  family_
      .Add({{"exporter", "postgres"}, {"collector", std::string(collector)}, {"reason", "limit"}})
      .Increment(static_cast<double>(series));
}

}  // namespace sidecar::postgres
