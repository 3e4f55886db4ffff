// 100,000 series of four labels in 50 families, filled row by row across the families: what a batch
// costs to fill, seal and encode, what duplicates between parts cost, and what it holds.
//
//   encode_bench --benchmark_repetitions=9 --benchmark_report_aggregates_only=true

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/metrics/batch_impl.h"
#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"

namespace sidecar {
namespace {

constexpr std::size_t kFamilies = 50, kRows = 2'000;
using LabelledGauge = Family<Kind::kGauge, 4>;

// What a collector would have at hand: families as constants, labels as text.
struct Input {
  Input() {
    for (std::size_t i = 0; i < kFamilies; ++i) {
      names.push_back("pg_stat_user_tables_metric_number_" + std::to_string(i) + "_bytes");
    }
    for (const std::string& name : names) {
      families.push_back(
          {name, "A family of the benchmark.", "", {"datname", "schemaname", "relname", "server"}});
    }
    for (std::size_t i = 0; i < kRows; ++i) tables.push_back("orders_table_" + std::to_string(i));
    std::uint64_t state = 1;
    for (std::size_t i = 0; i < kFamilies * kRows; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      reals.push_back(static_cast<double>(state >> 11U) / 4096);
      wholes.push_back(static_cast<double>(state >> 40U));
    }
  }

  void Fill(Batch& batch, const std::vector<double>& values, std::string_view server) const {
    batch.Clear();
    Sink sink(batch, {.series = kFamilies * kRows});
    std::size_t i = 0;
    for (const std::string& table : tables) {
      for (const LabelledGauge& family : families) {
        sink.Add(family, values[i++], "orders", "public", table, server);
      }
    }
  }

  std::vector<std::string> names, tables;
  std::vector<LabelledGauge> families;
  std::vector<double> reals, wholes;
};

const Input& TheInput() {
  static const Input input;
  return input;
}

void Fill(benchmark::State& state) {
  Batch batch;
  for (auto _ : state) TheInput().Fill(batch, TheInput().reals, "127.0.0.1:5432");
  if (batch.failure() || batch.samples() != kFamilies * kRows) state.SkipWithError("not filled");
  state.counters["bytes_per_series"] =
      static_cast<double>(batch.impl().bytes()) / (kFamilies * kRows);
}
BENCHMARK(Fill)->Unit(benchmark::kMillisecond);

void Seal(benchmark::State& state) {
  Batch batch;
  TheInput().Fill(batch, TheInput().reals, "127.0.0.1:5432");
  for (auto _ : state) benchmark::DoNotOptimize(batch.Seal());
}
BENCHMARK(Seal)->Unit(benchmark::kMillisecond);

void DropDuplicatesBetweenParts(benchmark::State& state) {
  std::vector<std::shared_ptr<const Batch>> parts;
  for (const char* server : {"127.0.0.1:5432", "127.0.0.2:5432"}) {
    Batch batch;
    TheInput().Fill(batch, TheInput().reals, server);
    parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  }
  for (auto _ : state) {
    Snapshot snapshot{parts, {}};
    benchmark::DoNotOptimize(DropDuplicates(snapshot));
  }
}
BENCHMARK(DropDuplicatesBetweenParts)->Unit(benchmark::kMillisecond);

void EncodeBatch(benchmark::State& state, Format format, const std::vector<double>& values) {
  Batch batch;
  TheInput().Fill(batch, values, "127.0.0.1:5432");
  Snapshot snapshot;
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = 0;
    const auto encoded = Encode(snapshot, format, [&](std::string_view piece) {
      bytes += piece.size();
      benchmark::DoNotOptimize(piece.data());
      return Result<>{};
    });
    if (!encoded) state.SkipWithError("not encoded");
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK_CAPTURE(EncodeBatch, text, Format::kText, TheInput().reals)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(EncodeBatch, open_metrics, Format::kOpenMetrics, TheInput().reals)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(EncodeBatch, text_whole_numbers, Format::kText, TheInput().wholes)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sidecar

BENCHMARK_MAIN();
