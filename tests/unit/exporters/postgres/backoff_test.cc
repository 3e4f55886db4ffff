#include "exporters/postgres/backoff.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

Error Down() { return {Errc::kUnavailable, "down"}; }

TEST(BackoffTest, RefusesNothingBeforeAFailure) {
  const Backoff backoff;
  EXPECT_FALSE(backoff.Refuses(1, Mono()));
}

TEST(BackoffTest, AnswersForTheRestOfAScrapeWithItsFirstFailure) {
  FakeClock clock;
  Backoff backoff;
  backoff.Failed(7, clock.mono(), Down());
  const auto refused = backoff.Refuses(7, clock.mono());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::kUnavailable);
  EXPECT_EQ(refused->message, "down");
}

TEST(BackoffTest, TriesAtOnceInTheNextScrape) {
  FakeClock clock;
  Backoff backoff;
  backoff.Failed(7, clock.mono(), Down());
  EXPECT_FALSE(backoff.Refuses(8, clock.mono()));
}

TEST(BackoffTest, PausesTwiceAsLongAfterEachFurtherFailureUpToALimit) {
  FakeClock clock;
  Backoff backoff;
  backoff.Failed(1, clock.mono(), Down());
  Millis pause = Backoff::kFirst;
  for (std::uint64_t scrape = 2; scrape < 20; ++scrape) {
    backoff.Failed(scrape, clock.mono(), Down());
    const Millis expected = std::min(pause, Backoff::kLongest);
    clock.Advance(expected - Millis(1));
    EXPECT_TRUE(backoff.Refuses(scrape + 1, clock.mono())) << scrape;
    clock.Advance(Millis(1));
    EXPECT_FALSE(backoff.Refuses(scrape + 1, clock.mono())) << scrape;
    pause *= 2;
  }
}

TEST(BackoffTest, IsHeldByAnothersLoginForOneScrapeOnly) {
  FakeClock clock;
  Backoff backoff;
  for (std::uint64_t scrape = 1; scrape < 20; ++scrape) {
    EXPECT_FALSE(backoff.Refuses(scrape, clock.mono())) << scrape;
    backoff.Held(scrape, Down());
    EXPECT_TRUE(backoff.Refuses(scrape, clock.mono())) << scrape;
    EXPECT_TRUE(backoff.held());
  }
  backoff.Failed(20, clock.mono(), Down());
  EXPECT_FALSE(backoff.held());
}

TEST(BackoffTest, ForgetsAfterASuccess) {
  FakeClock clock;
  Backoff backoff;
  for (std::uint64_t scrape = 1; scrape < 9; ++scrape) {
    backoff.Failed(scrape, clock.mono(), Down());
  }
  backoff.Succeeded();
  EXPECT_FALSE(backoff.Refuses(8, clock.mono()));
  backoff.Failed(9, clock.mono(), Down());
  EXPECT_FALSE(backoff.Refuses(10, clock.mono()));
}

}  // namespace
}  // namespace sidecar::postgres
