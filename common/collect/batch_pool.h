#pragma once
// Batches of one member, used again once their last reader has let go, so that a scrape allocates
// nothing per sample. The last reader may be any thread, after the engine has gone: what is handed
// out owns the pool. Thread-safe.
//
//   std::shared_ptr<Batch> batch = pool->Take();  // empty
//   Sink sink(*batch, limits);

#include <memory>
#include <mutex>
#include <vector>

#include "common/metrics/batch.h"

namespace sidecar {

class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  BatchPool();
  std::shared_ptr<Batch> Take();

 private:
  void Return(std::unique_ptr<Batch> batch);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Batch>> free_;
};

}  // namespace sidecar
