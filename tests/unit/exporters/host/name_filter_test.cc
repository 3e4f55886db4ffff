#include "exporters/host/name_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/config/document.h"

namespace sidecar::host {
namespace {

// Faults of the options are left in the table.
NameFilter Filter(const std::string& include, const std::string& exclude) {
  const FilterOptions options{.include = include, .exclude = exclude};
  Document none = Document::Describing();
  TableReader table = none.Root();
  return options.Compile(table);
}

TEST(NameFilter, WithoutExpressionsKeepsEverything) {
  NameFilter filter;
  EXPECT_TRUE(filter.Keeps(""));
  EXPECT_TRUE(filter.Keeps("eth0"));
}

TEST(NameFilter, SearchesAnywhereInTheName) {
  NameFilter only = Filter("th", "");
  EXPECT_TRUE(only.Keeps("eth0"));
  EXPECT_FALSE(only.Keeps("lo"));
  NameFilter but = Filter("", "^(veth|cali)");
  EXPECT_FALSE(but.Keeps("veth12"));
  EXPECT_TRUE(but.Keeps("xveth12"));
}

TEST(NameFilter, SaysTheSameTheSecondTimeAndAfterMoreNamesThanItRemembers) {
  NameFilter filter = Filter("", "7$");
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_EQ(filter.Keeps("dev" + std::to_string(i)), i % 10 != 7) << i;
    }
  }
}

TEST(NameFilter, TakesNamesThatAreNoUtf8) {
  NameFilter filter = Filter("", "^sd");
  EXPECT_FALSE(filter.Keeps("sd\xff\xfe"));
  EXPECT_TRUE(filter.Keeps(std::string_view("\0\xff", 2)));
}

}  // namespace
}  // namespace sidecar::host
