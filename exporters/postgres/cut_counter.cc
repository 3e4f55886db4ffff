#include "exporters/postgres/cut_counter.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>

#include <string>

#include "common/collect/self_metrics.h"

namespace sidecar::postgres {

CutCounter::CutCounter(prometheus::Registry& registry) : family_(DroppedSeries(registry)) {}

void CutCounter::Add(std::string_view collector, std::size_t series) const {
  family_
      .Add({{"exporter", "postgres"}, {"collector", std::string(collector)}, {"reason", "limit"}})
      .Increment(static_cast<double>(series));
}

}  // namespace sidecar::postgres
