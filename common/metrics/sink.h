#pragma once
// Where a collector's samples go: a short-lived writer over a Batch, used by one thread.
// A Batch knows no format. It is filled in any row order (families stay together), then shared
// read-only by scrapes, caches and encoders, and reused: nothing is allocated per sample.
// Runs of bytes that are not UTF-8 become U+FFFD, as in node_exporter. What does not fit its
// family, or is no histogram, fails the run (Batch::failure) and nothing more is taken.
//
//   sink.Add(kCpu, seconds, "0", "idle");            // one label too few does not compile
//   auto rows = sink.Declare({name, help, "", Kind::kGauge, labels});  // known at run time
//   if (rows) sink.Put(*rows, 12, values);

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/metrics/batch.h"
#include "common/metrics/family.h"

namespace sidecar {

using LabelPair = std::pair<std::string_view, std::string_view>;

struct Exemplar {
  double value;
  std::int64_t time_ms;               // Unix epoch
  std::span<const LabelPair> labels;  // 128 characters of names and values at most
};
struct HistogramValue {
  std::span<const double> bounds;      // ascending, without +Inf
  std::span<const double> cumulative;  // one more than bounds; foreign counts may be fractions
  double sum;
  std::span<const Exemplar> exemplars{};
};
struct SummaryValue {
  std::span<const double> quantiles, values;
  double count, sum;
};

// Past a bound the run fails with kLimit, unless the collector ranks and cuts by itself. A
// histogram of two bounds is five series; label_bytes bounds each value.
struct Limits {
  std::size_t series = 50'000, label_bytes = 1'024, bytes = 64U << 20U;

  // More series than usual have bytes in proportion.
  static Limits OfSeries(std::size_t series);
};

class Sink {
 public:
  explicit Sink(Batch& batch, Limits limits = {}) : batch_(batch), limits_(limits) {}

  template <Kind K, std::size_t N, class V, std::convertible_to<std::string_view>... L>
    requires(sizeof...(L) == N &&
             (K == Kind::kHistogram ? std::same_as<V, HistogramValue> : std::is_arithmetic_v<V>))
  void Add(const Family<K, N>& family, const V& value, const L&... labels) {
    const std::array<std::string_view, N> values{labels...};
    const Handle handle = Find(&family, family.info());
    if constexpr (K == Kind::kHistogram) {
      Put(handle, value, values);
    } else {
      Put(handle, static_cast<double>(value), values);
    }
  }

  struct Handle {
    std::uint32_t index;
  };
  // `info` is copied. kConfig: an invalid name, or a clash in kind with what the batch has.
  Result<Handle> Declare(const FamilyInfo& info);
  void Put(Handle family, double value, std::span<const std::string_view> labels);
  void Put(Handle family, const HistogramValue& value, std::span<const std::string_view> labels);
  void Put(Handle family, const SummaryValue& value, std::span<const std::string_view> labels);
  // Foreign exposition (textfile): rows of one family may carry different labels.
  void PutForeign(Handle family, double value, std::span<const LabelPair> labels);

  void Append(const Batch& part);  // another batch's samples, e.g. one database's last rows
  // The same without a copy, for what comes again in the next run: `part` is sealed and stays as it
  // is, its families are not added to here. `dropped`: what its Seal returned.
  void Share(std::shared_ptr<const Batch> part, std::size_t dropped = 0);
  void Warn(Error error);  // a part is missing: success 0, its reason; complete rows stay

  const std::vector<std::shared_ptr<const Batch>>& shared() const { return shared_; }
  std::size_t dropped() const { return dropped_; }  // of what is shared

 private:
  Handle Find(const void* key, const FamilyInfo& info);

  Batch& batch_;
  Limits limits_;
  std::vector<std::shared_ptr<const Batch>> shared_{};
  std::size_t dropped_ = 0;
};

}  // namespace sidecar
