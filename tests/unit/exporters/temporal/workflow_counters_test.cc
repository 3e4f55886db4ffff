#include "exporters/temporal/workflow_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <string>

#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"

namespace sidecar::temporal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Execution ARun(Status status, std::int64_t duration_ns, std::string type = "Order") {
  Execution run;
  run.workflow_id = "order-1";
  run.run_id = "019a0b1c-2d3e-7f40-8123-456789abcdef";
  run.type = std::move(type);
  run.task_queue = "orders";
  run.status = status;
  run.close_ns = 1'767'225'600'000'000'000;
  run.duration_ns = duration_ns;
  return run;
}

class WorkflowCountersTest : public ::testing::Test {
 protected:
  std::shared_ptr<SeriesBudget> budget_ = std::make_shared<SeriesBudget>(1'000'000);
  WorkflowCounters counters_{budget_};
};

TEST_F(WorkflowCountersTest, EveryOutcomeHasItsCounter) {
  counters_.Started(ARun(Status::kRunning, -1));
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    for (std::size_t n = 0; n <= i; ++n) counters_.Closed(ARun(kOutcomes[i], 0), false);
  }
  const auto rows = counters_.Publish().counts;
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front()->cell.started, 1U);
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    EXPECT_EQ(rows->front()->cell.closed[i], i + 1);
  }
}

TEST_F(WorkflowCountersTest, AStatusThatWeDoNotKnowIsTimedButNoOutcome) {
  counters_.Closed(ARun(static_cast<Status>(77), 1'000), false);
  const auto snapshot = counters_.Publish();
  EXPECT_EQ(snapshot.counts->front()->cell.closed, decltype(WorkflowCounts::closed){});
  EXPECT_EQ(snapshot.times->front()->labels[2], "unknown");
}

TEST_F(WorkflowCountersTest, StateComesBackAndIsShownAtOnce) {
  counters_.Started(ARun(Status::kRunning, -1));
  counters_.Closed(ARun(Status::kFailed, 1'500'000'000), true);
  StateWriter out;
  counters_.Encode(out);
  WorkflowCounters restored(budget_);
  StateReader in(out.bytes());
  ASSERT_TRUE(restored.Decode(in));
  ASSERT_TRUE(in.empty());
  const auto snapshot = restored.Publish();
  ASSERT_EQ(snapshot.counts->size(), 1U);
  EXPECT_TRUE(snapshot.counts->front()->shown);
  EXPECT_EQ(snapshot.counts->front()->cell.started, 1U);
  EXPECT_EQ(snapshot.counts->front()->cell.closed[1], 1U);
  ASSERT_EQ(snapshot.times->size(), 1U);
  EXPECT_TRUE(snapshot.times->front()->shown);
  EXPECT_EQ(snapshot.times->front()->cell.histogram.count(), 1U);
  EXPECT_EQ(snapshot.times->front()->cell.histogram.sum(), 1.5);
}

TEST_F(WorkflowCountersTest, StateThatIsCutIsRefused) {
  counters_.Started(ARun(Status::kRunning, -1));
  counters_.Closed(ARun(Status::kFailed, 1'500'000'000), true);
  StateWriter out;
  counters_.Encode(out);
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    WorkflowCounters restored(budget_);
    StateReader in(std::string_view(out.bytes()).substr(0, size));
    EXPECT_FALSE(restored.Decode(in)) << size;
  }
}

TEST(DurationNs, TakesTheBestThatTheServerSends) {
  Execution run = ARun(Status::kCompleted, 5);
  run.start_ns = run.close_ns - 100;
  run.execution_ns = run.close_ns - 30;
  EXPECT_EQ(DurationNs(run), 5);
  run.duration_ns = -1;
  EXPECT_EQ(DurationNs(run), 30);
  run.execution_ns = run.close_ns + 30;  // closed before its time
  EXPECT_EQ(DurationNs(run), 0);
  run.execution_ns = 0;
  EXPECT_EQ(DurationNs(run), 100);
  run.start_ns = 0;
  EXPECT_EQ(DurationNs(run), 0);
}

// As OpenMetrics, through the real encoder.
std::string Encoded(const TimeHistogram& histogram) {
  Batch batch;
  Sink sink(batch);
  constexpr auto kFamily = Histogram("t", "Time.", "status");
  const auto family = sink.Declare(kFamily.info());
  const std::array<std::string_view, 1> labels{"completed"};
  histogram.Put(sink, *family, labels);
  EXPECT_FALSE(batch.failure());
  batch.Seal();
  Snapshot snapshot;
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  std::string text;
  const Write write = [&](std::string_view piece) -> Result<> {
    text += piece;
    return {};
  };
  EXPECT_TRUE(Encode(snapshot, Format::kOpenMetrics, write));
  return text;
}

TEST(TimeHistogram, BucketsAreInclusiveAndTheSumIsExact) {
  TimeHistogram times(kWorkflowBounds);
  times.Observe(100'000'000);  // 0.1 s is in le="0.1"
  times.Observe(100'000'001);  // and this is not
  times.Observe(-11'590'000'000);
  for (int i = 0; i < 10; ++i) times.Observe(604'800'000'000'000 + 100'000'000);
  const std::string text = Encoded(times);
  EXPECT_THAT(text, HasSubstr("le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("le=\"0.25\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("le=\"604800.0\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("le=\"+Inf\"} 13\n"));
  EXPECT_NEAR(times.sum(), 6'048'001.2, 1e-6);
}

TEST(TimeHistogram, ExemplarsAreTheNewestRunOfTheirBucket) {
  TimeHistogram times(kWorkflowBounds);
  const std::string run = "019a0b1c-2d3e-7f40-8123-456789abcdef";
  const RunExemplar newer{"order-2", run, 2'000}, older{"order-1", run, 1'000};
  times.Observe(70'000'000, &newer);
  times.Observe(70'000'000, &older);  // Prometheus would refuse it
  const std::string text = Encoded(times);
  EXPECT_THAT(
      text, HasSubstr("le=\"0.1\"} 2 # {workflow_id=\"order-2\",run_id=\"" + run + "\"} 0.07 2.0"));
  EXPECT_THAT(text, Not(HasSubstr("order-1")));
}

TEST(TimeHistogram, AWorkflowIdThatDoesNotFitIsLeftOut) {
  const std::string run = "019a0b1c-2d3e-7f40-8123-456789abcdef";
  for (const std::string& id : {std::string(76, 'x'), std::string("bad\xff"), std::string()}) {
    TimeHistogram times(kWorkflowBounds);
    const RunExemplar exemplar{id, run, 1'000};
    times.Observe(1, &exemplar);
    EXPECT_THAT(Encoded(times), HasSubstr("# {run_id=\"" + run + "\"}")) << id;
  }
  TimeHistogram longest(kWorkflowBounds);
  const std::string euros = [] {
    std::string text;
    for (int i = 0; i < 75; ++i) text += "\xe2\x82\xac";
    return text;
  }();
  const RunExemplar exemplar{euros, run, 1'000};
  longest.Observe(1, &exemplar);
  EXPECT_THAT(Encoded(longest), HasSubstr("workflow_id=\"" + euros));
  TimeHistogram none(kWorkflowBounds);
  const RunExemplar no_run{"id", "a run id that is longer than a UUID is", 1'000};
  none.Observe(1, &no_run);
  EXPECT_THAT(Encoded(none), Not(HasSubstr("# {")));
}

std::size_t ResidentKb() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4;
}

TEST_F(WorkflowCountersTest, AHundredThousandTypesAndHostileNamesAreBounded) {
  counters_.Limit(15'000);
  counters_.Started(ARun(Status::kRunning, -1, "\"quoted\"\n\\"));
  counters_.Started(ARun(Status::kRunning, -1, std::string(10'240, 'x')));
  counters_.Started(ARun(Status::kRunning, -1, std::string(10'240, 'x') + "other end"));
  counters_.Started(ARun(Status::kRunning, -1, "not \xff UTF-8"));
  const std::size_t before = ResidentKb();
  for (int i = 0; i < 100'000; ++i) {
    const std::string type = std::string(i % 100 == 0 ? 10'240 : 20, 'n') + std::to_string(i);
    counters_.Started(ARun(Status::kRunning, -1, type));
    counters_.Closed(ARun(Status::kCompleted, std::int64_t{i} * 1'000'000, type), true);
  }
  EXPECT_LT(counters_.rows(), 1'500U);
  std::uint64_t started = 0, other = 0;
  for (const auto& row : *counters_.Publish().counts) {
    started += row->cell.started;
    other += row->labels[0] == kOther ? row->cell.started : 0;
    EXPECT_LE(row->labels[0].size(), 200U);
  }
  EXPECT_EQ(started, 100'004U);
  EXPECT_GT(other, 95'000U);
  EXPECT_GT(counters_.overflow(), 190'000U);
  const std::size_t after = ResidentKb();
  const std::size_t grown = after > before ? after - before : 0;  // earlier tests freed some
  std::cout << "100,000 types: " << counters_.rows() << " rows, " << grown << " KiB more\n";
  EXPECT_LT(grown, 400'000U);  // AddressSanitizer keeps 256 MB of what was freed
}

}  // namespace
}  // namespace sidecar::temporal
