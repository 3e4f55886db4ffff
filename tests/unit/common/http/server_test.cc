#include "common/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/common/http/gunzip.h"
#include "tests/unit/common/http/server_fixture.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;

TEST_F(ServerTest, AnswersManyRequestsOnOneConnection) {
  Start();
  HttpClient client = Connect();
  for (int i = 0; i < 100; ++i) {
    const HttpReply reply = client.Get("/ok");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "ok\n");
    EXPECT_FALSE(reply.headers.contains("connection"));
  }
  EXPECT_EQ(Metric("sidecar_http_connections"), 1);
  EXPECT_TRUE(Await([this] { return Metric("sidecar_http_requests_total", "200") == 100; }));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  HttpClient client = Connect();
  std::string requests;
  for (int i = 0; i < 300; ++i) {
    requests += "GET /" +
                std::string(i % 3 == 0 ? "nowhere" : "echo?collect[]=" + std::to_string(i)) +
                " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  client.Send(requests);
  for (int i = 0; i < 300; ++i) {
    const HttpReply reply = client.Read();
    ASSERT_EQ(reply.status, i % 3 == 0 ? 404 : 200) << i;
    ASSERT_EQ(reply.body, i % 3 == 0 ? "not found\n" : "GET ," + std::to_string(i));
  }
}

TEST_F(ServerTest, SurvivesAMegabyteOfPipelinedRequestsForNothing) {
  options.max_header_bytes = 1 << 20;
  Start();
  HttpClient client = Connect();
  std::string requests;
  for (int i = 0; i < 40'000; ++i) requests += "GET / HTTP/1.1\r\nHost:\r\n\r\n";
  std::jthread sender([&] { client.Send(requests); });
  for (int i = 0; i < 40'000; ++i) ASSERT_EQ(client.Read().status, 404) << i;
}

TEST_F(ServerTest, GivesHandlersTheQueryTheHeadersAndTheMethod) {
  Start();
  HttpClient client = Connect();
  EXPECT_EQ(client.Get("/echo?collect%5B%5D=a+b&collect[]=%2f", "X-TEST: v\r\n").body,
            "GET v,a b,/");
  EXPECT_EQ(client.Get("http://else/echo", "x-Test: 1\r\nX-tesT: 2\r\n").body, "GET 1, 2");
}

TEST_F(ServerTest, KnowsExactPathsAndTheirMethods) {
  Start();
  HttpClient client = Connect();
  for (const char* path : {"/", "/ok/", "/okay", "/o", "//ok", "/OK", "/%00ok"}) {
    EXPECT_EQ(client.Get(path).status, 404) << path;
  }
  client.Send("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  HttpReply reply = client.Read();
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers["allow"], "GET, HEAD");
  reply = client.Get("/-/reload");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers["allow"], "POST");
  client.Send("BREW /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.Read().status, 405);
  EXPECT_EQ(client.Get("/ok").status, 200);
}

TEST_F(ServerTest, DropsTheBodyOfAPostAndGoesOn) {
  Start();
  HttpClient client = Connect();
  const std::string body(60'000, 'x');
  client.Send("POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body +
              "\r\nGET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.Read().body, "done\n");
  EXPECT_EQ(client.Read().body, "ok\n");
}

TEST_F(ServerTest, SaysContinueToAPostThatAsks) {
  Start();
  HttpClient client = Connect();
  client.Send(
      "POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  client.Send("x");
  EXPECT_EQ(client.Read().body, "done\n");
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  Start();
  HttpClient client = Connect();
  for (const std::string path : {"/ok", "/20m", "/nowhere"}) {
    client.Send("HEAD " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.Read(true).status, path == "/nowhere" ? 404 : 200);
  }
  EXPECT_EQ(client.Get("/ok").body, "ok\n");
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  Start();
  HttpClient client = Connect();
  EXPECT_EQ(client.Get("/ok", "Connection: close\r\n").headers["connection"], "close");
  EXPECT_TRUE(client.AwaitClosed());
  HttpClient old = Connect();
  old.Send("GET /ok HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Read().body, "ok\n");
  EXPECT_TRUE(old.AwaitClosed());
}

TEST_F(ServerTest, AnswersAClientThatHasShutItsSide) {
  Start();
  HttpClient client = Connect();
  client.Send("GET /20m HTTP/1.1\r\nHost: a\r\n\r\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.Read().body, Body(20'000'000));
}

TEST_F(ServerTest, Streams20MBByteForByte) {
  Start();
  const std::string wanted = Body(20'000'000);
  HttpClient client = Connect();
  HttpReply reply = client.Get("/20m");
  EXPECT_EQ(reply.headers["transfer-encoding"], "chunked");
  EXPECT_TRUE(reply.complete && reply.body == wanted);
  reply = client.Get("/20m", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(reply.headers["content-encoding"], "gzip");
  EXPECT_TRUE(reply.complete && Gunzip(reply.body) == wanted);
  HttpClient old = Connect();
  old.Send("GET /20m HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.Read().body == wanted);
}

TEST_F(ServerTest, SendsTheRestOfAnswersThatTheKernelDoesNotTake) {
  Start();
  HttpClient client(server->port(), "127.0.0.1", 4'096);
  std::string requests;
  for (int i = 0; i < 60; ++i) requests += "GET /60k HTTP/1.1\r\nHost: a\r\n\r\n";
  client.Send(requests);
  // Nothing is read yet, and still no thread of the pool is held.
  EXPECT_TRUE(
      Await([this] { return Metric("sidecar_http_requests_total") > 4 && pool->busy() == 0; }));
  const std::string wanted = Body(60'000);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(client.Read().body == wanted) << i;
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  Start();
  const Runtime runtime{*clock, log, *pool, registry};
  const std::string taken = "127.0.0.1:" + std::to_string(server->port());
  const auto second = Server::Start({"127.0.0.1:0", taken}, options, Router(), runtime);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(second.error().message, "listen " + taken + ": Address already in use");
  const auto wildcard = Server::Start({taken.substr(9)}, options, Router(), runtime);
  ASSERT_FALSE(wildcard);
  EXPECT_THAT(wildcard.error().message, HasSubstr("Address already in use"));
  EXPECT_EQ(Server::Start({"9100"}, options, Router(), runtime).error().code, Errc::kConfig);
  EXPECT_EQ(Server::Start({}, options, Router(), runtime).error().code, Errc::kConfig);
  EXPECT_EQ(Server::Start({"192.0.2.1:0"}, options, Router(), runtime).error().message,
            "listen 192.0.2.1:0: Cannot assign requested address");
}

TEST_F(ServerTest, ListensOnBothFamiliesWithoutAHost) {
  auto started = Server::Start({":0", "127.0.0.1:0"}, options, Routes(),
                               Runtime{*clock, log, *pool, registry});
  ASSERT_TRUE(started) << started.error().message;
  server = std::move(*started);
  EXPECT_EQ(Connect().Get("/ok").status, 200);
  try {
    HttpClient six(server->port(), "::1");
    EXPECT_EQ(six.Get("/ok").status, 200);
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
}

TEST_F(ServerTest, AnswersWhatIsNoRequestAndCloses) {
  Start();
  const struct {
    std::string text;
    int status;
  } cases[] = {
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + std::string(40, 'x'), 400},
      {"GET ok HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /ok HTTP/1.1\r\n\r\n", 400},
      {"POST /-/reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
      {"POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" +
           std::string(200'000, 'x'),
       413},
      {"POST /-/reload HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417},
      {"GET /ok HTTP/1.1\r\nHost: a\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n", 431},
      {"GET /ok HTTP/9.9\r\nHost: a\r\n\r\n", 505},
  };
  for (const auto& [text, status] : cases) {
    HttpClient client = Connect();
    client.Send(text);
    HttpReply reply = client.Read();
    EXPECT_EQ(reply.status, status) << text.substr(0, 60);
    EXPECT_EQ(reply.headers["connection"], "close");
    EXPECT_TRUE(client.AwaitClosed());
    EXPECT_EQ(Metric("sidecar_http_requests_total", std::to_string(status)) > 0, true);
  }
  EXPECT_EQ(Connect().Get("/ok").status, 200);
}

TEST_F(ServerTest, AnswersAHandlerThatThrowsWith500AndKeepsTheConnection) {
  Router router = Routes();
  router.Get("/throws", Access::kProtected,
             [](const Request&) -> Response { throw std::runtime_error("bug 17"); });
  Start(std::move(router));
  HttpClient client = Connect();
  const HttpReply reply = client.Get("/throws");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body, "internal error\n");
  EXPECT_EQ(client.Get("/ok").status, 200);
  server.reset();
  EXPECT_THAT(lines, HasSubstr("msg=\"http handler failed\" path=/throws err=\"bug 17\""));
}

TEST_F(ServerTest, CutsTheConnectionWhenABodyFailsMidway) {
  Router router;
  router.Get("/fails", Access::kProtected, [](const Request&) -> Response {
    return {200, "text/plain", [](const Write& write) -> Result<> {
              if (auto done = write(std::string(100'000, 'x')); !done) return done;
              throw std::runtime_error("bug 18");
            }};
  });
  Start(std::move(router));
  for (const std::string version : {"1.1", "1.0"}) {
    HttpClient client = Connect();
    client.Send("GET /fails HTTP/" + version + "\r\nHost: a\r\n\r\n");
    try {
      EXPECT_FALSE(client.Read().complete);
    } catch (const std::runtime_error&) {  // the reset came before the headers were read
    }
    EXPECT_TRUE(client.AwaitClosed());
  }
  server.reset();
  EXPECT_THAT(lines, HasSubstr("msg=\"http response failed\" path=/fails err=\"bug 18\""));
}

}  // namespace
}  // namespace sidecar
