#include "common/metrics/batch.h"

#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "common/metrics/batch_impl.h"
#include "common/metrics/sink.h"
#include "tests/support/allocations.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

constexpr auto kOne = Gauge("one", "One.", "a", "b", "c", "d");
constexpr auto kTwo = Counter("two_total", "Two.", "a");
constexpr auto kTime = Histogram("time_seconds", "Time.", "a");

TEST(Batch, IsEmptyAfterClear) {
  Batch batch;
  Sink sink(batch, {.series = 2});
  sink.Add(kTwo, 1, "x");
  sink.Add(kTwo, 1, "y");
  sink.Add(kTwo, 1, "z");
  sink.Warn({Errc::kDenied, "part"});
  ASSERT_TRUE(batch.failure());
  batch.Clear();
  EXPECT_EQ(batch.samples(), 0U);
  EXPECT_FALSE(batch.failure());
  EXPECT_TRUE(batch.warnings().empty());
  EXPECT_EQ(Encoded(batch), "");
  sink.Add(kTwo, 5, "x");
  EXPECT_EQ(Encoded(batch),
            "# HELP two_total Two.\n# TYPE two_total counter\ntwo_total{a=\"x\"} 5\n");
}

TEST(Batch, OrdersFamiliesByTheirFirstRowOfThisRun) {
  Batch batch;
  Sink sink(batch);
  sink.Add(kTwo, 1, "x");
  sink.Add(kOne, 1, "", "", "", "");
  batch.Clear();
  sink.Add(kOne, 1, "", "", "", "");
  sink.Add(kTwo, 1, "x");
  const std::string text = Encoded(batch);
  EXPECT_LT(text.find("TYPE one"), text.find("TYPE two_total"));
}

TEST(Batch, AllocatesNothingOnceItHasSeenARunOfTheSize) {
  const std::array<double, 3> bounds{1, 2, 3};
  const std::array<double, 4> cumulative{1, 2, 3, 4};
  const LabelPair id[] = {{"id", "7"}}, foreign[] = {{"z", "1"}, {"y", "2"}};
  const Exemplar exemplars[] = {{1.5, 1'000, id}};
  const std::string_view dynamic_labels[] = {"oid"};
  Batch batch;
  const auto fill = [&] {
    batch.Clear();
    Sink sink(batch);
    const auto dynamic = sink.Declare({"dynamic", "Help.", "", Kind::kGauge, dynamic_labels});
    const auto file = sink.Declare({"file", "Help.", "", Kind::kUnknown, {}});
    for (int i = 0; i < 2'000; ++i) {
      std::array<char, 8> text{};
      const auto end = std::to_chars(text.data(), text.data() + text.size(), i % 1'900).ptr;
      const std::string_view label(text.data(), static_cast<std::size_t>(end - text.data()));
      sink.Add(kOne, i, label, "idle", "a longer label value", "");
      sink.Add(kTwo, i, label);
      sink.Add(kTime, HistogramValue{bounds, cumulative, 1, exemplars}, label);
      sink.Put(*dynamic, i, {&label, 1});
      sink.PutForeign(*file, i, foreign);
    }
    return batch.Seal();
  };
  fill();
  const std::size_t dropped = fill();
  EXPECT_EQ(dropped, 4U * 100 + 1'999);
  const Allocations counted;
  fill();
  EXPECT_EQ(counted.count(), 0U);
}

TEST(Batch, HoldsASeriesOfFourLabelsInAboutSeventyBytes) {
  Batch batch;
  Sink sink(batch, {.series = 100'000});
  for (int i = 0; i < 100'000; ++i) {
    sink.Add(kOne, i, "cpu" + std::to_string(i % 64), "idle", "node-" + std::to_string(i),
             "a label value of thirty bytes.");
  }
  ASSERT_EQ(batch.samples(), 100'000U);
  EXPECT_LT(batch.impl().bytes(), 75U * 100'000);
}

TEST(Batch, SealDropsRowsWhoseLabelsRepeat) {
  Batch batch;
  Sink sink(batch);
  for (int i = 0; i < 1'000; ++i) sink.Add(kTwo, i, std::to_string(i % 400));
  sink.Add(kOne, 1, "x", "", "", "");
  sink.Add(kOne, 2, "", "x", "", "");
  sink.Add(kOne, 3, "x", "", "", "");
  EXPECT_EQ(batch.Seal(), 601U);
  EXPECT_EQ(batch.samples(), 402U);
  EXPECT_EQ(batch.Seal(), 0U);
  const std::string text = Encoded(batch);
  EXPECT_NE(text.find("two_total{a=\"399\"} 399\n"), std::string::npos);
  EXPECT_NE(text.find("one{a=\"x\",b=\"\",c=\"\",d=\"\"} 1\n"), std::string::npos);
  EXPECT_EQ(text.find("} 3\n# "), std::string::npos);
}

TEST(Batch, SealComparesLabelsWhateverTheirOrderAndWithoutEmptyOnes) {
  const std::string_view ab[] = {"a", "b"}, ba[] = {"b", "a"}, xy[] = {"x", "y"}, yx[] = {"y", "x"};
  const LabelPair pairs[] = {{"b", "y"}, {"c", ""}, {"a", "x"}}, other[] = {{"ab", "xy"}};
  Batch batch;
  Sink sink(batch);
  const auto first = sink.Declare({"v", "", "", Kind::kGauge, ab});
  const auto second = sink.Declare({"v", "", "", Kind::kGauge, ba});
  ASSERT_TRUE(first && second);
  sink.Put(*first, 1, xy);
  sink.Put(*second, 2, yx);
  sink.PutForeign(*second, 3, pairs);
  sink.PutForeign(*second, 4, other);
  sink.PutForeign(*first, 5, other);
  EXPECT_EQ(batch.Seal(), 3U);
  EXPECT_EQ(Encoded(batch), "# TYPE v gauge\nv{a=\"x\",b=\"y\"} 1\nv{ab=\"xy\"} 4\n");
}

TEST(Batch, SealsManyLabelListsOfOneNameInReasonableTime) {
  Batch batch;
  Sink sink(batch);
  for (int i = 0; i < 20'000; ++i) {
    const std::string label = "l" + std::to_string(i);
    const std::string_view labels[] = {label};
    const auto handle = sink.Declare({"v", "", "", Kind::kGauge, labels});
    ASSERT_TRUE(handle) << handle.error().message;
    sink.Put(*handle, 1, labels);
  }
  EXPECT_EQ(batch.Seal(), 0U);
  EXPECT_EQ(batch.samples(), 20'000U);
}

TEST(Batch, ForgetsDeclaredFamiliesThatARunDidNotUse) {
  Batch batch;
  for (int run = 0; run < 1'000; ++run) {
    batch.Clear();
    Sink sink(batch);
    sink.Add(kTwo, run, "x");
    for (int i = 0; i < 10; ++i) {
      const std::string name = "query_" + std::to_string(run) + "_" + std::to_string(i);
      const auto handle = sink.Declare({name, "Help.", "", Kind::kGauge, {}});
      ASSERT_TRUE(handle);
      if (i % 2 == 0) sink.Put(*handle, i, {});
      if (i % 3 == 0) sink.PutForeign(*handle, i, {});
    }
    ASSERT_LE(batch.impl().families.size(), 60U);
    ASSERT_EQ(batch.samples(), 10U);
  }
  batch.Clear();
  batch.Clear();
  EXPECT_EQ(batch.impl().families.size(), 1U);  // the constant's
}

TEST(Batch, DoesNotMistakeFamiliesThatFollowEachOtherAtOneAddress) {
  Batch batch;
  Sink sink(batch);
  const auto add = [&](auto family) { sink.Add(family, 1, "x"); };
  add(Gauge("first", "h", "a"));
  add(Gauge("second", "h", "a"));
  add(Gauge("first", "h", "a"));
  EXPECT_EQ(batch.Seal(), 1U);
  EXPECT_EQ(Encoded(batch),
            "# HELP first h\n# TYPE first gauge\nfirst{a=\"x\"} 1\n"
            "# HELP second h\n# TYPE second gauge\nsecond{a=\"x\"} 1\n");
}

TEST(Batch, KeepsItsRowsWhenMoved) {
  Batch batch;
  Sink(batch).Add(kTwo, 1, "x");
  const std::string before = Encoded(batch);
  Batch moved = std::move(batch);
  EXPECT_EQ(Encoded(moved), before);
  Batch other;
  Sink(other).Add(kTwo, 2, "y");
  other = std::move(moved);
  EXPECT_EQ(Encoded(other), before);
}

constexpr auto kOther = Gauge("other_value", "Another.", "a");
constexpr auto kTimes = Histogram("run_seconds", "Time of a run.");

TEST(Batch, SaysTheSameOnlyByteForByte) {
  const auto made = [](const auto& fill) {
    Batch batch;
    Sink sink(batch);
    fill(sink);
    batch.Seal();
    return batch;
  };
  const auto number = [&](double value, std::string_view label = "x") {
    return made([&](Sink& sink) { sink.Add(kOther, value, label); });
  };
  const auto times = [&](double count, double sum, double bound) {
    return made([&](Sink& sink) {
      const std::array<double, 1> bounds{bound};
      const std::array<double, 2> counts{count, count};
      sink.Add(kTimes, HistogramValue{bounds, counts, sum, {}});
    });
  };
  EXPECT_TRUE(number(1).SameAs(number(1)));
  EXPECT_TRUE(number(std::nan("")).SameAs(number(std::nan(""))));
  EXPECT_TRUE(times(1, 2, 3).SameAs(times(1, 2, 3)));
  EXPECT_TRUE(Batch().SameAs(Batch()));
  EXPECT_FALSE(number(1).SameAs(number(2)));
  EXPECT_FALSE(number(0.0).SameAs(number(-0.0)));
  EXPECT_FALSE(number(1).SameAs(number(1, "y")));
  EXPECT_FALSE(number(1).SameAs(Batch()));
  EXPECT_FALSE(times(1, 2, 3).SameAs(times(2, 2, 3)));
  EXPECT_FALSE(times(1, 2, 3).SameAs(times(1, 3, 3)));
  EXPECT_FALSE(times(1, 2, 3).SameAs(times(1, 2, 4)));
  const auto declared = [&](FamilyInfo info) {
    return made([&](Sink& sink) { sink.Put(*sink.Declare(info), 1, {}); });
  };
  const Batch gauge = declared({"n", "N.", "", Kind::kGauge, {}});
  EXPECT_TRUE(gauge.SameAs(declared({"n", "N.", "", Kind::kGauge, {}})));
  EXPECT_FALSE(gauge.SameAs(declared({"m", "N.", "", Kind::kGauge, {}})));
  EXPECT_FALSE(gauge.SameAs(declared({"n", "M.", "", Kind::kGauge, {}})));
  EXPECT_FALSE(gauge.SameAs(declared({"n", "N.", "", Kind::kCounter, {}})));
}

TEST(Batch, SaysTheSameWhateverElseItHasDeclared) {
  Batch used, fresh;
  Sink(used).Add(kOther, 1, "gone");
  used.Clear();
  Sink(used).Add(kOther, 2, "x");
  Sink(fresh).Add(kOther, 2, "x");
  EXPECT_TRUE(used.SameAs(fresh));
}

TEST(Batch, IsNotTheSameWhereARowWasRefused) {
  Batch refused, without, again;
  Sink(without).Add(kOther, 1, "x");
  for (Batch* batch : {&refused, &again}) {
    Sink sink(*batch);
    sink.Add(kOther, 1, "x");
    sink.Add(kOther, 2, std::string(100'000, 'y'));
    ASSERT_TRUE(batch->failure());
  }
  EXPECT_FALSE(refused.SameAs(without));
  EXPECT_FALSE(without.SameAs(refused));
  EXPECT_FALSE(refused.SameAs(again));
}

TEST(Batch, SaysWhatIsSaidOfAFamilyNow) {
  Batch batch;
  const auto fill = [&](std::string_view help) {
    batch.Clear();
    Sink sink(batch);
    sink.Put(*sink.Declare({"n", help, "", Kind::kGauge, {}}), 1, {});
    static_cast<void>(sink.Declare({"n", "too late", "", Kind::kGauge, {}}));
    const std::array<LabelPair, 1> id{LabelPair{"id", "x"}};
    sink.PutForeign(*sink.Declare({"f", help, "", Kind::kGauge, {}}), 1, id);
    Batch all;
    Sink(all).Append(batch);
    EXPECT_EQ(Encoded(all), Encoded(batch));
    return Encoded(batch);
  };
  const auto said = [](const std::string& help) {
    return "# HELP n " + help + "\n# TYPE n gauge\nn 1\n# HELP f " + help +
           "\n# TYPE f gauge\nf{id=\"x\"} 1\n";
  };
  for (const char* const help : {"old", "newer", "new"}) EXPECT_EQ(fill(help), said(help));
}

TEST(Batch, IsNotTheSameWhereAPartIsMissing) {
  Batch one, other;
  Sink(one).Warn({Errc::kNoData, "missing"});
  EXPECT_FALSE(one.SameAs(other));
  EXPECT_FALSE(other.SameAs(one));
}

}  // namespace
}  // namespace sidecar
