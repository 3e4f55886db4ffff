#include "common/http/http_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>

namespace sidecar::http {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;

Counters& AddFamily(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

struct HttpMetrics::Impl {
  Impl(prometheus::Registry& registry, const std::string& exporter)
      : labels(exporter.empty() ? prometheus::Labels{}
                                : prometheus::Labels{{"exporter", exporter}}),
        requests(AddFamily(registry, "sidecar_http_requests_total", "HTTP requests by answer.")),
        refused(AddFamily(registry, "sidecar_http_connections_refused_total",
                          "Connections refused for want of a place (limit) or a descriptor.")),
        closed(AddFamily(registry, "sidecar_http_connections_closed_total",
                         "Connections closed by a limit: evicted, idle or a timeout.")),
        connections(prometheus::BuildGauge()
                        .Name("sidecar_http_connections")
                        .Help("HTTP connections that are open.")
                        .Register(registry)
                        .Add(labels)),
        limit(With(refused, "reason", "limit")),
        descriptors(With(refused, "reason", "descriptors")),
        evicted(With(closed, "reason", "evicted")),
        idle(With(closed, "reason", "idle")),
        header_timeout(With(closed, "reason", "header_timeout")),
        write_timeout(With(closed, "reason", "write_timeout")) {}

  prometheus::Counter& With(Counters& family, const char* name, const std::string& value) const {
    prometheus::Labels all = labels;
    all.emplace(name, value);
    return family.Add(all);
  }

  const prometheus::Labels labels;
  Counters &requests, &refused, &closed;
  prometheus::Gauge& connections;
  prometheus::Counter &limit, &descriptors, &evicted, &idle, &header_timeout, &write_timeout;
  std::mutex mutex;  // guards by_code
  std::map<int, prometheus::Counter*> by_code;
};

HttpMetrics::HttpMetrics(prometheus::Registry& registry, const std::string& exporter)
    : impl_(std::make_unique<Impl>(registry, exporter)) {}
HttpMetrics::~HttpMetrics() = default;

void HttpMetrics::Answered(int status) {
  const std::scoped_lock lock(impl_->mutex);
  prometheus::Counter*& counter = impl_->by_code[status];
  if (counter == nullptr) counter = &impl_->With(impl_->requests, "code", std::to_string(status));
  counter->Increment();
}

void HttpMetrics::Opened() { impl_->connections.Increment(); }
void HttpMetrics::Gone() { impl_->connections.Decrement(); }

void HttpMetrics::Count(Refused reason) {
  (reason == Refused::kLimit ? impl_->limit : impl_->descriptors).Increment();
}

void HttpMetrics::Count(Closed reason) {
  switch (reason) {
    case Closed::kEvicted:
      return impl_->evicted.Increment();
    case Closed::kIdle:
      return impl_->idle.Increment();
    case Closed::kHeaderTimeout:
      return impl_->header_timeout.Increment();
    case Closed::kWriteTimeout:
      return impl_->write_timeout.Increment();
  }
}

}  // namespace sidecar::http
