#include "common/collect/batch_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "common/metrics/sink.h"

namespace sidecar {
namespace {

constexpr auto kRows = Gauge("rows", "Rows.", "n");

TEST(BatchPool, GivesABatchBackOnceItsLastReaderHasGone) {
  const auto pool = std::make_shared<BatchPool>();
  std::shared_ptr<Batch> batch = pool->Take();
  const Batch* const first = batch.get();
  Sink(*batch).Add(kRows, 1, "a");
  std::shared_ptr<const Batch> reader = batch;
  batch.reset();
  EXPECT_NE(pool->Take().get(), first) << "it is being read";
  std::jthread([moved = std::move(reader)] {}).join();
  reader.reset();
  // The two kept are handed out, the last returned first.
  const auto again = pool->Take();
  EXPECT_EQ(again.get(), first);
  EXPECT_EQ(again->samples(), 0U);
}

TEST(BatchPool, KeepsNoBatchThatPassedABound) {
  const auto pool = std::make_shared<BatchPool>();
  auto batch = pool->Take();
  Sink sink(*batch, {.series = 1});
  sink.Add(kRows, 1, "a");
  sink.Add(kRows, 1, "b");
  ASSERT_TRUE(batch->failure());
  batch.reset();
  EXPECT_FALSE(pool->Take()->failure());
}

TEST(BatchPool, MayGoBeforeWhatItHandedOut) {
  auto pool = std::make_shared<BatchPool>();
  auto batch = pool->Take();
  pool.reset();
  Sink(*batch).Add(kRows, 1, "a");
  EXPECT_EQ(batch->samples(), 1U);
}

}  // namespace
}  // namespace sidecar
