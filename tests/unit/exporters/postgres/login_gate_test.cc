#include "exporters/postgres/login_gate.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

constexpr Millis kPatience{3'000};

TEST(LoginGateTest, LetsTheNextOneInOnceThePassIsGone) {
  FakeClock clock;
  LoginGate gate;
  {
    const auto first = gate.Enter(clock, Mono::max(), kPatience);
    ASSERT_TRUE(first);
  }
  EXPECT_TRUE(gate.Enter(clock, Mono::max(), kPatience));
}

TEST(LoginGateTest, WaitsForALoginThatIsUnderWay) {
  FakeClock clock;
  LoginGate gate;
  auto first = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(first);
  auto second = std::async(std::launch::async,
                           [&] { return gate.Enter(clock, Mono::max(), kPatience).has_value(); });
  ASSERT_TRUE(clock.AwaitBlocked(1));
  first->Release();
  EXPECT_TRUE(second.get());
}

TEST(LoginGateTest, DoesNotWaitForALoginThatHasHadNoAnswerForLong) {
  FakeClock clock;
  LoginGate gate;
  const auto first = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(first);
  clock.Advance(kPatience);
  const auto second = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(second.error().message, "another login has had no answer for 3000 ms");
}

TEST(LoginGateTest, WaitsNoLongerThanTheRun) {
  FakeClock clock;
  LoginGate gate;
  const auto first = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(first);
  auto second = std::async(std::launch::async, [&] {
    return gate.Enter(clock, clock.mono() + Millis(100), kPatience).has_value();
  });
  ASSERT_TRUE(clock.AwaitBlocked(1));
  clock.Advance(Millis(100));
  EXPECT_FALSE(second.get());
}

TEST(LoginGateTest, GivesAwayThePlaceOfALoginThatNobodyLooksAfter) {
  FakeClock clock;
  LoginGate gate;
  auto forgotten = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(forgotten);
  clock.Advance(LoginGate::kLongestLogin);
  auto second = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(second);
  forgotten->Release();  // no longer its place
  EXPECT_FALSE(gate.Enter(clock, clock.mono(), kPatience));
  EXPECT_FALSE(second->alone());
}

TEST(LoginGateTest, WhoTakesOverKnowsThatAnotherIsWithoutAnAnswerUntilThatHasGone) {
  FakeClock clock;
  LoginGate gate;
  auto forgotten = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(forgotten);
  EXPECT_TRUE(forgotten->alone());
  clock.Advance(LoginGate::kLongestLogin);
  for (int i = 0; i < 2; ++i) {
    const auto next = gate.Enter(clock, Mono::max(), kPatience);
    ASSERT_TRUE(next);
    EXPECT_FALSE(next->alone());
  }
  forgotten->Release();
  const auto last = gate.Enter(clock, Mono::max(), kPatience);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->alone());
}

}  // namespace
}  // namespace sidecar::postgres
