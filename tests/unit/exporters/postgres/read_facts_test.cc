#include "exporters/postgres/read_facts.h"

#include <gtest/gtest.h>

#include <array>

namespace sidecar::postgres {
namespace {

std::array<Cell, 14> Cells() {
  return {"150018",
          "PostgreSQL 15.18 on x",
          "15.18",
          "orders",
          "UTF8",
          "f",
          "f",
          "t",
          "t",
          "1700000000.5",
          "1700.5",
          "a\x1f"
          "1.0\x1fpublic\x1e"
          "b\x1f"
          "2.1\x1fq s",
          "4711",
          "1700000001.25"};
}

TEST(ReadFactsTest, ReadsOneRow) {
  FactsReader reader;
  const std::array<Column, 14> columns{};
  ASSERT_TRUE(reader.Begin(columns));
  ASSERT_TRUE(reader.Row(Cells()));
  const Facts& facts = reader.facts();
  EXPECT_EQ(facts.version_num, 150'018);
  EXPECT_EQ(facts.major(), 15);
  EXPECT_EQ(facts.database, "orders");
  EXPECT_FALSE(facts.in_recovery);
  EXPECT_FALSE(facts.superuser);
  EXPECT_TRUE(facts.pg_monitor);
  EXPECT_DOUBLE_EQ(facts.start_time, 1'700'000'000.5);
  ASSERT_EQ(facts.extensions.size(), 2U);
  ASSERT_NE(facts.Find("b"), nullptr);
  EXPECT_EQ(facts.Find("b")->version, "2.1");
  EXPECT_EQ(facts.Find("b")->schema, "q s");
  EXPECT_EQ(facts.Find("c"), nullptr);
  EXPECT_EQ(reader.pid(), 4711);
  EXPECT_EQ(reader.started(), "1700000001.25");
}

TEST(ReadFactsTest, TakesNullsAndNonsenseForNothing) {
  FactsReader reader;
  auto cells = Cells();
  cells.fill(std::nullopt);
  ASSERT_TRUE(reader.Row(cells));
  EXPECT_EQ(reader.facts().version_num, 0);
  EXPECT_TRUE(reader.facts().extensions.empty());
  cells.fill("\x1e\x1f\x1e");
  ASSERT_TRUE(reader.Row(cells));
  EXPECT_EQ(reader.pid(), 0);
}

TEST(ReadFactsTest, RefusesOtherColumns) {
  FactsReader reader;
  const std::array<Column, 3> columns{};
  EXPECT_FALSE(reader.Begin(columns));
}

}  // namespace
}  // namespace sidecar::postgres
