#include "common/http/response_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <thread>

#include "common/metrics/sink.h"
#include "tests/unit/common/http/gunzip.h"

namespace sidecar::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Recorder final : Outlet {
  Result<> Send(std::span<const std::string_view> parts, bool last) override {
    if (fails) return Fail(Errc::kTimeout, "too slow");
    for (const std::string_view part : parts) text.append(part);
    ++sends;
    ended = last;
    return {};
  }
  std::string body() const { return text.substr(text.find("\r\n\r\n") + 4); }

  std::string text;
  int sends = 0;
  bool ended = false;
  bool fails = false;
};

struct ResponseWriterTest : ::testing::Test {
  Outcome Run(const Response& response, const Exchange& exchange = {}) {
    return Respond(response, exchange, Wall(std::chrono::seconds(1'795'358'818)), outlet, scratch);
  }
  static Response Pieces(int count, std::size_t size) {
    return {200, "text/plain", [count, size](const Write& write) -> Result<> {
              for (int i = 0; i < count; ++i) {
                if (auto done = write(std::string(size, static_cast<char>('a' + i % 26))); !done) {
                  return done;
                }
              }
              return {};
            }};
  }
  static std::string Plain(int count, std::size_t size) {
    std::string text;
    for (int i = 0; i < count; ++i) text.append(size, static_cast<char>('a' + i % 26));
    return text;
  }
  Recorder outlet;
  Scratch scratch;
};

TEST_F(ResponseWriterTest, SendsHeadersAndASmallBodyAtOnce) {
  const Outcome outcome = Run(Text(200, "ok\n"));
  EXPECT_EQ(outlet.text,
            "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 14:46:58 GMT\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nVary: Accept-Encoding\r\n"
            "Content-Length: 3\r\n\r\nok\n");
  EXPECT_EQ(outlet.sends, 1);
  EXPECT_TRUE(outlet.ended);
  EXPECT_TRUE(outcome.keep_alive);
  EXPECT_EQ(outcome.status, 200);
}

TEST_F(ResponseWriterTest, TakesABodyOf64KiBInPiecesAsOne) {
  Run(Pieces(64, 1 << 10));
  EXPECT_EQ(outlet.sends, 1);
  EXPECT_THAT(outlet.text, HasSubstr("Content-Length: 65536\r\n"));
  EXPECT_EQ(outlet.body(), Plain(64, 1 << 10));
}

TEST_F(ResponseWriterTest, StreamsALargerOneInChunks) {
  const Outcome outcome = Run(Pieces(3, 40'000));
  EXPECT_THAT(outlet.text, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(outlet.text, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(outlet.body(), "13880\r\n" + Plain(2, 40'000) + "\r\n9c40\r\n" +
                               std::string(40'000, 'c') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(outcome.keep_alive);
}

TEST_F(ResponseWriterTest, EndsAStreamForHttp10WithTheConnection) {
  const Outcome outcome = Run(Pieces(3, 40'000), {.http11 = false, .keep_alive = true});
  EXPECT_THAT(outlet.text, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(outlet.text, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_EQ(outlet.body(), Plain(3, 40'000));
  EXPECT_FALSE(outcome.keep_alive);
  EXPECT_FALSE(outcome.cut);
}

TEST_F(ResponseWriterTest, SaysKeepAliveToHttp10ThatAskedForIt) {
  EXPECT_TRUE(Run(Text(200, "x"), {.http11 = false, .keep_alive = true}).keep_alive);
  EXPECT_THAT(outlet.text, HasSubstr("Connection: keep-alive\r\n"));
}

TEST_F(ResponseWriterTest, CompressesFromOneKiBOnInOneWrite) {
  Run(Text(200, std::string(1'023, 'x')), {.gzip = true});
  EXPECT_THAT(outlet.text, Not(HasSubstr("Content-Encoding")));
  outlet = {};
  Run(Pieces(50, 20'000), {.gzip = true});
  EXPECT_EQ(outlet.sends, 1);
  EXPECT_THAT(outlet.text, HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_EQ(Gunzip(outlet.body()), Plain(50, 20'000));
}

TEST_F(ResponseWriterTest, AnswersHeadWithTheHeadersOfGet) {
  for (const bool gzip : {false, true}) {
    for (const std::size_t size : {10U, 5'000U, 200'000U}) {
      outlet = {};
      Run(Pieces(1, size), {.gzip = gzip});
      const std::string get = outlet.text.substr(0, outlet.text.find("\r\n\r\n") + 4);
      outlet = {};
      const Outcome outcome = Run(Pieces(1, size), {.head = true, .gzip = gzip});
      EXPECT_EQ(outlet.text, get);
      EXPECT_TRUE(outcome.keep_alive);
      EXPECT_FALSE(outcome.cut || outcome.body || outcome.peer);
    }
  }
}

TEST_F(ResponseWriterTest, MakesNoMoreOfABodyForHeadThanItNeeds) {
  int written = 0;
  Run({200, "text/plain",
       [&written](const Write& write) -> Result<> {
         for (; written < 1'000; ++written) {
           if (auto done = write(std::string(10'000, 'x')); !done) return done;
         }
         return {};
       }},
      {.head = true});
  EXPECT_LT(written, 10);
}

TEST_F(ResponseWriterTest, AnswersABodyThatFailsBeforeItsFirst64KiBWith500) {
  const Outcome outcome = Run({200, "text/plain", [](const Write& write) -> Result<> {
                                 if (auto done = write("half"); !done) return done;
                                 return Fail(Errc::kInternal, "secret reason");
                               }});
  EXPECT_THAT(outlet.text, StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_THAT(outlet.text, Not(HasSubstr("half")));
  EXPECT_THAT(outlet.text, Not(HasSubstr("secret")));
  ASSERT_TRUE(outcome.body);
  EXPECT_EQ(outcome.body->message, "secret reason");
  EXPECT_EQ(outcome.status, 500);
  EXPECT_TRUE(outcome.keep_alive);
  EXPECT_FALSE(outcome.cut);
}

TEST_F(ResponseWriterTest, CutsABodyThatFailsMidwayWithoutTheLastChunk) {
  for (const bool throws : {false, true}) {
    outlet = {};
    const Outcome outcome = Run({200, "text/plain", [throws](const Write& write) -> Result<> {
                                   if (auto done = write(std::string(70'000, 'x')); !done)
                                     return done;
                                   if (throws) throw std::runtime_error("midway");
                                   return Fail(Errc::kInternal, "midway");
                                 }});
    EXPECT_THAT(outlet.text, Not(EndsWith("0\r\n\r\n")));
    EXPECT_FALSE(outlet.ended);
    EXPECT_TRUE(outcome.cut);
    EXPECT_FALSE(outcome.keep_alive);
    ASSERT_TRUE(outcome.body);
    EXPECT_EQ(outcome.body->message, "midway");
  }
}

TEST_F(ResponseWriterTest, EndsWhenThePeerHasGoneEvenIfTheBodyDoesNotLook) {
  outlet.fails = true;
  int refused = 0;
  const Outcome outcome = Run({200, "text/plain", [&refused](const Write& write) -> Result<> {
                                 for (int i = 0; i < 3; ++i) {
                                   if (!write(std::string(70'000, 'x'))) ++refused;
                                 }
                                 return {};
                               }});
  EXPECT_EQ(refused, 3);
  ASSERT_TRUE(outcome.peer);
  EXPECT_EQ(outcome.peer->code, Errc::kTimeout);
  EXPECT_TRUE(outcome.cut);
}

TEST_F(ResponseWriterTest, KeepsHeaderValuesOnOneLine) {
  Response response = Text(200, "x");
  response.headers.emplace_back("Location", "/a\r\nSet-Cookie: b");
  Run(response);
  EXPECT_THAT(outlet.text, HasSubstr("Location: /a  Set-Cookie: b\r\n"));
}

TEST_F(ResponseWriterTest, SendsAnEmptyBodyWhereThereIsNone) {
  Run({302, "", {}, {{"Location", "/metrics"}}});
  EXPECT_THAT(outlet.text, HasSubstr("Content-Length: 0\r\n"));
}

TEST(Call, TurnsWhatAHandlerThrowsIntoAnError) {
  const Request request{};
  auto thrown = Call([](const Request&) -> Response { throw std::runtime_error("no"); }, request);
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().message, "no");
  EXPECT_FALSE(Call([](const Request&) -> Response { throw 1; }, request));
}

TEST_F(ResponseWriterTest, PutsPackedTextsIntoTheBody) {
  std::mt19937 random(3);
  std::string noise(30'000, ' ');
  for (char& c : noise) c = static_cast<char>('a' + random() % 26);
  Packed kept;
  const Response packs{200, "text/plain", [&](const Write& write) -> Result<> {
                         EXPECT_TRUE(write.packs());
                         Packer* const packer = write.packer();
                         if (packer == nullptr) return write("plain\n");
                         if (kept.size == 0) kept = packer->Pack(noise);
                         for (int i = 0; i < 20; ++i) {
                           if (auto added = packer->Add(kept); !added) return added;
                         }
                         return write("and live\n");
                       }};
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += noise;
  expected += "and live\n";
  for (int i = 0; i < 2; ++i) {
    outlet = {};
    const Outcome outcome = Run(packs, {.http11 = false, .gzip = true});
    EXPECT_FALSE(outcome.body) << outcome.body->message;
    EXPECT_THAT(outlet.text, HasSubstr("Content-Encoding: gzip\r\n"));
    EXPECT_GT(outlet.sends, 1);  // 64 KiB at a time
    EXPECT_TRUE(Gunzip(outlet.body()) == expected);
  }
  outlet = {};
  Run(packs, {.gzip = false});
  EXPECT_EQ(outlet.body(), "plain\n");
  outlet = {};
  Run(packs, {.head = true, .gzip = true});
  EXPECT_EQ(outlet.body(), "");
  outlet = {};
  outlet.fails = true;
  EXPECT_TRUE(Run(packs, {.http11 = false, .gzip = true}).peer);
}

// What two scrapes at once do with the batch that both are served: for ThreadSanitizer.
TEST(ResponseWriter, ScrapesAtOnceShareWhatIsPacked) {
  constexpr auto kSetting = Gauge("setting_bytes", "A setting.", "name");
  for (int round = 0; round < 20; ++round) {
    const auto batch = std::make_shared<Batch>();
    Sink sink(*batch);
    for (int i = 0; i < 100; ++i) sink.Add(kSetting, i, std::to_string(i));
    batch->Seal();
    const Response response{200, "text/plain", [&](const Write& write) {
                              return Encode({{batch}, {}}, Format::kText, write);
                            }};
    std::string expected;
    ASSERT_TRUE(Encode({{batch}, {}}, Format::kText, [&](std::string_view piece) {
      expected += piece;
      return Result<>();
    }));
    const auto scrape = [&] {
      Scratch scratch;
      for (int i = 0; i < 5; ++i) {
        Recorder outlet;
        Respond(response, {.gzip = true}, Wall(), outlet, scratch);
        EXPECT_EQ(Gunzip(outlet.body()), expected);
      }
    };
    std::jthread other(scrape);
    scrape();
  }
}

TEST_F(ResponseWriterTest, PacksNothingOnceABodyHasBegunWithoutIt) {
  Run({200, "text/plain",
       [](const Write& write) -> Result<> {
         if (auto written = write("begun\n"); !written) return written;
         EXPECT_EQ(write.packer(), nullptr);
         return {};
       }},
      {.gzip = true});
  EXPECT_EQ(outlet.body(), "begun\n");
}

}  // namespace
}  // namespace sidecar::http
