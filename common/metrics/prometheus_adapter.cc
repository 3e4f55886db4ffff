#include "common/metrics/prometheus_adapter.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace sidecar {
namespace {

using prometheus::ClientMetric;

Kind KindOf(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return Kind::kCounter;
    case prometheus::MetricType::Gauge:
      return Kind::kGauge;
    case prometheus::MetricType::Summary:
      return Kind::kSummary;
    case prometheus::MetricType::Histogram:
      return Kind::kHistogram;
    case prometheus::MetricType::Untyped:
      break;
  }
  return Kind::kUnknown;
}

double NumberOf(const ClientMetric& metric, prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return metric.counter.value;
    case prometheus::MetricType::Gauge:
      return metric.gauge.value;
    default:
      return metric.untyped.value;
  }
}

using Values = std::vector<std::string_view>;

void PutHistogram(Sink& sink, Sink::Handle handle, const ClientMetric::Histogram& histogram,
                  const Values& labels) {
  std::vector<double> bounds, counts;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    if (std::isinf(bucket.upper_bound)) continue;  // the last one, which is the count
    bounds.push_back(bucket.upper_bound);
    counts.push_back(static_cast<double>(bucket.cumulative_count));
  }
  counts.push_back(static_cast<double>(histogram.sample_count));
  sink.Put(handle, HistogramValue{bounds, counts, histogram.sample_sum}, labels);
}

void PutSummary(Sink& sink, Sink::Handle handle, ClientMetric::Summary summary,
                const Values& labels) {
  // In the order that its user gave them.
  std::ranges::sort(summary.quantile, {}, &ClientMetric::Quantile::quantile);
  std::vector<double> quantiles, values;
  for (const ClientMetric::Quantile& quantile : summary.quantile) {
    quantiles.push_back(quantile.quantile);
    values.push_back(quantile.value);
  }
  sink.Put(handle,
           SummaryValue{quantiles, values, static_cast<double>(summary.sample_count),
                        summary.sample_sum},
           labels);
}

// Metrics of one family may differ in their label names: each list of names is declared.
Result<> CopyFamily(prometheus::MetricFamily& family, Sink& sink) {
  for (ClientMetric& metric : family.metric) std::sort(metric.label.begin(), metric.label.end());
  std::sort(family.metric.begin(), family.metric.end(),
            [](const ClientMetric& a, const ClientMetric& b) { return a.label < b.label; });
  Values names, values;
  for (const ClientMetric& metric : family.metric) {
    names.clear();
    values.clear();
    for (const ClientMetric::Label& label : metric.label) {
      names.push_back(label.name);
      values.push_back(label.value);
    }
    const auto handle = sink.Declare({family.name, family.help, {}, KindOf(family.type), names});
    if (!handle) return Fail(handle.error());
    if (family.type == prometheus::MetricType::Histogram) {
      PutHistogram(sink, *handle, metric.histogram, values);
    } else if (family.type == prometheus::MetricType::Summary) {
      PutSummary(sink, *handle, metric.summary, values);
    } else {
      sink.Put(*handle, NumberOf(metric, family.type), values);
    }
  }
  return {};
}

}  // namespace

Result<> CopyInto(const prometheus::Collectable& collectable, Sink& sink) {
  std::vector<prometheus::MetricFamily> families = collectable.Collect();
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  for (prometheus::MetricFamily& family : families) {
    if (auto copied = CopyFamily(family, sink); !copied) return copied;
  }
  return {};
}

}  // namespace sidecar
