#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr auto kUp = Gauge("up", "Up.", "a");
constexpr auto kOther = Gauge("other", "Other.");
constexpr auto kTime = Histogram("time_seconds", "Time.", "a");

template <class Fill>
std::shared_ptr<const Batch> Part(Fill fill) {
  Batch batch;
  Sink sink(batch);
  fill(sink);
  return std::make_shared<const Batch>(std::move(batch));
}

TEST(DropDuplicates, LeavesOutOfLaterPartsWhatEarlierOnesHave) {
  const double bounds[] = {1};
  const double cumulative[] = {1, 2};
  const LabelPair id[] = {{"id", "7"}};
  const Exemplar exemplars[] = {{0.5, 1'000, id}};
  const HistogramValue time{bounds, cumulative, 1, exemplars};
  Snapshot snapshot;
  snapshot.parts.push_back(Part([&](Sink& sink) {
    sink.Add(kUp, 1, "x");
    sink.Add(kTime, time, "x");
  }));
  snapshot.parts.push_back(Part([&](Sink& sink) {
    sink.Add(kOther, 9);
    sink.Add(kUp, 2, "y");
    sink.Add(kUp, 3, "x");
    sink.Add(kTime, time, "x");
    sink.Add(kTime, time, "y");
    sink.Warn({Errc::kDenied, "kept"});
  }));
  snapshot.parts.push_back(Part([](Sink& sink) { sink.Add(kUp, 4, "y"); }));
  const auto first = snapshot.parts[0];
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0, 2, 1));
  EXPECT_EQ(snapshot.parts[0], first);
  EXPECT_EQ(snapshot.parts[1]->samples(), 3U);
  EXPECT_EQ(snapshot.parts[1]->warnings().size(), 1U);
  EXPECT_EQ(Encoded(snapshot, Format::kOpenMetrics), R"(# HELP up Up.
# TYPE up gauge
up{a="x"} 1
up{a="y"} 2
# HELP time_seconds Time.
# TYPE time_seconds histogram
# UNIT time_seconds seconds
time_seconds_bucket{a="x",le="1.0"} 1 # {id="7"} 0.5 1.000
time_seconds_bucket{a="x",le="+Inf"} 2
time_seconds_sum{a="x"} 1
time_seconds_count{a="x"} 2
time_seconds_bucket{a="y",le="1.0"} 1 # {id="7"} 0.5 1.000
time_seconds_bucket{a="y",le="+Inf"} 2
time_seconds_sum{a="y"} 1
time_seconds_count{a="y"} 2
# HELP other Other.
# TYPE other gauge
other 9
# EOF
)");
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0, 0, 0));
}

TEST(DropDuplicates, DoesNotCopyPartsThatLoseNothing) {
  Snapshot snapshot;
  snapshot.parts.push_back(Part([](Sink& sink) { sink.Add(kUp, 1, "x"); }));
  snapshot.parts.push_back(Part([](Sink& sink) { sink.Add(kUp, 1, "y"); }));
  const auto parts = snapshot.parts;
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0, 0));
  EXPECT_EQ(snapshot.parts, parts);
}

TEST(DropDuplicates, LeavesOutAFamilyOfAnotherKind) {
  Snapshot snapshot;
  snapshot.parts.push_back(Part([](Sink& sink) { sink.Add(kUp, 1, "x"); }));
  snapshot.parts.push_back(Part([](Sink& sink) {
    sink.Add(Counter("up", "A counter.", "a"), 2, "y");
    sink.Add(Counter("up", "A counter.", "a"), 2, "z");
    sink.Add(kOther, 1);
  }));
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0, 2));
  EXPECT_EQ(snapshot.parts[1]->samples(), 1U);
  EXPECT_THAT(Encoded(snapshot), Not(HasSubstr("} 2")));
}

TEST(DropDuplicates, ComparesForeignRowsWithDeclaredOnes) {
  const LabelPair same[] = {{"a", "x"}}, empty[] = {{"a", "y"}, {"b", ""}}, own[] = {{"b", "x"}};
  Snapshot snapshot;
  snapshot.parts.push_back(Part([](Sink& sink) {
    sink.Add(kUp, 1, "x");
    sink.Add(kUp, 1, "y");
  }));
  snapshot.parts.push_back(Part([&](Sink& sink) {
    const auto handle = sink.Declare({"up", "", "", Kind::kGauge, {}});
    for (const auto& labels : {same, own}) sink.PutForeign(*handle, 2, {labels, 1});
    sink.PutForeign(*handle, 2, empty);
  }));
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0, 2));
  EXPECT_EQ(Encoded(snapshot),
            "# HELP up Up.\n# TYPE up gauge\nup{a=\"x\"} 1\nup{a=\"y\"} 1\nup{b=\"x\"} 2\n");
}

TEST(DropDuplicates, TakesAnEmptySnapshot) {
  Snapshot snapshot;
  EXPECT_TRUE(DropDuplicates(snapshot).empty());
  snapshot.parts.push_back(Part([](Sink&) {}));
  EXPECT_THAT(DropDuplicates(snapshot), ElementsAre(0));
}

TEST(Merge, MakesOneUniqueSnapshotOfSeveral) {
  std::vector<Snapshot> exporters(2);
  exporters[0].parts.push_back(Part([](Sink& sink) { sink.Add(kUp, 1, "x"); }));
  exporters[1].parts.push_back(Part([](Sink& sink) {
    sink.Add(kUp, 2, "x");
    sink.Add(kOther, 3);
  }));
  EXPECT_EQ(Encoded(Merge(exporters)),
            "# HELP up Up.\n# TYPE up gauge\nup{a=\"x\"} 1\n"
            "# HELP other Other.\n# TYPE other gauge\nother 3\n");
  EXPECT_EQ(exporters[1].parts[0]->samples(), 2U);
  exporters[0].names = {"up", "other"};
  EXPECT_TRUE(Merge(exporters).names.empty());
  exporters[1].names = {"other"};
  EXPECT_THAT(Merge(exporters).names, ElementsAre("up", "other"));
}

}  // namespace
}  // namespace sidecar
