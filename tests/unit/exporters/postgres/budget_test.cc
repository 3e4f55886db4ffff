#include "exporters/postgres/budget.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    ours.Reset(fds[0]);
    backend.Reset(fds[1]);
  }
  UniqueFd ours, backend;
};

class BudgetTest : public ::testing::Test {
 protected:
  Result<Budget::Permit> Take() { return budget_->Take({.most = 2}, Millis(0)); }

  FakeClock clock_;
  std::shared_ptr<Budget> budget_ = Budget::Make(clock_);
};

TEST_F(BudgetTest, GivesSoManyAndNoMore) {
  const auto first = Take();
  const auto second = Take();
  ASSERT_TRUE(first && second);
  const auto third = Take();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::kLimit);
  EXPECT_EQ(third.error().message, "all 2 connections are in use");
}

TEST_F(BudgetTest, TakesBackWhatNeverReachedAServer) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Take());
  EXPECT_EQ(budget_->use().open, 0);
}

TEST_F(BudgetTest, WaitsForAConnectionThatIsGivenBack) {
  const auto first = Take();
  auto second = Take();
  ASSERT_TRUE(first && second);
  auto third = std::async(std::launch::async,
                          [&] { return budget_->Take({.most = 2}, Millis(1'000)).has_value(); });
  EXPECT_EQ(third.wait_for(Millis(50)), std::future_status::timeout);
  *second = {};
  EXPECT_TRUE(third.get());
}

TEST_F(BudgetTest, CountsAClosedConnectionUntilItsBackendHasGone) {
  Pair pair;
  auto permit = Take();
  const auto other = Take();
  ASSERT_TRUE(permit && other);
  budget_->Leave(std::move(*permit), {.last = std::move(pair.ours), .pid = 42});
  EXPECT_EQ(budget_->use().half_open, 1);
  EXPECT_FALSE(Take());
  pair.backend.Reset();
  EXPECT_TRUE(Take());
  EXPECT_EQ(budget_->use().half_open, 0);
}

TEST_F(BudgetTest, ReadsWhatABackendStillSendsAndGivesUpOnAFlood) {
  Pair pair;
  auto permit = Take();
  ASSERT_TRUE(permit);
  budget_->Leave(std::move(*permit), {.last = std::move(pair.ours), .pid = 42});
  const std::string rows(100'000, 'r');
  ssize_t written = 0;
  for (int i = 0; i < 100 && written >= 0; ++i) {
    written = ::send(pair.backend.get(), rows.data(), rows.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    EXPECT_LE(budget_->use().half_open, 1);
  }
  EXPECT_LT(written, 0) << "the socket is closed, so its backend ends";
  EXPECT_EQ(budget_->use().half_open, 1) << "until the server says that it has";
  budget_->Gone("", 42);
  EXPECT_EQ(budget_->use().half_open, 0);
}

TEST_F(BudgetTest, GivesUpOnAFloodAtOnceWhereThereIsNobodyToAskAbout) {
  Pair pair;
  auto permit = Take();
  ASSERT_TRUE(permit);
  budget_->Leave(std::move(*permit), {.last = std::move(pair.ours)});  // a pooler's
  const std::string rows(100'000, 'r');
  ssize_t written = 0;
  for (int i = 0; i < 100 && written >= 0; ++i) {
    EXPECT_LE(budget_->use().half_open, 1);
    written = ::send(pair.backend.get(), rows.data(), rows.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  EXPECT_LT(written, 0) << "the socket is closed";
  EXPECT_EQ(budget_->use().half_open, 0);
}

TEST_F(BudgetTest, NamesTheBackendsThatAreToBeEnded) {
  std::array<Pair, 4> pairs;
  std::array<Budget::Rest, 4> rests = {{{.pid = 7, .started = "1.5", .server = "this"},
                                        {.pid = 8, .started = "2.5", .server = "other"},
                                        {.pid = 9, .server = "other"},
                                        {.server = "this"}}};
  for (std::size_t i = 0; i < rests.size(); ++i) {
    auto permit = budget_->Take({.most = 9}, Millis(0));
    ASSERT_TRUE(permit);
    rests[i].last = std::move(pairs[i].ours);
    budget_->Leave(std::move(*permit), std::move(rests[i]));
  }
  using Backends = std::vector<std::pair<int, std::string>>;
  const Backends both = {{7, "1.5"}, {8, "2.5"}};
  EXPECT_EQ(budget_->HalfOpen("this"), both) << "also what a reload calls otherwise now";
  budget_->Gone("this", 8);  // that it is not here says nothing of another server
  budget_->Gone("other", 7);
  EXPECT_EQ(budget_->HalfOpen("this"), both);
  budget_->Gone("this", 7);
  EXPECT_EQ(budget_->HalfOpen("this"), Backends({{8, "2.5"}}));
}

TEST_F(BudgetTest, CountsALoginThatHadNoAnswerForAsLongAsItsSocketIsThere) {
  Pair silent;
  auto permit = Take();
  const auto other = Take();
  ASSERT_TRUE(permit && other);
  budget_->Leave(std::move(*permit), {.last = std::move(silent.ours), .unanswered = ""});
  clock_.Advance(std::chrono::hours(24 * 365));
  EXPECT_FALSE(Take()) << "a postmaster that was stopped may still take it";
  EXPECT_EQ(budget_->use().half_open, 1);
  silent.backend.Reset();
  EXPECT_TRUE(Take());
}

TEST_F(BudgetTest, CountsABackendThatIsKnownForAsLongAsItsSocketIsThere) {
  Pair stopped;
  auto permit = Take();
  const auto other = Take();
  ASSERT_TRUE(permit && other);
  budget_->Leave(std::move(*permit), {.last = std::move(stopped.ours),
                                      .pid = 8,
                                      .started = "1.5",
                                      .server = "this",
                                      .dropped = true});
  EXPECT_TRUE(budget_->Unanswered("this"));
  clock_.Advance(std::chrono::hours(24 * 365));
  EXPECT_FALSE(Take()) << "it may wait for a disk, and its host is there";
  EXPECT_EQ(budget_->HalfOpen("this").size(), 1U) << "it is to be ended";
  stopped.backend.Reset();
  EXPECT_TRUE(Take());
  EXPECT_TRUE(budget_->HalfOpen("this").empty());
}

TEST_F(BudgetTest, CountsABackendWhoseHostHasVanishedUntilThereIsNoPlaceToAskAboutItBy) {
  auto lost = Take();
  auto lost_later = Take();
  ASSERT_TRUE(lost && lost_later);
  budget_->Leave(std::move(*lost), {.pid = 8, .started = "1.5", .server = "this"});
  clock_.Advance(Millis(1));
  budget_->Leave(std::move(*lost_later), {.pid = 9, .started = "1.5", .server = "this"});
  clock_.Advance(Millis(599'999));
  EXPECT_FALSE(Take()) << "for ten minutes";
  const std::vector<std::pair<int, std::string>> both = {{8, "1.5"}, {9, "1.5"}};
  EXPECT_EQ(budget_->HalfOpen("this"), both) << "a session asks";
  clock_.Advance(Millis(600'000));
  EXPECT_FALSE(Take()) << "so it is not ten minutes yet";
  clock_.Advance(Millis(1));
  EXPECT_EQ(budget_->use().half_open, 2) << "as long as nobody needs it";
  const auto session = Take();
  ASSERT_TRUE(session);
  EXPECT_EQ(budget_->use().half_open, 1) << "one is enough";
  budget_->GotIn("this");
  EXPECT_FALSE(Take()) << "it can ask about the other";
  EXPECT_EQ(budget_->HalfOpen("this"), both) << "and who gets in ends it";
  budget_->Gone("this", 8);
  EXPECT_EQ(budget_->HalfOpen("this").size(), 1U);
}

TEST_F(BudgetTest, AsksADayLongAboutABackendThatDoesNotCountAnyMore) {
  auto lost = Take();
  const auto other = Take();
  ASSERT_TRUE(lost && other);
  budget_->Leave(std::move(*lost), {.pid = 8, .started = "1.5", .server = "this"});
  clock_.Advance(Millis(600'001));
  ASSERT_TRUE(Take());
  clock_.Advance(std::chrono::hours(24));
  EXPECT_TRUE(budget_->HalfOpen("this").empty());
}

TEST_F(BudgetTest, LetsTheKernelFindThatAHostHasVanished) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd same(::dup(socket.get()));
  auto permit = Take();
  ASSERT_TRUE(permit && socket && same);
  budget_->Leave(std::move(*permit), {.last = std::move(socket), .pid = 7});
  const auto option = [&same](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(same.get(), level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 120'000);
}

class PartsTest : public BudgetTest {
 protected:
  using Permits = std::vector<Budget::Permit>;
  bool Take(Budget::Part part) {
    auto permit = budget_->Take({.most = 4, .part = part}, Millis(0));
    if (permit) permits_.push_back(std::move(*permit));
    return permit.has_value();
  }
  bool Main() { return Take(Budget::Part::kMain); }
  bool Slow() { return Take(Budget::Part::kSlow); }
  bool Visit() { return Take(Budget::Part::kOther); }
  void Abandon(Pair& pair, std::string database) {  // the one that was taken last
    budget_->Leave(
        std::move(permits_.back()),
        {.last = std::move(pair.ours), .server = "this", .unanswered = std::move(database)});
    permits_.pop_back();
  }

  Permits permits_;
};

TEST_F(PartsTest, OfFourOneIsSharedByWhatCanWaitAndOneIsSpared) {
  EXPECT_TRUE(Main() && Slow() && Visit());
  EXPECT_FALSE(Visit());
  EXPECT_TRUE(Main()) << "a session is made anew";
  EXPECT_FALSE(Main());
}

TEST_F(PartsTest, WhatAVisitLeftBehindTakesTheSparePlaceInsteadOfTheNextVisits) {
  Pair first, second;
  EXPECT_TRUE(Main() && Slow() && Visit());
  Abandon(first, "x");
  EXPECT_TRUE(budget_->Unanswered("this", "x"));
  EXPECT_TRUE(budget_->Unanswered("this"));
  EXPECT_FALSE(budget_->Unanswered("other"));
  EXPECT_FALSE(budget_->Unanswered("this", "y"));
  EXPECT_FALSE(budget_->Unanswered("other", "x"));
  EXPECT_TRUE(Visit());
  Abandon(second, "y");
  EXPECT_FALSE(Visit()) << "four are there";
  first.backend.Reset();
  EXPECT_FALSE(budget_->Unanswered("this", "x"));
  EXPECT_TRUE(Visit());
}

TEST_F(PartsTest, GivesUpNoPlaceThatDoesNotHelp) {
  const auto lose = [&](int pid) {
    budget_->Leave(std::move(permits_.back()), {.pid = pid, .started = "1.5", .server = "this"});
    permits_.pop_back();
  };
  EXPECT_TRUE(Main());  // has been lost for longest
  lose(1);
  EXPECT_TRUE(Visit());
  lose(2);
  EXPECT_TRUE(Visit());
  lose(3);
  EXPECT_FALSE(Visit());
  clock_.Advance(Millis(600'001));
  EXPECT_TRUE(Visit());
  EXPECT_EQ(budget_->use().half_open, 2) << "one of its own part";
}

TEST_F(BudgetTest, GivesUpNoPlaceWhereSomebodyHasJustGotIn) {
  auto lost = Take();
  const auto other = Take();
  ASSERT_TRUE(lost && other);
  budget_->Leave(std::move(*lost), {.pid = 8, .started = "1.5", .server = "this"});
  clock_.Advance(Millis(600'001));
  budget_->GotIn("this");
  EXPECT_FALSE(Take());
}

TEST_F(PartsTest, WhatIsLostStaysWhereItsPlaceIsNotTheOneThatIsMissing) {
  Pair left;
  EXPECT_TRUE(Main());
  budget_->Leave(std::move(permits_.back()), {.pid = 8, .started = "1.5", .server = "this"});
  permits_.pop_back();
  clock_.Advance(Millis(600'001));
  EXPECT_TRUE(Visit());
  Abandon(left, "x");
  EXPECT_TRUE(Visit());
  EXPECT_FALSE(Visit()) << "two are there for what can wait";
  EXPECT_EQ(budget_->use().half_open, 2);
}

TEST_F(PartsTest, ALoginThatWasRefusedIsNotOneWithoutAnAnswer) {
  Pair pair;
  EXPECT_TRUE(Visit());
  budget_->Leave(std::move(permits_.back()), {.last = std::move(pair.ours), .server = "this"});
  EXPECT_EQ(budget_->use().half_open, 1) << "its backend takes a moment";
  EXPECT_FALSE(budget_->Unanswered("this", ""));
  EXPECT_FALSE(budget_->Unanswered("this"));
}

TEST_F(PartsTest, TwoThatAreLeftBehindDoNotTakeThePlacesOfTheLanes) {
  Pair first, second;
  EXPECT_TRUE(Visit());
  Abandon(first, "x");
  EXPECT_TRUE(Visit());
  Abandon(second, "y");
  EXPECT_FALSE(Visit());
  EXPECT_TRUE(Main() && Slow());
}

TEST_F(PartsTest, ASlowSessionHasAPlaceWhereItsLastBackendRunsOnAndNoThird) {
  Pair first, second;
  EXPECT_TRUE(Main() && Slow());
  Abandon(first, "");
  EXPECT_TRUE(Slow());
  Abandon(second, "");
  EXPECT_FALSE(Slow());
  EXPECT_TRUE(Main()) << "the spare one";
}

TEST_F(PartsTest, AVisitHasAPlaceWhereASlowSessionsBackendRunsOn) {
  Pair left;
  EXPECT_TRUE(Main() && Slow());
  Abandon(left, "");
  EXPECT_TRUE(Slow());
  EXPECT_TRUE(Visit());
  EXPECT_FALSE(Visit());
  EXPECT_FALSE(Main()) << "four are there";
}

TEST_F(PartsTest, NobodyElseTakesTheMainSessionsLastPlace) {
  std::array<Pair, 3> left;
  EXPECT_TRUE(Visit());
  Abandon(left[0], "x");
  EXPECT_TRUE(Slow());
  Abandon(left[1], "");
  EXPECT_TRUE(Slow());
  Abandon(left[2], "");
  EXPECT_FALSE(Visit());
  EXPECT_FALSE(Slow());
  EXPECT_TRUE(Main());
}

TEST_F(BudgetTest, KnowsWhetherWhatWasLeftIsThere) {
  Pair pair;
  auto permit = Take();
  ASSERT_TRUE(permit);
  const std::uint64_t left = budget_->Leave(std::move(*permit), {.last = std::move(pair.ours)});
  EXPECT_NE(left, 0U);
  EXPECT_TRUE(budget_->There(left));
  EXPECT_FALSE(budget_->There(left + 1));
  pair.backend.Reset();
  EXPECT_FALSE(budget_->There(left));
}

TEST_F(BudgetTest, MovesAPermitWithoutLosingOrDoublingIt) {
  auto first = Take();
  ASSERT_TRUE(first);
  Budget::Permit moved = std::move(*first);
  EXPECT_TRUE(moved);
  EXPECT_EQ(budget_->use().open, 1);
  moved = Budget::Permit();
  EXPECT_EQ(budget_->use().open, 0);
}

}  // namespace
}  // namespace sidecar::postgres
