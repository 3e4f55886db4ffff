#include "common/http/session.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "common/base/pool.h"
#include "common/base/unique_fd.h"
#include "common/log/log.h"
#include "tests/support/fake_clock.h"

namespace sidecar::http {
namespace {

struct SessionTest : ::testing::Test {
  SessionTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()), 0);
    ours.Reset(pair[0]);
    peer.Reset(pair[1]);
    Router router;
    router.Get("/ok", Access::kProtected, [](const Request&) { return Text(200, "ok\n"); });
    service.emplace(ServerOptions{}, std::move(router), Runtime{clock, log, pool, registry}, "");
    session.emplace(*service, ours.get());
  }

  Next Receive(std::string_view bytes) {
    const std::span<char> room = session->Room();
    EXPECT_GE(room.size(), bytes.size());
    std::ranges::copy(bytes, room.begin());
    return session->Received(bytes.size());
  }
  std::string Answer() const {
    std::array<char, 4'096> bytes{};
    const ssize_t got = ::recv(peer.get(), bytes.data(), bytes.size(), 0);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

  FakeClock clock;
  Log log{clock, {}, [](std::string_view) {}};
  Pool pool{1};
  prometheus::Registry registry;
  UniqueFd ours, peer;
  std::optional<Service> service;
  std::optional<Session> session;
};

TEST_F(SessionTest, RunsARequestAndIsIdleAgain) {
  EXPECT_EQ(Receive("GET /ok HTTP/1.1\r\n"), Next::kReceive);
  EXPECT_EQ(Receive("Host: a\r\n\r\n"), Next::kRun);
  EXPECT_FALSE(session->open_access());
  session->Work();
  EXPECT_TRUE(Answer().ends_with("\r\n\r\nok\n"));
  EXPECT_EQ(session->Finish(), Next::kIdle);
}

// The time of a request begins with its own first byte.
TEST_F(SessionTest, TellsTheBeginningOfThePipelinedRequestFromMoreOfTheSame) {
  EXPECT_EQ(Receive("GE"), Next::kReceive);
  EXPECT_EQ(Receive("T /none HTTP/1.1\r\nHost: a\r\n\r\nGE"), Next::kReceiveNext);
  EXPECT_EQ(Receive("T"), Next::kReceive);
  EXPECT_EQ(Receive(" /ok HTTP/1.1\r\nHost: a\r\n\r\nG"), Next::kRun);
  session->Work();
  EXPECT_EQ(session->Finish(), Next::kReceiveNext);
}

TEST_F(SessionTest, CountsEmptyLinesAsTheBeginningOfARequest) {
  EXPECT_EQ(Receive("\r\n\r\n"), Next::kReceive);
  EXPECT_EQ(Receive("\n"), Next::kReceive);
  EXPECT_EQ(Receive("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"), Next::kRun);
}

TEST_F(SessionTest, LingersOnWhatIsNoRequestAndClosesWhenAskedTo) {
  EXPECT_EQ(Receive("GET / HTTP/3.0\r\n\r\n"), Next::kLinger);
  EXPECT_TRUE(Answer().starts_with("HTTP/1.1 505 "));
  session.emplace(*service, ours.get());
  EXPECT_EQ(Receive("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), Next::kClose);
}

TEST_F(SessionTest, MakesEveryAnswerTheLastWhileTheServiceDrains) {
  EXPECT_EQ(Receive("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"), Next::kRun);
  service->draining = true;
  session->Work();
  EXPECT_NE(Answer().find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(session->Finish(), Next::kClose);
}

TEST_F(SessionTest, SaysThatItIsBusyAndGoesOn) {
  EXPECT_EQ(Receive("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"), Next::kRun);
  EXPECT_EQ(session->Busy(), Next::kIdle);
  EXPECT_TRUE(Answer().starts_with("HTTP/1.1 503 "));
}

TEST_F(SessionTest, CutsAConnectionWhosePeerHasGone) {
  EXPECT_EQ(Receive("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"), Next::kRun);
  peer.Reset();
  session->Work();
  EXPECT_EQ(session->Finish(), Next::kCut);
}

}  // namespace
}  // namespace sidecar::http
