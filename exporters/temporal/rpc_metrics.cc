#include "exporters/temporal/rpc_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <vector>

namespace sidecar::temporal {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

Family<Counter>& Counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Labels BucketLabels(std::string_view bucket, const std::string& name_space) {
  return {{"bucket", std::string(bucket)}, {"temporal_namespace", name_space}};
}

}  // namespace

struct RpcMetrics::Impl {
  explicit Impl(prometheus::Registry& registry)
      : calls(Counters(registry, "temporal_exporter_rpc_total", "Calls of the frontend by code.")),
        throttled(Counters(registry, "temporal_exporter_rpc_throttled_total",
                           "Calls that the server refused as too many, by what it says of it.")),
        used(Counters(registry, "temporal_exporter_rate_budget_used_total",
                      "Calls that the exporter's own budget allowed.")),
        waited(Counters(registry, "temporal_exporter_rate_budget_wait_seconds_total",
                        "Time that calls waited for the exporter's own budget.")),
        refused(Counters(registry, "temporal_exporter_rate_budget_refused_total",
                         "Calls not made because the budget had none left within their time.")),
        seconds(prometheus::BuildHistogram()
                    .Name("temporal_exporter_rpc_duration_seconds")
                    .Help("Duration of the frontend's answers.")
                    .Register(registry)),
        rate(prometheus::BuildGauge()
                 .Name("temporal_exporter_rate_budget_calls_per_second")
                 .Help("Calls a second that the budget allows: halved by each throttling.")
                 .Register(registry)) {}

  // A series that names a namespace: kept, to be removed with it.
  template <class T>
  T& Of(Family<T>& family, const std::string& name_space, const Labels& labels) {
    T& series = family.Add(labels);
    if constexpr (std::is_same_v<T, Counter>) {
      counters[name_space].insert({&series, &family});
    } else {
      gauges[name_space].insert({&series, &family});
    }
    return series;
  }

  std::mutex mutex;  // a series is not removed while another thread writes to it
  std::map<std::string, std::map<Counter*, Family<Counter>*>> counters;
  std::map<std::string, std::map<Gauge*, Family<Gauge>*>> gauges;
  Family<Counter>&calls, &throttled, &used, &waited, &refused;
  Family<Histogram>& seconds;
  Family<Gauge>& rate;
};

RpcMetrics::RpcMetrics(prometheus::Registry& registry) : impl_(std::make_unique<Impl>(registry)) {}
RpcMetrics::~RpcMetrics() = default;

void RpcMetrics::Called(std::string_view method, std::string_view code, double seconds) {
  impl_->calls.Add({{"method", std::string(method)}, {"code", std::string(code)}}).Increment();
  static const Histogram::BucketBoundaries kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                   0.25,  0.5,    1,     2.5,  5,     10};
  impl_->seconds.Add({{"method", std::string(method)}}, kBounds).Observe(seconds);
}

void RpcMetrics::Throttled(std::string_view method, const std::string& name_space,
                           std::string_view cause, std::string_view scope) {
  const std::scoped_lock lock(impl_->mutex);
  impl_
      ->Of(impl_->throttled, name_space,
           {{"method", std::string(method)},
            {"temporal_namespace", name_space},
            {"cause", std::string(cause)},
            {"scope", std::string(scope)}})
      .Increment();
}

void RpcMetrics::Used(std::string_view bucket, const std::string& name_space,
                      double waited_seconds) {
  const Labels labels = BucketLabels(bucket, name_space);
  const std::scoped_lock lock(impl_->mutex);
  impl_->Of(impl_->used, name_space, labels).Increment();
  impl_->Of(impl_->waited, name_space, labels).Increment(waited_seconds);
}

void RpcMetrics::Refused(std::string_view bucket, const std::string& name_space) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->Of(impl_->refused, name_space, BucketLabels(bucket, name_space)).Increment();
}

void RpcMetrics::Rate(std::string_view bucket, const std::string& name_space,
                      double calls_per_second) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->Of(impl_->rate, name_space, BucketLabels(bucket, name_space)).Set(calls_per_second);
}

void RpcMetrics::Forget(const std::string& name_space) {
  const std::scoped_lock lock(impl_->mutex);
  for (const auto& [series, family] : impl_->counters[name_space]) family->Remove(series);
  for (const auto& [series, family] : impl_->gauges[name_space]) family->Remove(series);
  impl_->counters.erase(name_space);
  impl_->gauges.erase(name_space);
}

}  // namespace sidecar::temporal
