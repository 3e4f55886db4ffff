#include "common/metrics/prometheus_adapter.h"

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>

#include <utility>
#include <vector>

#include "tests/support/exposition_parser.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

class Families final : public prometheus::Collectable {
 public:
  explicit Families(std::vector<prometheus::MetricFamily> families)
      : families_(std::move(families)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return families_; }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

TEST(PrometheusAdapter, StreamsARegistrySortedByLabels) {
  prometheus::Registry registry;
  auto& requests = prometheus::BuildCounter()
                       .Name("sidecar_http_requests_total")
                       .Help("Requests by code, \"all\" of them.")
                       .Labels({{"exporter", "host"}})
                       .Register(registry);
  for (const char* code : {"500", "200", "404"}) requests.Add({{"code", code}}).Increment(2);
  prometheus::BuildGauge().Name("a_gauge").Help("A gauge.").Register(registry).Add({}).Set(-1.5);
  auto& histogram = prometheus::BuildHistogram()
                        .Name("duration_seconds")
                        .Help("Duration.")
                        .Register(registry)
                        .Add({{"c", "d"}}, std::vector<double>{0.5, 1});
  for (const double value : {0.1, 0.7, 9.0}) histogram.Observe(value);
  prometheus::BuildSummary()
      .Name("summary")
      .Help("Summary.")
      .Register(registry)
      .Add({}, prometheus::Summary::Quantiles{{0.9, 0.1}, {0.5, 0.1}})
      .Observe(3);

  Batch batch;
  Sink sink(batch);
  const auto copied = CopyInto(registry, sink);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_FALSE(batch.failure());
  const std::string text = Encoded(batch);
  EXPECT_EQ(text, R"(# HELP a_gauge A gauge.
# TYPE a_gauge gauge
a_gauge -1.5
# HELP duration_seconds Duration.
# TYPE duration_seconds histogram
duration_seconds_bucket{c="d",le="0.5"} 1
duration_seconds_bucket{c="d",le="1.0"} 2
duration_seconds_bucket{c="d",le="+Inf"} 3
duration_seconds_sum{c="d"} 9.8
duration_seconds_count{c="d"} 3
# HELP sidecar_http_requests_total Requests by code, "all" of them.
# TYPE sidecar_http_requests_total counter
sidecar_http_requests_total{code="200",exporter="host"} 2
sidecar_http_requests_total{code="404",exporter="host"} 2
sidecar_http_requests_total{code="500",exporter="host"} 2
# HELP summary Summary.
# TYPE summary summary
summary{quantile="0.5"} 3
summary{quantile="0.9"} 3
summary_sum 3
summary_count 1
)");
  EXPECT_TRUE(ParseExposition(text, Format::kText));
}

TEST(PrometheusAdapter, KeepsSeriesOfDifferentLabelNamesInOneFamily) {
  prometheus::MetricFamily family{"foreign", "Foreign.", prometheus::MetricType::Untyped, {}};
  prometheus::ClientMetric one, two;
  one.label = {{"z", "1"}, {"a", "2"}};
  one.untyped.value = 1;
  two.label = {{"b", "3"}};
  two.untyped.value = 2;
  family.metric = {two, one};
  Batch batch;
  Sink sink(batch);
  ASSERT_TRUE(CopyInto(Families({family}), sink));
  EXPECT_EQ(Encoded(batch),
            "# HELP foreign Foreign.\n# TYPE foreign untyped\nforeign{a=\"2\",z=\"1\"} 1\n"
            "foreign{b=\"3\"} 2\n");
}

TEST(PrometheusAdapter, ReportsNamesThatTheLibraryDidNotCheck) {
  prometheus::MetricFamily family{"bad-name", "", prometheus::MetricType::Gauge, {{}}};
  Batch batch;
  Sink sink(batch);
  const auto copied = CopyInto(Families({family}), sink);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Errc::kConfig);
}

}  // namespace
}  // namespace sidecar
