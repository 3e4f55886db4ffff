#include "common/collect/batch_pool.h"

#include <utility>

namespace sidecar {
namespace {

// One being filled and one being read is the steady state of one scraper; more come and go.
constexpr std::size_t kKept = 2;

}  // namespace

BatchPool::BatchPool() { free_.reserve(kKept); }

std::shared_ptr<Batch> BatchPool::Take() {
  std::unique_ptr<Batch> batch;
  {
    const std::scoped_lock lock(mutex_);
    if (!free_.empty()) {
      batch = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (batch) {
    batch->Clear();
  } else {
    batch = std::make_unique<Batch>();
  }
  // Not use_count() on a kept pointer: that load does not synchronize with the last reader.
  return {batch.release(),
          [pool = shared_from_this()](Batch* used) { pool->Return(std::unique_ptr<Batch>(used)); }};
}

void BatchPool::Return(std::unique_ptr<Batch> batch) {
  if (batch->failure()) return;  // a flood's buffers are not worth keeping
  const std::scoped_lock lock(mutex_);
  if (free_.size() < kKept) free_.push_back(std::move(batch));
}

}  // namespace sidecar
