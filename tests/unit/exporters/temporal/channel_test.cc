// The channel against a gRPC server in the same process. gRPC's own deadlines are real time, so no
// test here waits for one: what hangs is stopped. Its keepalive is real time too, and has but one
// test, of a tenth of a second.

#include "exporters/temporal/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_frontend.h"

namespace sidecar::temporal {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kCount =
    "/temporal.api.workflowservice.v1.WorkflowService/CountWorkflowExecutions";

class ChannelTest : public testing::Test {
 protected:
  Scrape WithTime(Millis time = Millis(30'000)) {
    return {clock_, clock_.mono() + time, stop_.get_token(), 1};
  }
  static Request Count(const std::string& body = "?") {
    return {.path = kCount, .name_space = "default", .body = body, .timeout = Millis(30'000)};
  }
  ConnectionOptions Tls(const FakeFrontend& server) const {
    ConnectionOptions options{.address = server.address()};
    options.tls.enabled = true;
    options.tls.ca_file = files_.folder() / "ca.crt";
    return options;
  }

  FakeClock clock_;
  std::stop_source stop_;
  const Certificates files_;
};

TEST_F(ChannelTest, BytesGoOutAndComeBack) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call& call) {
    EXPECT_THAT(call.metadata, Contains(Pair("temporal-namespace", "default")));
    return Reply{.body = call.body + std::string("\0!", 2)};
  });
  const auto channel = MakeChannel({.address = server.address()});
  const Reply reply = channel->Call(WithTime(), Count("a"));
  EXPECT_EQ(reply.code, Code::kOk) << reply.message;
  EXPECT_EQ(reply.body, std::string("a\0!", 3));
}

TEST_F(ChannelTest, ErrorsKeepCodeMessageAndDetails) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) {
    return Reply{.code = Code::kResourceExhausted,
                 .message = "namespace rate limit exceeded",
                 .details = std::string("\x08\x08\0\xff", 4)};
  });
  const Reply reply = MakeChannel({.address = server.address()})->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kResourceExhausted);
  EXPECT_EQ(reply.message, "namespace rate limit exceeded");
  EXPECT_EQ(reply.details, std::string("\x08\x08\0\xff", 4));
}

TEST_F(ChannelTest, PageOverFourMegabytesIsTaken) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions",
            [](const FakeFrontend::Call&) { return Reply{.body = std::string(8'000'000, 'x')}; });
  const Reply reply = MakeChannel({.address = server.address()})->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kOk) << reply.message;
  EXPECT_EQ(reply.body.size(), 8'000'000U);
}

TEST_F(ChannelTest, AnswerOverTheBoundIsRefusedAsTooLarge) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions",
            [](const FakeFrontend::Call&) { return Reply{.body = std::string(100'000, 'x')}; });
  ConnectionOptions options{.address = server.address()};
  options.max_message_bytes = 65'536;
  const Reply reply = MakeChannel(options)->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kResourceExhausted);
  EXPECT_THAT(reply.message, HasSubstr("larger than max"));
}

TEST_F(ChannelTest, MethodThatTheServerDoesNotKnowIsUnimplemented) {
  FakeFrontend server;
  const Reply reply = MakeChannel({.address = server.address()})->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kUnimplemented);
}

TEST_F(ChannelTest, HangingCallEndsWhenTheScrapeIsStopped) {
  FakeFrontend server;
  std::promise<void> arrived;
  server.On("CountWorkflowExecutions", [&](const FakeFrontend::Call&) {
    arrived.set_value();
    return std::optional<Reply>();
  });
  const auto channel = MakeChannel({.address = server.address()});
  auto call = std::async(std::launch::async, [&] { return channel->Call(WithTime(), Count()); });
  arrived.get_future().wait();
  stop_.request_stop();
  EXPECT_EQ(call.get().code, Code::kCancelled);
}

TEST_F(ChannelTest, NoTimeLeftIsADeadlineAtOnce) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions",
            [](const FakeFrontend::Call&) { return std::optional<Reply>(); });
  const auto channel = MakeChannel({.address = server.address()});
  EXPECT_EQ(channel->Call(WithTime(Millis(0)), Count()).code, Code::kDeadlineExceeded);
}

TEST_F(ChannelTest, NobodyThereIsUnavailable) {
  std::string address;
  {
    const FakeFrontend gone;
    address = gone.address();
  }
  EXPECT_EQ(MakeChannel({.address = address})->Call(WithTime(), Count()).code, Code::kUnavailable);
}

TEST_F(ChannelTest, ConnectionThatIsSentAwayComesBack) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) { return Reply{}; });
  const auto channel = MakeChannel({.address = server.address()});
  ASSERT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
  server.Restart();  // GOAWAY
  // The call may meet the connection while it ends: the frontend's one retry is for that.
  Reply reply = channel->Call(WithTime(), Count());
  if (reply.code == Code::kUnavailable) reply = channel->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kOk) << reply.message;
}

TEST_F(ChannelTest, ConnectionThatHasGoneSilentIsGivenUpAndReplaced) {
  FakeFrontend server;
  Relay relay(server.address());
  std::atomic<bool> talks = true;
  server.On("CountWorkflowExecutions", [&](const FakeFrontend::Call&) {
    if (talks.exchange(false)) relay.Silence();
    return Reply{};
  });
  ConnectionOptions options{.address = relay.address()};
  options.keepalive = options.keepalive_timeout = Millis(60);
  const auto channel = MakeChannel(options);
  const Reply cut = channel->Call(WithTime(), Count());
  EXPECT_EQ(cut.code, Code::kUnavailable) << "long before its deadline";
  while (channel->Call(WithTime(), Count()).code != Code::kOk) std::this_thread::yield();
}

TEST_F(ChannelTest, WhatIsNoGrpcIsUnavailable) {
  for (const std::string& says :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("\0\xff\x13\x37 garbage", 12),
        std::string(100'000, 'x'), std::string()}) {
    const BabblingServer server(says);
    const Reply reply = MakeChannel({.address = server.address()})->Call(WithTime(), Count());
    EXPECT_EQ(reply.code, Code::kUnavailable) << says.substr(0, 20);
  }
}

TEST_F(ChannelTest, KeyAndHeadersAreReadForEveryCall) {
  FakeFrontend server;
  std::vector<std::string> seen;
  server.On("CountWorkflowExecutions", [&](const FakeFrontend::Call& call) {
    for (const char* name : {"authorization", "x-team", "x-secret"}) {
      const auto found = call.metadata.find(name);
      seen.push_back(found == call.metadata.end() ? "-" : found->second);
    }
    return Reply{};
  });
  ConnectionOptions options{.address = server.address(),
                            .api_key = Secret::File(files_.Write("key", "one\n")),
                            .api_key_over_plaintext = true};
  options.headers = {{.name = "x-team", .value = "blue"},
                     {.name = "x-secret", .secret = Secret::File(files_.Write("secret", "s1"))}};
  const auto channel = MakeChannel(options);
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
  files_.Write("key", "two\n");
  files_.Write("secret", "s2");
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
  EXPECT_THAT(seen, testing::ElementsAre("Bearer one", "blue", "s1", "Bearer two", "blue", "s2"));
}

TEST_F(ChannelTest, UnreadableOrUnsendableKeyIsSaidWithoutACall) {
  FakeFrontend server;
  ConnectionOptions options{.address = server.address(),
                            .api_key = Secret::File(files_.folder() / "absent")};
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnauthenticated);
  options.api_key = Secret::File(files_.Write("key", "two\nlines"));
  const Reply reply = MakeChannel(options)->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kUnauthenticated);
  EXPECT_THAT(reply.message, testing::Not(HasSubstr("two")));
}

TEST_F(ChannelTest, NamespaceThatMetadataCannotCarryIsStillAsked) {
  FakeFrontend server;
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) { return Reply{}; });
  Request request = Count();
  request.name_space = "caf\xc3\xa9\n";
  EXPECT_EQ(MakeChannel({.address = server.address()})->Call(WithTime(), request).code, Code::kOk);
}

TEST_F(ChannelTest, TlsChecksTheServersName) {
  files_.Make("server", "temporal.example");
  FakeFrontend server({.certificate = files_.Read("server.crt"), .key = files_.Read("server.key")});
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) { return Reply{}; });
  ConnectionOptions options = Tls(server);
  const Reply wrong = MakeChannel(options)->Call(WithTime(), Count());
  EXPECT_EQ(wrong.code, Code::kUnavailable);
  options.tls.server_name = "another.example";
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnavailable);
  options.tls.server_name = "temporal.example";
  const Reply right = MakeChannel(options)->Call(WithTime(), Count());
  EXPECT_EQ(right.code, Code::kOk) << right.message;
}

TEST_F(ChannelTest, TlsFromAnotherAuthorityIsRefused) {
  files_.Make("server", "temporal.example");
  FakeFrontend server({.certificate = files_.Read("server.crt"), .key = files_.Read("server.key")});
  files_.MakeAuthority();  // a new one of the same name
  ConnectionOptions options = Tls(server);
  options.tls.server_name = "temporal.example";
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnavailable);
}

TEST_F(ChannelTest, ClientCertificateIsSentAndItsRotationSeen) {
  files_.Make("server", "temporal.example");
  files_.Make("client", "exporter.example");
  FakeFrontend server({.certificate = files_.Read("server.crt"),
                       .key = files_.Read("server.key"),
                       .client_ca = files_.Read("ca.crt")});
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) { return Reply{}; });
  ConnectionOptions options = Tls(server);
  options.tls.server_name = "temporal.example";
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnavailable);

  options.tls.cert_file = files_.folder() / "used.crt";
  options.tls.key_file = files_.folder() / "used.key";
  const auto channel = MakeChannel(options);
  const Reply absent = channel->Call(WithTime(), Count());
  EXPECT_EQ(absent.code, Code::kUnauthenticated);
  EXPECT_THAT(absent.message, HasSubstr("used.crt"));
  files_.Write("used.crt", files_.Read("client.crt"));
  files_.Write("used.key", files_.Read("client.key"));
  clock_.Advance(Millis(10'000));
  const Reply sent = channel->Call(WithTime(), Count());
  EXPECT_EQ(sent.code, Code::kOk) << sent.message;
  // Half of a rotation: the connection that there is goes on.
  fs::remove(files_.folder() / "used.crt");
  clock_.Advance(Millis(10'000));
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
}

}  // namespace
}  // namespace sidecar::temporal
