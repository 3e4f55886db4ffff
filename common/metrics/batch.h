#pragma once
// What one run of a collector produced: families and their rows, in no format. Filled through a
// Sink by one thread in any row order (families stay together), then shared read-only by scrapes,
// caches and encoders. Clear keeps the buffers, so nothing is allocated per sample in steady state
// (ADR 1).
//
//   Batch batch;
//   Sink sink(batch, limits);
//   ... collect ...
//   if (batch.failure()) ...       // past a bound: the run counts as failed
//   dropped += batch.Seal();       // rows that repeat an earlier one's labels are gone

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/metrics/family.h"

namespace sidecar {

class Batch {
 public:
  Batch();
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  void Clear();        // empty again; buffers and known families are kept
  std::size_t Seal();  // drops rows whose family and labels repeat; how many

  // Whether both say the same, in the same order, byte for byte. False where a part is missing, or
  // for exemplars.
  bool SameAs(const Batch& other) const;
  // Little enough to be kept beside what is served: the last run's rows, what they were packed to.
  bool small() const;

  std::size_t samples() const;  // rows: a histogram is one
  // The first bound that was passed or value that was refused; the run is discarded whole.
  const std::optional<Error>& failure() const;
  const std::vector<Error>& warnings() const;  // parts that are missing

  struct Impl;  // batch_impl.h: for Sink and the encoders only
  Impl& impl() { return *impl_; }
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar
