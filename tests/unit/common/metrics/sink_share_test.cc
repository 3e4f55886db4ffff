#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "common/metrics/sink.h"

namespace sidecar {
namespace {

constexpr auto kRows = Gauge("rows", "Rows.", "a");

TEST(Sink, SharesABatchWithinItsOwnBounds) {
  const auto part = std::make_shared<Batch>();
  Sink(*part).Add(kRows, 1, "a");
  Sink(*part).Add(kRows, 2, "b");
  part->Seal();
  Batch batch;
  Sink sink(batch, {.series = 3});
  sink.Share(part, /*dropped=*/4);
  EXPECT_EQ(sink.shared(), std::vector<std::shared_ptr<const Batch>>{part});
  EXPECT_EQ(sink.dropped(), 4U);
  EXPECT_EQ(batch.samples(), 0U);
  EXPECT_FALSE(batch.failure());
  sink.Share(part);  // four series
  ASSERT_TRUE(batch.failure());
  EXPECT_EQ(batch.failure()->code, Errc::kLimit);
}

TEST(Sink, PassesOnWhatASharedBatchLacks) {
  const auto part = std::make_shared<Batch>();
  Sink(*part).Warn({Errc::kDenied, "a part is missing"});
  Batch batch;
  Sink(batch).Share(part);
  ASSERT_EQ(batch.warnings().size(), 1U);
  EXPECT_EQ(batch.warnings().front().message, "a part is missing");

  const auto failed = std::make_shared<Batch>();
  Sink(*failed, {.series = 0}).Add(kRows, 1, "a");
  Sink sink(batch);
  sink.Share(failed);
  ASSERT_TRUE(batch.failure());
  EXPECT_EQ(batch.failure()->code, Errc::kLimit);
  EXPECT_TRUE(sink.shared().empty());
}

}  // namespace
}  // namespace sidecar
