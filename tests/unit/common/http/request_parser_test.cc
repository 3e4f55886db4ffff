#include "common/http/request_parser.h"

#include <gtest/gtest.h>

namespace sidecar::http {
namespace {

// All of `text` at once, or in pieces of `piece` bytes as a connection would hand it over.
RequestParser::Step Feed(RequestParser& parser, std::string_view text, std::size_t piece) {
  RequestParser::Step last;
  std::string buffer;
  while (!text.empty() && last.status == 0 && !last.done) {
    buffer += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
    last = parser.Put(buffer);
    buffer.erase(0, last.used);
  }
  return last;
}

TEST(RequestParser, TakesARequestInPiecesOfAnySize) {
  constexpr std::string_view kText =
      "GET /metrics?collect[]=cpu HTTP/1.1\r\nHost: a\r\nAccept:  text/plain \r\naccept: x/y\r\n"
      "X-Empty:\r\n\r\n";
  for (std::size_t piece = 1; piece <= kText.size(); ++piece) {
    RequestParser parser(1'024, 0);
    ASSERT_TRUE(Feed(parser, kText, piece).done) << piece;
    EXPECT_EQ(parser.head().method, "GET");
    EXPECT_EQ(parser.head().target, "/metrics?collect[]=cpu");
    EXPECT_EQ(parser.head().Find("ACCEPT"), "text/plain, x/y");
    EXPECT_EQ(parser.head().Find("x-empty"), "");
    EXPECT_EQ(parser.head().Find("absent"), "");
    EXPECT_TRUE(parser.head().keep_alive);
  }
}

TEST(RequestParser, LeavesThePipelinedRequestInTheBuffer) {
  RequestParser parser(1'024, 10);
  const auto step = parser.Put("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b");
  EXPECT_TRUE(step.done);
  EXPECT_EQ(step.used, 51U);
}

TEST(RequestParser, KnowsWhenAConnectionEnds) {
  const struct {
    const char* text;
    bool keep_alive;
  } cases[] = {{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
               {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
               {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false},
               {"GET / HTTP/1.0\r\n\r\n", false},
               {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}};
  for (const auto& [text, keep_alive] : cases) {
    RequestParser parser(1'024, 10);
    ASSERT_TRUE(parser.Put(text).done) << text;
    EXPECT_EQ(parser.head().keep_alive, keep_alive) << text;
  }
}

TEST(RequestParser, AnswersWhatIsNoRequestWithItsStatus) {
  const std::string host = "Host: a\r\n";
  const struct {
    std::string text;
    int status;
  } cases[] = {
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + std::string(40, '\0'), 400},
      {"GET\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\n\r\n", 400},
      {"G@T / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTX/1.1\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "sp ace: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "a: \x01\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 11\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551616\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 411},
      {"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 411},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"GET / HTTP/1.1\r\n" + host + "Expect: the moon\r\n\r\n", 417},
      {"GET /" + std::string(2'000, 'a') + " HTTP/1.1\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\n" + host + "a: " + std::string(2'000, 'a') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\n" + host + std::string(2'000, 'a') + ": b\r\n\r\n", 431},
  };
  for (const auto& [text, status] : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, text.size()}) {
      RequestParser parser(1'024, 10);
      const auto step = Feed(parser, text, piece);
      EXPECT_EQ(step.status, status) << text << " in pieces of " << piece;
      EXPECT_FALSE(step.done) << text;
    }
  }
}

// Beast 1.74 bounds each field, not their sum.
TEST(RequestParser, BoundsTheSumAndTheNumberOfFields) {
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n", large = many;
  for (int i = 0; i < 200; ++i) many += "a" + std::to_string(i) + ":\r\n";
  for (int i = 0; i < 50; ++i) large += "repeated: " + std::string(1'000, 'x') + "\r\n";
  RequestParser few(1 << 20, 0), small(16 << 10, 0);
  EXPECT_EQ(Feed(few, many + "\r\n", 64).status, 431);
  EXPECT_EQ(Feed(small, large, 512).status, 431);
}

TEST(RequestParser, AsksOnceForABodyThatWaitsForContinue) {
  RequestParser parser(1'024, 10);
  auto step =
      parser.Put("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(step.ask_body);
  EXPECT_FALSE(step.done);
  step = parser.Put("a");
  EXPECT_FALSE(step.ask_body);
  step = parser.Put("b");
  EXPECT_TRUE(step.done);
}

}  // namespace
}  // namespace sidecar::http
