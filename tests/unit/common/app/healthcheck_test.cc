#include "common/app/healthcheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "common/http/listener.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;

// Accepts one connection and answers it with a fixed text, in pieces; empty: never.
class OneAnswer {
 public:
  explicit OneAnswer(std::vector<std::string> pieces) {
    socket_ = std::move(*http::Listen("127.0.0.1:0"));
    thread_ = std::jthread([this, pieces = std::move(pieces)](const std::stop_token& stop) {
      UniqueFd peer;
      while (!peer && !stop.stop_requested()) {
        peer.Reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer) std::this_thread::yield();
      }
      char request[512];
      if (peer)
        asked_.assign(request, static_cast<std::size_t>(std::max<ssize_t>(
                                   ::recv(peer.get(), request, sizeof request, 0), 0)));
      for (const std::string& piece : pieces) {
        static_cast<void>(::send(peer.get(), piece.data(), piece.size(), MSG_NOSIGNAL));
      }
      while (pieces.empty() && !stop.stop_requested()) std::this_thread::yield();
    });
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  int port() const { return http::BoundPort(socket_); }
  std::string End() {
    thread_ = {};
    return asked_;
  }

 private:
  UniqueFd socket_;
  std::string asked_;
  std::jthread thread_;
};

constexpr Millis kLong{20'000};

TEST(Healthcheck, AnAnswerOf200IsHealthyHoweverItIsCut) {
  OneAnswer exporter({"HTTP/1", ".1 20", "0 OK\r\nContent-Length: 0\r\n\r\n"});
  const auto alive = CheckHealth(exporter.address(), kLong);
  EXPECT_TRUE(alive) << alive.error().message;
  EXPECT_THAT(exporter.End(), HasSubstr("GET /-/healthy HTTP/1.1\r\n"));
}

TEST(Healthcheck, WhereTheExporterListensEverywhereTheLoopbackIsAsked) {
  OneAnswer exporter({"HTTP/1.1 200 OK\r\n\r\n"});
  EXPECT_TRUE(CheckHealth("0.0.0.0:" + std::to_string(exporter.port()), kLong));
  OneAnswer other({"HTTP/1.1 200 OK\r\n\r\n"});
  EXPECT_TRUE(CheckHealth(":" + std::to_string(other.port()), kLong));
}

TEST(Healthcheck, AnotherAnswerOrNoneIsNot) {
  for (const char* const text : {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 20", "x"}) {
    OneAnswer exporter({text});
    const auto alive = CheckHealth(exporter.address(), kLong);
    ASSERT_FALSE(alive) << text;
    EXPECT_EQ(alive.error().code, Errc::kUnavailable);
    EXPECT_THAT(alive.error().message, HasSubstr(exporter.address() + ": the answer is not 200"));
  }
}

TEST(Healthcheck, AnExporterThatHangsIsATimeout) {
  OneAnswer exporter({});
  const auto alive = CheckHealth(exporter.address(), Millis(50));
  ASSERT_FALSE(alive);
  EXPECT_EQ(alive.error().code, Errc::kTimeout);
}

TEST(Healthcheck, NobodyThereAndNoAddressAreSaid) {
  std::string address;
  {
    const UniqueFd socket = std::move(*http::Listen("127.0.0.1:0"));
    address = "127.0.0.1:" + std::to_string(http::BoundPort(socket));
  }
  const auto alive = CheckHealth(address, kLong);
  ASSERT_FALSE(alive);
  EXPECT_EQ(alive.error().code, Errc::kUnavailable);
  EXPECT_THAT(alive.error().message, HasSubstr("Connection refused"));
  EXPECT_EQ(CheckHealth("nowhere", kLong).error().code, Errc::kConfig);
}

}  // namespace
}  // namespace sidecar
