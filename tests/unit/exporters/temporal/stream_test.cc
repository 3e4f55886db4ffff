#include "exporters/temporal/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "exporters/temporal/visibility_query.h"
#include "tests/unit/exporters/temporal/stream_harness.h"

namespace sidecar::temporal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(StreamTest, NothingOfBeforeTheStartIsCounted) {
  for (std::uint64_t id = 1; id <= 50; ++id) Closes(id, -static_cast<std::int64_t>(id) * kSecondUs);
  Run(5 * kMinuteUs);
  EXPECT_THAT(counted_, IsEmpty());
}

TEST_F(StreamTest, ARunIsCountedOnceHoweverOftenItIsRead) {
  Closes(1, 3 * kSecondUs);
  Closes(2, 95 * kSecondUs);
  Run(6 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1), RunId(2)));
  EXPECT_EQ(stream_.stats().events, 2U);
  EXPECT_EQ(stream_.stats().late, 0U);
}

TEST_F(StreamTest, ARunThatIsLateByNearlyTheLateWindowIsCounted) {
  for (std::uint64_t id = 1; id <= 60; ++id) {
    Closes(id, static_cast<std::int64_t>(id) * kSecondUs, 118 * kSecondUs);
  }
  Run(10 * kMinuteUs);
  EXPECT_EQ(counted_.size(), 60U);
  EXPECT_EQ(stream_.stats().late, 60U);
  EXPECT_GT(stream_.stats().max_lateness_seconds, 100);
  EXPECT_EQ(stream_.stats().missing, 0U);
}

TEST_F(StreamTest, OpenRunsAreNotClosedAlthoughTheLegacyConverterReturnsThem) {
  SimulatedRun open;
  open.run_id = RunId(7);
  open.start = kStart + kSecondUs;
  server_.Add(open);
  Run(3 * kMinuteUs);
  EXPECT_THAT(counted_, IsEmpty());
  EXPECT_LE(server_.tails, 3U) << "but for a look at the newest, a minute";
}

TEST_F(UnifiedStreamTest, TheTailIsReadWhereNoIndexServesAWindow) {
  for (std::uint64_t id = 1; id <= 300; ++id) {  // a namespace with history
    Closes(id, -static_cast<std::int64_t>(id) * kMinuteUs);
  }
  Closes(1'000, 30 * kSecondUs);
  options_.page_size = 10;
  Run(3 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1'000)));
  EXPECT_GT(server_.tails, 10U);
  EXPECT_EQ(server_.tails, server_.lists);
  EXPECT_LT(server_.lists, 25U);  // one page each, however long the namespace is
}

TEST_F(StreamTest, RowsWithEqualTimesOverPageBoundariesAreEachCountedOnce) {
  options_.page_size = 4;
  options_.pages_per_run = 3;
  for (std::uint64_t id = 1; id <= 50; ++id) Closes(id, 20 * kSecondUs);
  bool repeat = false;
  server_.repeats = [&] { return repeat = !repeat; };
  Run(3 * kMinuteUs);
  EXPECT_EQ(std::set<std::string>(counted_.begin(), counted_.end()).size(), 50U);
  EXPECT_EQ(counted_.size(), 50U);
}

TEST_F(StreamTest, APageBudgetHoldsTheFloorUntilTheWindowIsRead) {
  options_.page_size = 5;
  options_.pages_per_run = 2;
  for (std::uint64_t id = 1; id <= 40; ++id) Closes(id, static_cast<std::int64_t>(id) * 100'000);
  Pass(10 * kSecondUs);
  ASSERT_TRUE(Tick());  // starts here: everything above is before the floor
  const std::int64_t floor = stream_.floor();
  for (std::uint64_t id = 101; id <= 140; ++id) Closes(id, 11 * kSecondUs);
  Pass(15 * kSecondUs);
  ASSERT_TRUE(Tick());
  EXPECT_EQ(counted_.size(), 10U);
  EXPECT_EQ(stream_.done(), floor);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Tick());
  EXPECT_EQ(counted_.size(), 40U);
  EXPECT_GT(stream_.done(), floor);
}

TEST_F(StreamTest, AFailedPageMovesNothingAndIsReadAgain) {
  options_.page_size = 5;
  for (std::uint64_t id = 1; id <= 12; ++id) Closes(id, 5 * kSecondUs);
  ASSERT_TRUE(Tick());
  Pass(12 * kSecondUs);
  int pages = 0;
  server_.fault = [&]() -> std::optional<Error> {
    if (++pages == 2) return Error{Errc::kTimeout, "slow"};
    return std::nullopt;
  };
  const auto failed = Tick();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kTimeout);
  EXPECT_EQ(stream_.done(), kStart);
  ASSERT_TRUE(Tick());  // waits a second
  EXPECT_EQ(pages, 2);
  Pass(kSecondUs);
  ASSERT_TRUE(Tick());
  EXPECT_EQ(counted_.size(), 12U);
  EXPECT_GT(stream_.done(), kStart);
}

TEST_F(StreamTest, RepeatedFailuresWaitLongerAndLonger) {
  server_.fault = [] { return std::optional(Error{Errc::kUnavailable, "down"}); };
  Run(10 * kMinuteUs);
  EXPECT_GT(failed_, 35);
  EXPECT_LT(failed_, 45);  // 1, 2, 4, 8 s, then every 15
  EXPECT_EQ(stream_.done(), kStart);
  EXPECT_EQ(stream_.stats().done_us, kStart);
}

TEST_F(StreamTest, ABadTokenRestartsTheWindowFromItsFirstPage) {
  options_.page_size = 5;
  for (std::uint64_t id = 1; id <= 12; ++id) Closes(id, 5 * kSecondUs);
  std::vector<std::string> tokens;
  class Forgets final : public Visibility {
   public:
    Forgets(Visibility& server, std::vector<std::string>& tokens)
        : server_(server), tokens_(tokens) {}
    Result<Page> List(const Scrape& scrape, const std::string& query, int size,
                      const std::string& token) override {
      tokens_.push_back(token);
      const bool refused = !token.empty() && tokens_.size() < 4;
      if (refused) return Fail(Errc::kUnavailable, "something went wrong, please retry");
      return server_.List(scrape, query, size, token);
    }
    Result<std::int64_t> Count(const Scrape& scrape, const std::string& query) override {
      return server_.Count(scrape, query);
    }
    ServerTraits traits() override { return server_.traits(); }

   private:
    Visibility& server_;
    std::vector<std::string>& tokens_;
  } forgets(server_, tokens);
  for (int i = 0; i < 20; ++i, Pass(2 * kSecondUs)) {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    static_cast<void>(stream_.Tick({forgets, scrape, stream_clock_, options_},
                                   [this](const Execution& r) { counted_.push_back(r.run_id); }));
  }
  ASSERT_GT(tokens.size(), 4U);
  EXPECT_EQ(tokens[0], "");
  EXPECT_NE(tokens[1], "");
  EXPECT_EQ(tokens[2], tokens[1]);  // once more
  EXPECT_EQ(tokens[3], "");         // then anew
  EXPECT_EQ(counted_.size(), 12U);
}

TEST_F(StreamTest, TokensThatDoNotEndAreAFailure) {
  class Circles final : public Visibility {
   public:
    Result<Page> List(const Scrape&, const std::string&, int, const std::string&) override {
      return Page{{}, "again"};
    }
    Result<std::int64_t> Count(const Scrape&, const std::string&) override { return 0; }
    ServerTraits traits() override { return {}; }
  } circles;
  ASSERT_TRUE(Tick());
  Pass(20 * kSecondUs);
  const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
  const auto result =
      stream_.Tick({circles, scrape, stream_clock_, options_}, [](const Execution&) {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kParse);
}

TEST_F(StreamTest, AfterAnOutageTheBacklogIsReadInSlicesAndNothingIsLost) {
  ASSERT_TRUE(Tick());
  for (std::uint64_t id = 1; id <= 120; ++id) {
    Closes(id, static_cast<std::int64_t>(id) * 10 * kSecondUs);
  }
  Pass(20 * kMinuteUs);
  Restart();
  options_.pages_per_run = 3;
  ASSERT_TRUE(Tick());
  EXPECT_TRUE(stream_.stats().behind);
  EXPECT_EQ(stream_.done(), kStart + 3 * kMinuteUs);  // oldest first
  Restart();                                          // loses no slice
  Run(3 * kMinuteUs);
  EXPECT_FALSE(stream_.stats().behind);
  EXPECT_EQ(counted_.size(), 120U);
  EXPECT_EQ(stream_.stats().gap_seconds, 0);
}

TEST_F(StreamTest, RowsThatAServerShowsOnlyAfterItsOutageAreCounted) {
  Run(kMinuteUs);
  Closes(1, 59 * kSecondUs, 9 * kMinuteUs);  // written just before the crash
  server_.fault = [] { return std::optional(Error{Errc::kUnavailable, "down"}); };
  Run(8 * kMinuteUs);
  server_.fault = [] { return std::nullopt; };
  Run(6 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1)));
  EXPECT_GT(stream_.floor(), kStart + 9 * kMinuteUs);  // and the floor goes on
}

TEST_F(StreamTest, AnOutageThatARestartHidesIsOneTooForRowsThatAppearWhenItIsOver) {
  Run(kMinuteUs);
  Closes(1, 45 * kSecondUs, 180 * kSecondUs);
  Pass(50 * kSecondUs);  // the machine of both reboots: less than a slice
  Restart();
  Run(8 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1)));
  EXPECT_EQ(stream_.stats().missing, 0U);
  EXPECT_GT(stream_.floor(), kStart + 6 * kMinuteUs);  // and the floor goes on
}

// Of calls that fail often a long read would never come to its end: it begins anew after two.
TEST_F(StreamTest, AfterALongBacklogTheFloorMovesOnAlthoughManyCallsFail) {
  options_.page_size = 5;
  options_.pages_per_run = 30;
  ASSERT_TRUE(Tick());
  for (std::uint64_t id = 1; id <= 1'000; ++id) {
    Closes(id, static_cast<std::int64_t>(id) * kSecondUs);
  }
  Pass(20 * kMinuteUs);
  Restart();
  int calls = 0;
  server_.fault = [&]() -> std::optional<Error> {
    const int place = ++calls % 40;  // twice in a row, each 40 calls
    if (place < 2) return Error{Errc::kUnavailable, "fault"};
    return std::nullopt;
  };
  Run(20 * kMinuteUs);
  EXPECT_EQ(counted_.size(), 1'000U);
  EXPECT_GT(stream_.floor(), kStart + 30 * kMinuteUs);
}

// The lag stays between a slice and the late window for a quarter of an hour.
TEST_F(StreamTest, WhatIsOlderThanMaxBackfillIsAGap) {
  ASSERT_TRUE(Tick());
  Closes(1, 10 * kMinuteUs);
  Closes(2, 100 * kMinuteUs);
  Pass(120 * kMinuteUs);
  Restart();
  Run(5 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(2)));
  EXPECT_NEAR(stream_.stats().gap_seconds, 3'600, 5);
}

TEST_F(StreamTest, ASetThatIsFullRaisesTheFloorAndSaysSo) {
  options_.seen_limit = 100;
  for (std::uint64_t id = 1; id <= 400; ++id) Closes(id, static_cast<std::int64_t>(id) * 200'000);
  Run(5 * kMinuteUs);
  EXPECT_EQ(std::set<std::string>(counted_.begin(), counted_.end()).size(), counted_.size());
  EXPECT_GT(stream_.stats().dropped_window, 0U);
  EXPECT_LE(stream_.stats().seen, 100U);
}

TEST_F(StreamTest, AStoreThatIsNotKnownForAMomentDoesNotWidenTheWindow) {
  class Unknown final : public Visibility {
   public:
    explicit Unknown(Visibility& server) : server_(server) {}
    Result<Page> List(const Scrape& scrape, const std::string& query, int size,
                      const std::string& token) override {
      return server_.List(scrape, query, size, token);
    }
    Result<std::int64_t> Count(const Scrape& scrape, const std::string& query) override {
      return server_.Count(scrape, query);
    }
    ServerTraits traits() override { return {}; }

   private:
    Visibility& server_;
  } unknown(server_);
  for (int i = 0; i < 10; ++i, Pass(2 * kSecondUs)) {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    ASSERT_TRUE(stream_.Tick({unknown, scrape, stream_clock_, options_}, [](const Execution&) {}));
  }
  Restart();
  Run(20 * kMinuteUs);
  EXPECT_LT(now_ - stream_.floor(), 240 * kSecondUs);
}

TEST_F(StreamTest, ANamespaceThatIsNewerThanTheLastListIsCountedFromThere) {
  Closes(1, 5 * kSecondUs);
  Closes(2, 50 * kSecondUs);
  stream_ = Stream(StreamKind::kClosed, kStart + 10 * kSecondUs);
  Pass(70 * kSecondUs);
  Run(3 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(2)));
}

TEST_F(StreamTest, StartsAreCountedWhenTheirTimeHasCome) {
  stream_ = Stream(StreamKind::kStarted);
  SimulatedRun delayed;
  delayed.run_id = RunId(1);
  delayed.start = kStart + kSecondUs;
  delayed.execution = kStart + 5 * kMinuteUs;
  delayed.close = kStart + 2 * kMinuteUs;  // before its time
  server_.Add(delayed);
  Run(4 * kMinuteUs);
  EXPECT_THAT(counted_, IsEmpty());
  Run(2 * kMinuteUs);
  EXPECT_THAT(counted_, ElementsAre(RunId(1)));
}

TEST_F(StreamTest, RowsWithoutIdOrTimeAreDroppedAndCounted) {
  class Hostile final : public Visibility {
   public:
    Result<Page> List(const Scrape&, const std::string&, int, const std::string&) override {
      Page page;
      page.rows.resize(3);
      for (Execution& row : page.rows) row.status = Status::kCompleted;
      page.rows[0].run_id = "no time";
      page.rows[1].close_ns = kStart * 1'000;  // no id
      page.rows[2].run_id = "future";
      page.rows[2].close_ns = INT64_MAX;
      return page;
    }
    Result<std::int64_t> Count(const Scrape&, const std::string&) override { return 0; }
    ServerTraits traits() override { return {}; }
  } hostile;
  ASSERT_TRUE(Tick());
  Pass(20 * kSecondUs);
  const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
  ASSERT_TRUE(stream_.Tick({hostile, scrape, stream_clock_, options_},
                           [this](const Execution& run) { counted_.push_back(run.run_id); }));
  EXPECT_THAT(counted_, IsEmpty());
  EXPECT_EQ(stream_.stats().dropped_decode, 2U);
}

TEST_F(StreamTest, StateThatIsCutAnywhereIsRefused) {
  Closes(1, 3 * kSecondUs);
  Closes(2, 95 * kSecondUs);
  Run(3 * kMinuteUs);
  StateWriter out;
  stream_.Encode(out);
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    Stream stream(StreamKind::kClosed);
    StateReader in(std::string_view(out.bytes()).substr(0, size));
    EXPECT_FALSE(stream.Decode(in)) << size;
    EXPECT_EQ(stream.done(), 0);
  }
}

TEST(VisibilityQuery, HasMicrosecondsAndTheirLastNanosecond) {
  EXPECT_EQ(Between("CloseTime", 1'767'225'600'000'001, 1'767'225'659'999'999),
            "CloseTime BETWEEN '2026-01-01T00:00:00.000001Z' AND "
            "'2026-01-01T00:00:59.999999999Z'");
  EXPECT_EQ(Between("ExecutionTime", -5, INT64_MAX),
            "ExecutionTime BETWEEN '1970-01-01T00:00:00.000000Z' AND "
            "'3000-01-01T00:00:00.000000999Z'");
}

}  // namespace
}  // namespace sidecar::temporal
