// What a stream says when it cannot be exact, and what it does about it: audits, clocks, slow
// reading.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/exporters/temporal/stream_harness.h"

namespace sidecar::temporal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(StreamTest, WithReadingAsSlowAsTheLoadLateRunsAreCountedToo) {
  options_.page_size = 30;
  for (std::int64_t id = 1; id <= 1'000; ++id) {
    Closes(static_cast<std::uint64_t>(id), id * kSecondUs, id % 7 == 0 ? 118 * kSecondUs : 0);
  }
  Run(kMinuteUs);
  server_.called = [&] { Pass(20 * kSecondUs); };
  Run(18 * kMinuteUs);
  server_.called = [] {};
  Run(6 * kMinuteUs);
  EXPECT_EQ(counted_.size(), 1'000U);
}

TEST_F(StreamTest, AClockThatIsAheadFromTheStartIsSaid) {
  clock_.StepWall(Millis(3'600'000));
  for (std::uint64_t id = 1; id <= 30; ++id) Closes(id, static_cast<std::int64_t>(id) * kMinuteUs);
  Run(20 * kMinuteUs);
  EXPECT_THAT(counted_, IsEmpty());
  EXPECT_GT(stream_.stats().too_late, 10U);
}

TEST_F(StreamTest, AClockThatIsSetAheadForGoodIsSaidWithoutATailToo) {
  for (std::uint64_t id = 1; id <= 60; ++id) Closes(id, static_cast<std::int64_t>(id) * kMinuteUs);
  Run(10 * kMinuteUs);
  EXPECT_LE(server_.tails, 10U) << "one look a minute";
  clock_.StepWall(Millis(1'800'000));
  Run(30 * kMinuteUs);
  EXPECT_GT(stream_.stats().too_late, 10U);
  clock_.StepWall(Millis(-1'800'000));
  Run(20 * kMinuteUs);
  EXPECT_GT(stream_.stats().gap_seconds, 0);
}

TEST_F(StreamTest, AClockThatIsAheadSinceARestartIsSaidAlthoughTheBacklogWasCounted) {
  for (std::uint64_t id = 1; id <= 60; ++id) Closes(id, static_cast<std::int64_t>(id) * kMinuteUs);
  Run(10 * kMinuteUs);
  const std::size_t before = counted_.size();
  Pass(2 * kMinuteUs);
  clock_.StepWall(Millis(1'800'000));
  Restart();
  Run(30 * kMinuteUs);
  EXPECT_GT(counted_.size(), before);
  EXPECT_LT(counted_.size(), 30U);
  EXPECT_GT(stream_.stats().too_late, 10U);
}

TEST_F(UnifiedStreamTest, AClockThatIsSetAheadForGoodIsSaid) {
  for (std::uint64_t id = 1; id <= 60; ++id) Closes(id, static_cast<std::int64_t>(id) * kMinuteUs);
  Run(10 * kMinuteUs);
  EXPECT_EQ(stream_.stats().too_late, 0U);
  clock_.StepWall(Millis(1'800'000));
  Run(30 * kMinuteUs);
  EXPECT_LT(counted_.size(), 30U);
  EXPECT_GT(stream_.stats().too_late, 10U);
}

TEST_F(StreamTest, AnIdleNamespaceIsNotSaidToBeTooLate) {
  for (std::uint64_t id = 1; id <= 50; ++id) Closes(id, -static_cast<std::int64_t>(id) * kSecondUs);
  Closes(100, -kSecondUs, 60 * kSecondUs);  // of before the start, and visible after it
  Run(20 * kMinuteUs);
  EXPECT_EQ(stream_.stats().too_late, 0U);
}

// The newest close that the tail shows then was counted by a slice, while no tail was read.
TEST_F(UnifiedStreamTest, ABacklogThatWasCountedIsNotSaidToBeTooLate) {
  options_.page_size = 30;
  for (std::int64_t id = 1; id <= 600; ++id) Closes(static_cast<std::uint64_t>(id), id * kSecondUs);
  Run(kMinuteUs);
  server_.called = [&] { Pass(22 * kSecondUs); };
  Run(14 * kMinuteUs);
  server_.called = [] {};
  Run(6 * kMinuteUs);
  EXPECT_EQ(counted_.size(), 600U);
  EXPECT_EQ(stream_.stats().too_late, 0U);
}

TEST_F(StreamTest, ARunOfBeforeTheStartThatAppearsLateIsNotSaidToBeTooLate) {
  Closes(1, -100 * kSecondUs);
  Closes(2, -kSecondUs, 118 * kSecondUs);
  Run(100 * kSecondUs);
  server_.fault = [] { return std::optional(Error{Errc::kUnavailable, "down"}); };
  Run(30 * kSecondUs);  // so that nobody looks when it appears
  server_.fault = [] { return std::nullopt; };
  Run(5 * kMinuteUs);
  EXPECT_EQ(stream_.stats().too_late, 0U);
}

TEST_F(StreamTest, AnAuditFindsRunsThatWereTooLateAndWidensTheWindow) {
  Run(2 * kSecondUs);
  for (std::uint64_t id = 1; id <= 5; ++id) Closes(id, 90 * kSecondUs, 200 * kSecondUs);
  Run(15 * kMinuteUs);
  EXPECT_THAT(counted_, IsEmpty());
  EXPECT_EQ(stream_.stats().missing, 5U);
  EXPECT_GT(stream_.stats().audited, 3U);
  Closes(10, 16 * kMinuteUs, 200 * kSecondUs);  // twice 120 s now
  Run(10 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(10)));
  EXPECT_EQ(stream_.stats().missing, 5U);
}

TEST_F(StreamTest, AWindowThatAnAuditWidenedIsNarrowAgainAfterADayWithoutLateRuns) {
  Run(2 * kSecondUs);
  Closes(1, 90 * kSecondUs, 200 * kSecondUs);
  Run(15 * kMinuteUs);
  ASSERT_EQ(stream_.stats().missing, 1U);
  const auto held = [&] { return now_ - stream_.floor(); };  // at least the late window
  EXPECT_GE(held(), 240 * kSecondUs);
  Run(std::int64_t{23} * 60 * kMinuteUs);
  EXPECT_GE(held(), 240 * kSecondUs);
  Run(std::int64_t{2} * 60 * kMinuteUs);
  EXPECT_LT(held(), 240 * kSecondUs);
}

TEST_F(StreamTest, AServerThatListsAndDoesNotCountIsFollowedAllTheSame) {
  class NoCount final : public Visibility {
   public:
    explicit NoCount(Visibility& server) : server_(server) {}
    Result<Page> List(const Scrape& scrape, const std::string& query, int size,
                      const std::string& token) override {
      return server_.List(scrape, query, size, token);
    }
    Result<std::int64_t> Count(const Scrape&, const std::string&) override {
      ++asked;
      return Fail(Errc::kDenied, "no");
    }
    ServerTraits traits() override { return server_.traits(); }
    int asked = 0;

   private:
    Visibility& server_;
  } server(server_);
  Closes(1, 20 * kMinuteUs);
  for (int i = 0; i < 60 * 15; ++i, Pass(2 * kSecondUs)) {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    ASSERT_TRUE(stream_.Tick({server, scrape, stream_clock_, options_},
                             [this](const Execution& run) { counted_.push_back(run.run_id); }));
  }
  EXPECT_THAT(counted_, ElementsAre(RunId(1)));
  EXPECT_EQ(stream_.stats().audit_failures, static_cast<std::uint64_t>(server.asked));
  EXPECT_GE(server.asked, 2);
  EXPECT_LE(server.asked, 4);  // a refusal is asked again every ten minutes
}

TEST_F(StreamTest, AnAuditSeesDeletedRunsAsExtra) {
  Closes(1, 90 * kSecondUs);
  Closes(2, 91 * kSecondUs);
  Run(2 * kMinuteUs);
  server_.runs[0].deleted = now_;
  Run(10 * kMinuteUs);
  EXPECT_EQ(counted_.size(), 2U);
  EXPECT_EQ(stream_.stats().extra, 1U);
  EXPECT_EQ(stream_.stats().missing, 0U);
}

TEST_F(StreamTest, AClockSetAheadIsFoundByTheAudit) {
  Run(kMinuteUs);
  clock_.StepWall(Millis(150'000));  // more than the late window
  Run(6 * kMinuteUs);                // believed after five minutes
  for (std::uint64_t id = 1; id <= 30; ++id) {
    Closes(id, 7 * kMinuteUs + static_cast<std::int64_t>(id) * kSecondUs);
  }
  Run(15 * kMinuteUs);
  EXPECT_EQ(counted_.size() + stream_.stats().missing, 30U);
  EXPECT_GT(stream_.stats().missing, 0U);
  for (std::uint64_t id = 101; id <= 130; ++id) {  // and mended: the window is wider
    Closes(id, 23 * kMinuteUs + static_cast<std::int64_t>(id) * kSecondUs);
  }
  const std::size_t before = counted_.size();
  Run(12 * kMinuteUs);
  EXPECT_EQ(counted_.size(), before + 30);
}

TEST_F(StreamTest, WhileTheClockIsDoubtedNothingMovesAndRunsAreCounted) {
  Run(kMinuteUs);
  const std::int64_t done = stream_.done(), floor = stream_.floor();
  clock_.StepWall(Millis(7'200'000));
  Closes(1, 90 * kSecondUs);
  Run(3 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1)));
  EXPECT_EQ(stream_.done(), done);
  EXPECT_EQ(stream_.floor(), floor);
  clock_.StepWall(Millis(-7'200'000));
  Run(kMinuteUs);
  EXPECT_GT(stream_.done(), done);
}

TEST_F(StreamTest, WhatAClockThatWasAheadMissedIsFoundWhenItIsRightAgain) {
  for (std::int64_t id = 1; id <= 300; ++id) {
    Closes(static_cast<std::uint64_t>(id), id * 5 * kSecondUs);
  }
  Run(2 * kMinuteUs);
  clock_.StepWall(Millis(150'000));
  Restart();  // a new process believes its clock
  Run(3 * kMinuteUs);
  clock_.StepWall(Millis(-150'000));
  Pass(60 * kSecondUs);  // the time is beyond the floor again
  Restart();
  Run(20 * kMinuteUs);
  EXPECT_LT(counted_.size(), 300U);
  EXPECT_GT(stream_.stats().missing, 0U);
  EXPECT_EQ(stream_.stats().gap_seconds, 0);
}

TEST_F(StreamTest, AClockSetBackBelowTheFloorIsAGap) {
  Run(10 * kMinuteUs);
  EXPECT_EQ(stream_.stats().gap_seconds, 0);
  clock_.StepWall(Millis(-3'600'000));
  Run(7 * kMinuteUs);
  EXPECT_GT(stream_.stats().gap_seconds, 3'000);
}

// Throttled for 10 s and more again and again, which would hold the floor for ever.
TEST_F(StreamTest, ANamespaceThatIsThrottledAllTheTimeIsAuditedToo) {
  for (std::uint64_t id = 1; id <= 200; ++id) {
    Closes(id, static_cast<std::int64_t>(id) * 5 * kSecondUs);
  }
  std::uint32_t random = 7;
  server_.fault = [&]() -> std::optional<Error> {
    random = random * 1'664'525U + 1'013'904'223U;
    if (random >> 30U == 0) return std::nullopt;  // one of four
    return Error{Errc::kLimit, "RESOURCE_EXHAUSTED"};
  };
  for (std::int64_t second = 0; second < std::int64_t{40} * 60; ++second) {
    Pass(kSecondUs);
    static_cast<void>(Tick());
  }
  EXPECT_EQ(counted_.size(), 200U);
  EXPECT_LT(now_ - stream_.floor(), 6 * kMinuteUs);
  EXPECT_GT(stream_.stats().audited, 3U) << "of four Counts three are refused, too";
  EXPECT_EQ(stream_.stats().missing, 0U);
}

}  // namespace
}  // namespace sidecar::temporal
