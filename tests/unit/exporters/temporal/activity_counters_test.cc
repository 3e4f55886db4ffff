#include "exporters/temporal/activity_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "exporters/temporal/history_sampler.h"
#include "tests/support/fake_clock.h"

namespace sidecar::temporal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kSecondNs = 1'000'000'000;

HistoryEvent Scheduled(std::int64_t id, std::int64_t at_s, std::string type = "charge") {
  HistoryEvent event;
  event.event_id = id;
  event.type = EventType::kActivityScheduled;
  event.time_ns = at_s * kSecondNs;
  event.activity_type = std::move(type);
  event.task_queue = "orders";
  return event;
}
HistoryEvent Started(std::int64_t scheduled, std::int64_t at_s, std::int32_t attempt = 1) {
  HistoryEvent event;
  event.type = EventType::kActivityStarted;
  event.scheduled_event_id = scheduled;
  event.time_ns = at_s * kSecondNs;
  event.attempt = attempt;
  return event;
}
HistoryEvent Closed(EventType type, std::int64_t scheduled, std::int64_t at_s,
                    TimeoutType timeout = TimeoutType::kUnspecified) {
  HistoryEvent event;
  event.type = type;
  event.scheduled_event_id = scheduled;
  event.time_ns = at_s * kSecondNs;
  event.timeout = timeout;
  return event;
}
HistoryEvent Marker(std::string name, bool failed) {
  HistoryEvent event;
  event.type = EventType::kMarkerRecorded;
  event.marker_name = std::move(name);
  event.failed = failed;
  return event;
}

class ActivityCountersTest : public ::testing::Test {
 protected:
  // Oldest first, as one reads them; the join wants them newest first.
  void Count(const std::vector<HistoryEvent>& history) {
    ActivityJoin join;
    for (auto event = history.rbegin(); event != history.rend(); ++event) join.Add(*event);
    counters_.Count(join, "Order");
  }
  ActivityCounts Counts() {
    const auto rows = counters_.Publish().counts;
    return rows->size() == 1 ? rows->front()->cell : ActivityCounts{};
  }

  std::shared_ptr<SeriesBudget> budget_ = std::make_shared<SeriesBudget>(1'000'000);
  ActivityCounters counters_{budget_};
};

TEST_F(ActivityCountersTest, ARetriedSuccessCountsOnceAndItsAttemptsEach) {
  Count({Scheduled(5, 10), Started(5, 15, 3), Closed(EventType::kActivityCompleted, 5, 17)});
  const ActivityCounts counts = Counts();
  EXPECT_EQ(counts.success, 1U);
  EXPECT_EQ(counts.attempts, 3U);
  EXPECT_EQ(counts.failed_attempts, 2U);
  const auto snapshot = counters_.Publish();
  ASSERT_EQ(snapshot.execution->size(), 1U);
  EXPECT_THAT(snapshot.execution->front()->labels, ElementsAre("charge", "orders", "success"));
  EXPECT_EQ(snapshot.execution->front()->cell.histogram.sum(), 2);
  EXPECT_THAT(*snapshot.waiting, IsEmpty());  // it would hold the earlier attempts
}

TEST_F(ActivityCountersTest, AFailureHasItsLastAttemptFailedToo) {
  Count({Scheduled(5, 10), Started(5, 11, 2), Closed(EventType::kActivityFailed, 5, 12)});
  EXPECT_EQ(Counts().fail, 1U);
  EXPECT_EQ(Counts().failed_attempts, 2U);
}

TEST_F(ActivityCountersTest, TimeoutsAreByTheTimeThatRanOut) {
  Count({Scheduled(5, 10), Scheduled(6, 10), Started(6, 11),
         Closed(EventType::kActivityTimedOut, 5, 12, TimeoutType::kScheduleToStart),
         Closed(EventType::kActivityTimedOut, 6, 13, TimeoutType::kHeartbeat)});
  const ActivityCounts counts = Counts();
  EXPECT_THAT(counts.timeout, ElementsAre(0, 1, 0, 1));
  EXPECT_EQ(counts.attempts, 1U);  // nobody took the first
  EXPECT_EQ(counts.failed_attempts, 1U);
}

TEST_F(ActivityCountersTest, WaitingTimeIsOfFirstAttempts) {
  Count({Scheduled(5, 10), Started(5, 13), Closed(EventType::kActivityCanceled, 5, 14)});
  EXPECT_EQ(Counts().cancel, 1U);
  const auto waiting = counters_.Publish().waiting;
  ASSERT_EQ(waiting->size(), 1U);
  EXPECT_EQ(waiting->front()->cell.histogram.sum(), 3);
}

TEST_F(ActivityCountersTest, WhatARunLeftBehindCountsNeitherWay) {
  Count({Scheduled(5, 10), Scheduled(6, 10), Started(6, 11)});
  EXPECT_THAT(*counters_.Publish().counts, IsEmpty());
}

TEST_F(ActivityCountersTest, LocalActivitiesAreMarkers) {
  Count({Marker("core_local_activity", false), Marker("LocalActivity", true),
         Marker("Version", false)});
  const auto local = counters_.Publish().local;
  ASSERT_EQ(local->size(), 1U);
  EXPECT_EQ(local->front()->cell.completed, 1U);
  EXPECT_EQ(local->front()->cell.failed, 1U);
}

TEST_F(ActivityCountersTest, HostileHistoriesAreHarmless) {
  Count({Closed(EventType::kActivityCompleted, 5, 1), Closed(EventType::kActivityFailed, 5, 2),
         Started(99, 1, -7), Scheduled(INT64_MIN, -1, std::string(10'240, '\xff'))});
  Count({Scheduled(5, 100), Started(5, 200, INT32_MIN),
         Closed(EventType::kActivityTimedOut, 5, 0, static_cast<TimeoutType>(42))});
  EXPECT_EQ(Counts().timeout[0], 1U);
  EXPECT_EQ(counters_.Publish().execution->front()->cell.histogram.sum(), 0);
}

TEST_F(ActivityCountersTest, StateComesBackAndStateThatIsCutIsRefused) {
  Count({Scheduled(5, 10), Started(5, 13), Closed(EventType::kActivityCompleted, 5, 14),
         Marker("LocalActivity", true)});
  StateWriter out;
  counters_.Encode(out);
  ActivityCounters restored(budget_);
  StateReader in(out.bytes());
  ASSERT_TRUE(restored.Decode(in));
  ASSERT_TRUE(in.empty());
  const auto snapshot = restored.Publish();
  EXPECT_EQ(snapshot.counts->front()->cell.success, 1U);
  EXPECT_TRUE(snapshot.counts->front()->shown);
  EXPECT_EQ(snapshot.execution->front()->cell.histogram.sum(), 1);
  EXPECT_EQ(snapshot.waiting->front()->cell.histogram.sum(), 3);
  EXPECT_EQ(snapshot.local->front()->cell.failed, 1U);
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    ActivityCounters cut(budget_);
    StateReader part(std::string_view(out.bytes()).substr(0, size));
    EXPECT_FALSE(cut.Decode(part)) << size;
  }
}

// Histories of runs named by a number: each has one activity that completed.
class ScriptedHistories final : public Histories {
 public:
  Result<HistoryPage> Read(const Scrape&, const std::string&, const std::string& run_id,
                           const std::string& token) override {
    ++reads;
    if (auto error = fault(run_id)) return Fail(*error);
    HistoryPage page;
    if (token.empty()) {
      page.events = {Closed(EventType::kActivityCompleted, 5, 14), Started(5, 13)};
      page.next_page_token = "more";  // the scheduled event is on the next page
    } else {
      page.events = {Scheduled(5, 10)};
      if (endless) page.next_page_token = "more";
    }
    return page;
  }
  std::function<std::optional<Error>(const std::string&)> fault = [](const std::string&) {
    return std::nullopt;
  };
  int reads = 0;
  bool endless = false;
};

class HistorySamplerTest : public ActivityCountersTest {
 protected:
  HistorySamplerTest() { options_.histories_per_second = 10; }

  void Offer(int id, std::int64_t length = 20) {
    Execution run;
    run.workflow_id = "order";
    run.run_id = std::to_string(id);
    run.type = "Order";
    run.history_length = length;
    sampler_.Offer(run, options_);
  }
  Result<> Tick() {
    clock_.Advance(Millis(2'000));
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    return sampler_.Tick(histories_, scrape, options_, counters_, changed_,
                         [this](const std::string& queue) { queues_.push_back(queue); });
  }
  void Ticks(int n) {
    for (int i = 0; i < n; ++i) static_cast<void>(Tick());
  }

  FakeClock clock_;
  StreamOptions options_;
  ScriptedHistories histories_;
  HistorySampler sampler_;
  bool changed_ = false;
  std::vector<std::string> queues_;
};

TEST_F(HistorySamplerTest, EveryRunIsReadWhileThereAreFew) {
  for (int id = 0; id < 100; ++id) Offer(id);
  Ticks(30);
  EXPECT_EQ(Counts().success, 100U);
  EXPECT_EQ(sampler_.stats().eligible, 100U);
  EXPECT_EQ(sampler_.stats().sampled, 100U);
  EXPECT_EQ(sampler_.stats().ratio, 1);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(queues_.size(), 100U);
}

TEST_F(HistorySamplerTest, ReadsKeepToTheirRate) {
  for (int id = 0; id < 500; ++id) Offer(id);
  Ticks(11);
  EXPECT_LE(histories_.reads, 10 * 20 + 2);
  EXPECT_GE(histories_.reads, 10 * 20 - 2);
}

TEST_F(HistorySamplerTest, PastHalfTheQueueAShareIsChosenAndTheNumbersScale) {
  options_.history_queue = 1'000;
  options_.histories_per_second = 100;  // 50 runs a second of two pages
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 200; ++i) Offer(round * 200 + i);  // 100 a second
    static_cast<void>(Tick());
  }
  const SamplerStats stats = sampler_.stats();
  EXPECT_EQ(stats.eligible, 40'000U);
  EXPECT_EQ(stats.sampled + stats.by_ratio + stats.queue_full + stats.waiting, stats.eligible);
  EXPECT_EQ(stats.sampled, Counts().success);
  EXPECT_GT(stats.sampled, 15'000U);
  EXPECT_LT(stats.ratio, 0.8);
  EXPECT_GT(stats.by_ratio, 10'000U);
  EXPECT_LE(stats.waiting, 1'000U);
}

TEST_F(HistorySamplerTest, TwoExportersChooseTheSameRuns) {
  options_.history_queue = 100;
  for (int id = 0; id < 1'000; ++id) Offer(id);
  StateWriter first, second;
  sampler_.Encode(first);
  sampler_ = HistorySampler();
  for (int id = 0; id < 1'000; ++id) Offer(id);
  sampler_.Encode(second);
  EXPECT_EQ(first.bytes(), second.bytes());
}

TEST_F(HistorySamplerTest, LongHistoriesAreNotRead) {
  Offer(1, 5'001);
  Offer(2, 5'000);
  Ticks(3);
  EXPECT_EQ(sampler_.stats().too_long, 1U);
  EXPECT_EQ(sampler_.stats().sampled, 1U);
}

TEST_F(HistorySamplerTest, AHistoryWithoutEndIsGivenUp) {
  options_.history_events_limit = 10;
  options_.histories_per_second = 1'000;
  histories_.endless = true;
  Offer(1, 5);
  Ticks(3);
  EXPECT_EQ(sampler_.stats().failed, 1U);
  EXPECT_LT(histories_.reads, 100);
}

TEST_F(HistorySamplerTest, ARunThatIsGoneIsLeftOut) {
  histories_.fault = [](const std::string& run) -> std::optional<Error> {
    if (run == "1") return Error{Errc::kNoData, "retention"};
    return std::nullopt;
  };
  Offer(1);
  Offer(2);
  Ticks(3);
  EXPECT_EQ(sampler_.stats().gone, 1U);
  EXPECT_EQ(sampler_.stats().sampled, 1U);
}

TEST_F(HistorySamplerTest, AnOutageOfTenMinutesLosesNothing) {
  for (const Errc code : {Errc::kUnavailable, Errc::kTimeout, Errc::kLimit}) {
    sampler_ = HistorySampler();
    Offer(100);
    Ticks(5);
    histories_.fault = [&](const std::string&) { return std::optional(Error{code, "down"}); };
    for (int id = 1; id <= 20; ++id) Offer(id);
    Ticks(300);
    EXPECT_EQ(sampler_.stats().waiting, 20U);
    histories_.fault = [](const std::string&) { return std::nullopt; };
    Ticks(100);
    EXPECT_EQ(sampler_.stats().sampled, 21U);
    EXPECT_EQ(sampler_.stats().failed, 0U);
  }
}

TEST_F(HistorySamplerTest, ARunThatFailsWhileOthersAreReadIsGivenUp) {
  histories_.fault = [](const std::string& run) -> std::optional<Error> {
    if (run == "2") return Error{Errc::kUnavailable, "data loss"};
    return std::nullopt;
  };
  for (int id = 1; id <= 3; ++id) Offer(id);
  for (int id = 4; id < 100; ++id) {
    Ticks(10);
    Offer(id);
  }
  Ticks(10);
  EXPECT_EQ(sampler_.stats().sampled, 98U);
  EXPECT_EQ(sampler_.stats().failed, 1U);
}

TEST_F(HistorySamplerTest, WhatWaitsSurvivesARestart) {
  for (int id = 0; id < 10; ++id) Offer(id);
  StateWriter out;
  sampler_.Encode(out);
  sampler_ = HistorySampler();
  StateReader in(out.bytes());
  ASSERT_TRUE(sampler_.Decode(in));
  ASSERT_TRUE(in.empty());
  Ticks(10);
  EXPECT_EQ(sampler_.stats().eligible, 10U);
  EXPECT_EQ(Counts().success, 10U);
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    HistorySampler cut;
    StateReader part(std::string_view(out.bytes()).substr(0, size));
    EXPECT_FALSE(cut.Decode(part)) << size;
  }
}

TEST_F(HistorySamplerTest, NoRateMeansNoReads) {
  options_.histories_per_second = 0;
  Offer(1);
  Ticks(5);
  EXPECT_EQ(histories_.reads, 0);
  EXPECT_EQ(sampler_.stats().by_ratio, 1U);
}

}  // namespace
}  // namespace sidecar::temporal
