#include "exporters/temporal/series_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/metrics/utf8.h"

namespace sidecar::temporal {
namespace {

struct Cell {
  std::uint64_t count = 0;
};
using Table = SeriesTable<Cell, 2>;

class SeriesTableTest : public ::testing::Test {
 protected:
  std::shared_ptr<SeriesBudget> budget_ = std::make_shared<SeriesBudget>(1'000'000);
  Table table_{{.unbounded = 2, .cost = 10}, budget_};
};

TEST_F(SeriesTableTest, ANewRowIsZeroUntilAScrapeHasSeenItAndAPublishFollowed) {
  table_.At({"Order", "q"}).count = 5;
  auto rows = table_.Publish();
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_FALSE(rows->front()->shown);
  EXPECT_FALSE(table_.Publish()->front()->shown);  // nobody has seen it
  rows->front()->scraped->store(true);
  EXPECT_FALSE(rows->front()->shown);
  rows = table_.Publish();
  EXPECT_TRUE(rows->front()->shown);
  EXPECT_EQ(rows->front()->cell.count, 5U);
}

TEST_F(SeriesTableTest, ASnapshotDoesNotChange) {
  table_.At({"Order", "q"}).count = 5;
  const auto before = table_.Publish();
  table_.At({"Order", "q"}).count = 6;
  table_.At({"Other", "q"}).count = 1;
  EXPECT_EQ(before->front()->cell.count, 5U);
  EXPECT_EQ(before->size(), 1U);
  const auto after = table_.Publish();
  ASSERT_EQ(after->size(), 2U);
  EXPECT_EQ(after->front()->cell.count, 6U);
}

TEST_F(SeriesTableTest, WithoutChangesTheSnapshotIsTheSame) {
  table_.At({"Order", "q"}).count = 5;
  table_.Publish()->front()->scraped->store(true);
  const auto rows = table_.Publish();
  EXPECT_EQ(table_.Publish(), rows);
}

TEST_F(SeriesTableTest, PastTheLimitTypesBecomeOtherAndNothingIsLost) {
  table_.Limit(100);  // ten rows
  for (int i = 0; i < 100'000; ++i) ++table_.At({"type" + std::to_string(i), "q"}).count;
  EXPECT_EQ(table_.size(), 11U);
  EXPECT_EQ(table_.overflow(), 99'990U);
  std::uint64_t total = 0;
  table_.ForEach([&](const Table::Labels& labels, const Cell& cell) {
    total += cell.count;
    if (labels[0] == kOther) {
      EXPECT_EQ(labels[1], "q");
      EXPECT_EQ(cell.count, 99'990U);
    }
  });
  EXPECT_EQ(total, 100'000U);
}

TEST_F(SeriesTableTest, QueuesAreBoundedToo) {
  table_.Limit(100);
  for (int i = 0; i < 100'000; ++i) {
    ++table_.At({"type" + std::to_string(i), "queue" + std::to_string(i)}).count;
  }
  EXPECT_LE(table_.size(), 10U + 50 + 1);
  EXPECT_GT(table_.At({std::string(kOther), std::string(kOther)}).count, 90'000U);
}

TEST_F(SeriesTableTest, TablesShareABudgetAndReturnIt) {
  budget_->Limit(50);
  for (int i = 0; i < 5; ++i) table_.At({std::to_string(i), "q"});
  {
    Table second({.unbounded = 2, .cost = 10}, budget_);
    second.At({"x", "q"});
    EXPECT_EQ(second.overflow(), 1U);
    EXPECT_EQ(budget_->used(), 50);  // what is "__other__" altogether is beyond it
    EXPECT_EQ(second.At({std::string(kOther), std::string(kOther)}).count, 0U);
    EXPECT_EQ(second.size(), 1U);
  }
  EXPECT_EQ(budget_->used(), 50);
  budget_->Limit(1'000);
  Table third({.unbounded = 2, .cost = 10}, budget_);
  third.At({"x", "q"});
  EXPECT_EQ(third.overflow(), 0U);
}

TEST_F(SeriesTableTest, WithoutABudgetThereIsOneRowForAllThatIsOther) {
  budget_->Limit(0);
  for (int i = 0; i < 1'000; ++i) {
    ++table_.At({"type" + std::to_string(i), "queue" + std::to_string(i)}).count;
  }
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(table_.At({std::string(kOther), std::string(kOther)}).count, 1'000U);
}

// As a restart does: in the order of the labels, "__other__" before what is in small letters.
TEST_F(SeriesTableTest, WhatIsRestoredFindsTheRoomThatItHad) {
  const auto fill = [](Table& table) {
    table.Limit(100);
    for (int i = 0; i < 200; ++i) {
      ++table.At({"type" + std::to_string(i), "queue" + std::to_string(i)}).count;
    }
  };
  budget_->Limit(400);
  auto before = std::make_unique<Table>(Table::Shape{.unbounded = 2, .cost = 10}, budget_);
  fill(*before);
  std::vector<std::pair<Table::Labels, std::uint64_t>> saved;
  before->ForEach([&](const Table::Labels& labels, const Cell& cell) {
    saved.emplace_back(labels, cell.count);
  });
  before.reset();
  Table after({.unbounded = 2, .cost = 10}, budget_);
  after.Limit(100);
  for (const auto& [labels, count] : saved) after.At(labels).count += count;
  EXPECT_EQ(after.overflow(), 0U);
  EXPECT_EQ(after.size(), saved.size());
}

TEST(BoundedLabel, IsUtf8OfAtMost200Bytes) {
  EXPECT_EQ(BoundedLabel("Order\n\"quoted\\"), "Order\n\"quoted\\");  // encoders escape
  EXPECT_EQ(BoundedLabel("bad\xff\xfe!"), "bad\xef\xbf\xbd!");
  const std::string cut = BoundedLabel(std::string(199, 'x') + "\xe2\x82\xac" + "tail");
  EXPECT_EQ(cut, std::string(199, 'x'));
  EXPECT_EQ(BoundedLabel(std::string(10'240, 'y')).size(), 200U);
  EXPECT_TRUE(IsUtf8(BoundedLabel(std::string(500, '\x80'))));
}

}  // namespace
}  // namespace sidecar::temporal
