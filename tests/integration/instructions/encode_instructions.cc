// Encodes 5,000 series of three labels as often as it is told: instructions_test.py runs it under
// callgrind with two numbers, and their difference is what encoding costs.
//
//   encode_instructions text|openmetrics REPETITIONS

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"

namespace sidecar {
namespace {

constexpr auto kGauge = Gauge("bench_relation_size_bytes", "A gauge.", "datname", "schema", "rel");
constexpr auto kCounter = Counter("bench_rows_total", "A counter.", "datname", "schema", "rel");

Snapshot Filled() {
  Batch batch;
  Sink sink(batch);
  for (int row = 0; row < 2'500; ++row) {
    const std::string relation = "orders_" + std::to_string(row);
    sink.Add(kGauge, row * 8'192.0, "orders", "public", relation);
    sink.Add(kCounter, row / 7.0, "orders", "public", relation);
  }
  Snapshot snapshot;
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  return snapshot;
}

int Run(std::string_view format, int repetitions) {
  const Snapshot snapshot = Filled();
  std::size_t bytes = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto encoded = Encode(snapshot, format == "text" ? Format::kText : Format::kOpenMetrics,
                                [&](std::string_view piece) {
                                  bytes += piece.size();
                                  return Result<>{};
                                });
    if (!encoded) return 1;
  }
  std::printf("%zu\n", bytes);
  return bytes > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sidecar

int main(int argc, char** argv) {
  return argc == 3 ? sidecar::Run(argv[1], std::atoi(argv[2])) : 2;
}
