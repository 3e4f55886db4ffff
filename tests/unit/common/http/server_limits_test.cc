// What a server does about peers that are too many, too slow, too large, or gone.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <future>

#include "tests/support/fake_clock.h"
#include "tests/unit/common/http/server_fixture.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kWait = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

struct ServerLimitsTest : ServerTest {
  // A body without end, and why it ended.
  Router Endless() {
    Router router = Routes();
    router.Get("/endless", Access::kProtected, [this](const Request&) -> Response {
      return {200, "text/plain", [this](const Write& write) -> Result<> {
                const std::string piece(64 << 10, 'x');
                while (true) {
                  if (auto done = write(piece); !done) {
                    ended.set_value(done.error().code);
                    return done;
                  }
                }
              }};
    });
    return router;
  }
  // A connection counts as idle a moment after its client has the answer.
  void AwaitIdle(int requests) const {
    ASSERT_TRUE(Await([&] { return Metric("sidecar_http_requests_total") == requests; }));
  }
  std::promise<Errc> ended;
};

TEST_F(ServerLimitsTest, ServesAmong200IdleConnectionsWithPlaceFor16) {
  options.max_connections = 16;
  Start();
  std::vector<HttpClient> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(Connect());
    if (i % 10 == 0) {
      EXPECT_EQ(Connect().Get("/ok").status, 200) << i;
    }
    EXPECT_LE(Metric("sidecar_http_connections"), 16);
  }
  for (int i = 0; i < 184; ++i) EXPECT_TRUE(idle[static_cast<std::size_t>(i)].AwaitClosed()) << i;
  EXPECT_EQ(idle.back().Get("/ok").status, 200);
  EXPECT_GE(Metric("sidecar_http_connections_closed_total", "evicted"), 184);
}

TEST_F(ServerLimitsTest, EvictsTheLongestIdle) {
  options.max_connections = 2;
  Start();
  HttpClient first = Connect(), second = Connect();
  for (int requests = 1; HttpClient * each : {&first, &second, &first}) {
    EXPECT_EQ(each->Get("/ok").status, 200);
    AwaitIdle(requests++);
  }
  HttpClient third = Connect();
  EXPECT_EQ(third.Get("/ok").status, 200);
  EXPECT_TRUE(second.AwaitClosed());
  EXPECT_EQ(first.Get("/ok").status, 200);
}

TEST_F(ServerLimitsTest, EvictsPeersThatDribbleTheirHeaders) {
  options.max_connections = 4;
  Start();
  std::vector<HttpClient> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(Connect());
    static_cast<void>(slow.back().TrySend("GET /ok HTT"));
  }
  EXPECT_EQ(Connect().Get("/ok").status, 200);
}

TEST_F(ServerLimitsTest, EvictsWhoWaitsForAThreadBeforeItRefusesHealth) {
  options.max_connections = 2;
  pool.emplace(1);
  Start();
  HttpClient busy = Connect(), queued = Connect();
  busy.Send(kWait);
  gate.AwaitEntered();
  queued.Send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(Connect().Get("/-/healthy").status, 200);
  gate.Open();
  EXPECT_EQ(busy.Read().body, "waited\n");
}

TEST_F(ServerLimitsTest, RefusesANewConnectionWhenEveryOneIsBusy) {
  options.max_connections = 1;
  Start();
  HttpClient busy = Connect();
  busy.Send(kWait);
  gate.AwaitEntered();
  HttpClient refused = Connect();
  const HttpReply reply = refused.Read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(refused.AwaitClosed());
  EXPECT_EQ(Metric("sidecar_http_connections_refused_total", "limit"), 1);
  gate.Open();
  EXPECT_EQ(busy.Read().body, "waited\n");
}

TEST_F(ServerLimitsTest, AnswersHealthWhileEveryThreadIsBusyAndRefusesTheRest) {
  pool.emplace(1);
  Start();
  HttpClient busy = Connect(), other = Connect();
  busy.Send(kWait);
  gate.AwaitEntered();
  EXPECT_EQ(other.Get("/ok").status, 503);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.Get("/-/healthy").body, "healthy\n");
  gate.Open();
  EXPECT_EQ(busy.Read().body, "waited\n");
  EXPECT_EQ(other.Get("/ok").status, 200);
  EXPECT_EQ(Metric("sidecar_http_requests_total", "503"), 1);
}

TEST_F(ServerLimitsTest, NeverRefusesOneRequestAfterTheOtherWithOneThread) {
  pool.emplace(1);
  Start();
  HttpClient client = Connect();
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.Get("/ok").status, 200) << i;
}

TEST_F(ServerLimitsTest, ClosesAConnectionWhoseRequestDoesNotEnd) {
  options.header_timeout = Millis(50);
  options.max_header_bytes = 1 << 20;
  Start();
  HttpClient silent = Connect(), dribbling = Connect(), body = Connect(), lines_only = Connect();
  silent.Send("GET /ok HTTP/1.1\r\nHost");
  dribbling.Send("GET /ok HTTP/1.1\r\nHost: ");
  while (dribbling.TrySend("a")) {
  }
  lines_only.Send("\r\n");
  body.Send("POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
  EXPECT_TRUE(silent.AwaitClosed());
  EXPECT_TRUE(body.AwaitClosed());
  EXPECT_TRUE(lines_only.AwaitClosed());
  EXPECT_TRUE(Await([this] { return Metric("sidecar_http_connections") == 0; }));
  EXPECT_EQ(Metric("sidecar_http_connections_closed_total", "header_timeout"), 4);
  EXPECT_EQ(Metric("sidecar_http_requests_total"), 0);
}

TEST_F(ServerLimitsTest, ClosesAnIdleConnectionButNotOneWhoseHandlerRuns) {
  options.idle_timeout = Millis(50);
  options.header_timeout = Millis(50);
  Start();
  HttpClient running = Connect();
  running.Send(kWait);
  gate.AwaitEntered();
  HttpClient fresh = Connect(), used = Connect();
  EXPECT_EQ(used.Get("/ok").status, 200);
  EXPECT_TRUE(fresh.AwaitClosed());
  EXPECT_TRUE(used.AwaitClosed());
  EXPECT_EQ(Metric("sidecar_http_connections_closed_total", "idle"), 2);
  gate.Open();
  EXPECT_EQ(running.Read().body, "waited\n");
  EXPECT_TRUE(running.AwaitClosed());
}

TEST_F(ServerLimitsTest, DropsAReaderThatIsSlowerThanTheWholeResponseMayTake) {
  options.write_timeout = Millis(100);
  Start(Endless());
  HttpClient slow(server->port(), "127.0.0.1", 4'096);
  slow.Send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(slow.ReadSome(1'000).empty());  // some progress does not help
  EXPECT_EQ(ended.get_future().get(), Errc::kTimeout);
  EXPECT_TRUE(slow.AwaitClosed());
  EXPECT_TRUE(Await([this] { return Metric("sidecar_http_connections") == 0; }));
  EXPECT_EQ(Metric("sidecar_http_connections_closed_total", "write_timeout"), 1);
}

TEST_F(ServerLimitsTest, DropsAReaderThatDoesNotTakeTheRest) {
  options.write_timeout = Millis(100);
  Start();
  HttpClient slow(server->port(), "127.0.0.1", 4'096);
  std::string requests;
  for (int i = 0; i < 60; ++i) requests += "GET /60k HTTP/1.1\r\nHost: a\r\n\r\n";
  slow.Send(requests);
  EXPECT_TRUE(Await(
      [this] { return Metric("sidecar_http_connections_closed_total", "write_timeout") == 1; }));
  EXPECT_EQ(pool->busy(), 0U);
  EXPECT_TRUE(slow.AwaitClosed());
}

TEST_F(ServerLimitsTest, TellsTheBodyThatItsReaderHasGone) {
  Start(Endless());
  HttpClient client = Connect();
  client.Send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(client.ReadSome(1'000).empty());
  client.Reset();
  EXPECT_EQ(ended.get_future().get(), Errc::kUnavailable);
  EXPECT_TRUE(Await([this] { return Metric("sidecar_http_connections") == 0; }));
}

TEST_F(ServerLimitsTest, EndsAFloodOfHeaders) {
  Start();
  HttpClient client = Connect();
  const std::string field = "X-Flood: " + std::string(1'000, 'x') + "\r\n";
  bool open = client.TrySend("GET /ok HTTP/1.1\r\nHost: a\r\n");
  std::size_t sent = 0;
  while (open && sent < (64U << 20U)) {
    open = client.TrySend(field);
    sent += field.size();
  }
  EXPECT_LT(sent, 64U << 20U);
  EXPECT_EQ(Metric("sidecar_http_requests_total", "431"), 1);
}

TEST_F(ServerLimitsTest, WaitsOutAShortageOfDescriptors) {
  Start();
  HttpClient idle = Connect();
  EXPECT_EQ(idle.Get("/ok").status, 200);
  AwaitIdle(1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{std::min<rlim_t>(before.rlim_cur, 200), before.rlim_max};
  std::vector<UniqueFd> taken;
  {
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    while (true) {
      UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!next) break;
      taken.push_back(std::move(next));
    }
    taken.pop_back();  // for the client
  }
  HttpClient waiting = Connect();
  EXPECT_TRUE(idle.AwaitClosed());  // it gave its descriptor
  EXPECT_EQ(waiting.Get("/ok").status, 200);
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(Metric("sidecar_http_connections_refused_total", "descriptors"), 1);
}

TEST_F(ServerLimitsTest, DrainLetsARequestFinishAndClosesTheIdle) {
  Start();
  HttpClient running = Connect(), idle = Connect();
  EXPECT_EQ(idle.Get("/ok").status, 200);
  running.Send(kWait);
  gate.AwaitEntered();
  std::jthread drain([this] { server->Drain(Millis(30'000)); });
  EXPECT_TRUE(idle.AwaitClosed());
  EXPECT_THROW(Connect(), std::runtime_error);
  gate.Open();
  HttpReply reply = running.Read();
  EXPECT_EQ(reply.body, "waited\n");
  EXPECT_EQ(reply.headers["connection"], "close");
  EXPECT_TRUE(running.AwaitClosed());
  drain.join();
  EXPECT_EQ(Metric("sidecar_http_connections"), 0);
}

TEST_F(ServerLimitsTest, DrainEndsWhenGraceIsOver) {
  FakeClock fake;
  Start(Routes(), &fake);
  HttpClient running = Connect();
  running.Send(kWait);
  gate.AwaitEntered();
  std::jthread drain([this] { server->Drain(Millis(5'000)); });
  ASSERT_TRUE(fake.AwaitBlocked(1));
  fake.Advance(Millis(5'000));
  drain.join();
  EXPECT_TRUE(running.AwaitClosed());
  gate.Open();
  server.reset();
  pool.reset();
}

TEST_F(ServerLimitsTest, EndsAtAnyTimeAlsoWithHandlersAndBodiesRunning) {
  Start(Endless());
  HttpClient running = Connect(), reading = Connect(), idle = Connect(), half = Connect();
  running.Send(kWait);
  half.Send("GET /");
  reading.Send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(reading.ReadSome(1'000).empty());
  gate.AwaitEntered();
  server.reset();
  EXPECT_EQ(ended.get_future().get(), Errc::kUnavailable);
  EXPECT_TRUE(running.AwaitClosed());
  EXPECT_TRUE(idle.AwaitClosed());
  EXPECT_TRUE(half.AwaitClosed());
  gate.Open();
  pool.reset();
  EXPECT_EQ(Metric("sidecar_http_connections"), 0);
}

}  // namespace
}  // namespace sidecar
