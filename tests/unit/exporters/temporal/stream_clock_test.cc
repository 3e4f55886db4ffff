#include "exporters/temporal/stream_clock.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace sidecar::temporal {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class StreamClockTest : public ::testing::Test {
 protected:
  StreamTime After(Millis by) {
    clock_.Advance(by);
    return stream_clock_.Read(clock_);
  }
  FakeClock clock_;
  StreamClock stream_clock_;
  const std::int64_t start_ = stream_clock_.Read(clock_).us;
};

TEST_F(StreamClockTest, FollowsTheWallClock) {
  const StreamTime time = After(seconds(10));
  EXPECT_EQ(time.us, start_ + 10 * kSecondUs);
  EXPECT_TRUE(time.trusted);
}

TEST_F(StreamClockTest, FollowsSmallSteps) {
  clock_.StepWall(seconds(4));
  EXPECT_EQ(After(seconds(1)).us, start_ + 5 * kSecondUs);
  clock_.StepWall(seconds(-4));
  const StreamTime back = After(seconds(1));
  EXPECT_EQ(back.us, start_ + 2 * kSecondUs);
  EXPECT_TRUE(back.trusted);
}

TEST_F(StreamClockTest, DoubtsAStepForFiveMinutesAndGoesOnAsExpected) {
  clock_.StepWall(minutes(60));
  const StreamTime doubted = After(seconds(10));
  EXPECT_FALSE(doubted.trusted);
  EXPECT_EQ(doubted.us, start_ + 10 * kSecondUs);
  EXPECT_FALSE(After(minutes(4)).trusted);
  const StreamTime believed = After(minutes(1));
  EXPECT_TRUE(believed.trusted);
  EXPECT_EQ(believed.us, start_ + 65 * kMinuteUs + 10 * kSecondUs);
}

TEST_F(StreamClockTest, AStepThatIsTakenBackNeverHappened) {
  clock_.StepWall(minutes(-60));
  EXPECT_FALSE(After(seconds(10)).trusted);
  clock_.StepWall(minutes(60));
  EXPECT_TRUE(After(seconds(10)).trusted);
  clock_.StepWall(minutes(10));  // another one has its own five minutes
  EXPECT_FALSE(After(minutes(4)).trusted);
}

}  // namespace
}  // namespace sidecar::temporal
