#include "exporters/postgres/asked_together.h"

#include <gmock/gmock.h>
#include <libpq-fe.h>

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AskedTogetherTest : public ::testing::Test {
 protected:
  void Begin() { together_.Begin(++scrape_, now_); }
  void Alone(const std::vector<std::string>& names) {
    Begin();
    for (const std::string& name : names) together_.AskedAlone(name, Millis(1));
  }
  static std::vector<OwnedResult> Results(std::size_t count) {
    std::vector<OwnedResult> results;
    while (results.size() < count) {
      results.emplace_back(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK));
    }
    return results;
  }
  // Two scrapes that asked for all three, and a third one that has begun.
  void Learn() {
    Alone({"a", "b", "c"});
    Alone({"c", "a", "b"});
    Begin();
  }

  AskedTogether together_;
  std::uint64_t scrape_ = 0;
  Mono now_{std::chrono::hours(1)};
};

TEST_F(AskedTogetherTest, AsksTogetherWhatTwoScrapesAskedInWhateverOrder) {
  Alone({"a", "b", "c"});
  EXPECT_THAT(together_.Plan("a"), IsEmpty());
  Alone({"c", "a", "b"});
  EXPECT_THAT(together_.Plan("a"), IsEmpty());
  Begin();
  EXPECT_THAT(together_.Plan("b"), ElementsAre("b", "a", "c"));
  EXPECT_THAT(together_.Plan("a"), IsEmpty()) << "once a scrape";
}

TEST_F(AskedTogetherTest, AsksAloneWhatTheLastScrapesDidNotBothAskFor) {
  Alone({"d", "b", "a"});
  Alone({"a", "b", "c"});
  Begin();
  EXPECT_THAT(together_.Plan("c"), IsEmpty());
  EXPECT_THAT(together_.Plan("d"), IsEmpty());
  EXPECT_THAT(together_.Plan("b"), ElementsAre("b", "a"));
  Learn();
  EXPECT_THAT(together_.Plan("d"), IsEmpty());
  Alone({"a"});
  Alone({"a"});
  Begin();
  EXPECT_THAT(together_.Plan("a"), IsEmpty()) << "one is no company";
}

TEST_F(AskedTogetherTest, LeavesOutWhatWasSlowOrWasAskedAlready) {
  for (int i = 0; i < 2; ++i) {
    Alone({"a", "b", "c"});
    together_.AskedAlone("slow", Millis(21));
  }
  Begin();
  EXPECT_THAT(together_.Plan("slow"), IsEmpty());
  together_.AskedAlone("b", Millis(1));
  EXPECT_THAT(together_.Plan("a"), ElementsAre("a", "c"));
}

TEST_F(AskedTogetherTest, GivesWhatCameOnceAndGoesOnWithIt) {
  Learn();
  together_.Keep(together_.Plan("a"), Results(3), Millis(2));
  for (const char* name : {"a", "c", "b"}) {
    EXPECT_TRUE(together_.Take(name)) << name;
    EXPECT_FALSE(together_.Take(name)) << name;
  }
  Begin();
  EXPECT_THAT(together_.Plan("c"), ElementsAre("c", "a", "b"));
}

TEST_F(AskedTogetherTest, GivesNothingOfAnotherScrapeOrOfASecondAgo) {
  Learn();
  together_.Keep(together_.Plan("a"), Results(3), Millis(2));
  now_ += Millis(1'001);
  together_.Begin(scrape_, now_);
  EXPECT_FALSE(together_.Take("b"));
  now_ -= Millis(1'001);
  Begin();
  EXPECT_FALSE(together_.Take("c"));
}

TEST_F(AskedTogetherTest, RestsAMinuteAfterOneThatFailed) {
  Learn();
  together_.Keep(together_.Plan("a"), Results(1), Millis(2));
  EXPECT_TRUE(together_.Take("a"));
  EXPECT_FALSE(together_.Take("b")) << "it failed";
  EXPECT_FALSE(together_.Take("c")) << "it was not reached";
  Learn();
  EXPECT_THAT(together_.Plan("a"), IsEmpty());
  now_ += Millis(60'000);
  Learn();
  EXPECT_THAT(together_.Plan("a"), ElementsAre("a", "b", "c"));
}

TEST_F(AskedTogetherTest, RestsTwiceAsLongAfterEachThatFailsInARowAnHourAtMost) {
  int minutes = 1;
  for (int i = 0; i < 8; ++i) {
    Learn();
    together_.Keep(together_.Plan("a"), Results(0), Millis(2));
    now_ += std::chrono::minutes(minutes) - Millis(1);
    Learn();
    EXPECT_THAT(together_.Plan("a"), IsEmpty()) << minutes;
    now_ += Millis(1);
    minutes = std::min(2 * minutes, 60);
  }
  Learn();
  together_.Keep(together_.Plan("a"), Results(3), Millis(2));
  Learn();
  together_.Keep(together_.Plan("a"), Results(0), Millis(2));
  now_ += std::chrono::minutes(1);
  Learn();
  EXPECT_THAT(together_.Plan("a"), ElementsAre("a", "b", "c"));
}

TEST_F(AskedTogetherTest, RestsAMinuteAfterAMessageThatWasSlow) {
  Learn();
  together_.Keep(together_.Plan("a"), Results(3), Millis(101));
  EXPECT_TRUE(together_.Take("b")) << "what came is good";
  Learn();
  EXPECT_THAT(together_.Plan("a"), IsEmpty());
}

TEST_F(AskedTogetherTest, ForgetsWithTheSession) {
  Learn();
  together_.Keep(together_.Plan("a"), Results(3), Millis(2));
  together_.Forget();
  EXPECT_FALSE(together_.Take("a"));
  Begin();
  EXPECT_THAT(together_.Plan("a"), IsEmpty());
}

}  // namespace
}  // namespace sidecar::postgres
