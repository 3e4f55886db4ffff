// The channel against a gRPC server in the same process. gRPC's own deadlines are real time, so no
// test here waits for one: what hangs is stopped.

#include "exporters/temporal/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>

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
  ChannelTest() {
    std::string name = fs::temp_directory_path() / "sidecar-channel-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
  }
  ~ChannelTest() override { fs::remove_all(folder_); }

  Scrape WithTime(Millis time = Millis(30'000)) {
    return {clock_, clock_.mono() + time, stop_.get_token(), 1};
  }
  static Request Count(const std::string& body = "?") {
    return {.path = kCount, .name_space = "default", .body = body, .timeout = Millis(30'000)};
  }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::trunc) << text;
    return folder_ / name;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A CA, and NAME.crt and NAME.key signed by it, valid for one DNS name.
  void MakeAuthority() const {
    Shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=authority -keyout ca.key -out ca.crt");
  }
  void MakeCertificate(const std::string& name, const std::string& dns) const {
    Shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + dns +
          " -keyout " + name + ".key -out " + name + ".csr && printf 'subjectAltName=DNS:" + dns +
          "' > ext && openssl x509 -req -in " + name +
          ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out " + name +
          ".crt");
  }
  ConnectionOptions Tls(const FakeFrontend& server) const {
    ConnectionOptions options{.address = server.address()};
    options.tls.enabled = true;
    options.tls.ca_file = folder_ / "ca.crt";
    return options;
  }

  FakeClock clock_;
  std::stop_source stop_;
  fs::path folder_;

 private:
  void Shell(const std::string& command) const {
    const std::string all = "cd " + folder_.string() + " && (" + command + ") 2>log";
    ASSERT_EQ(::system(all.c_str()), 0) << Read("log");
  }
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
            [](const FakeFrontend::Call&) { return Reply{.body = std::string(9'000'000, 'x')}; });
  const Reply reply = MakeChannel({.address = server.address()})->Call(WithTime(), Count());
  EXPECT_EQ(reply.code, Code::kOk) << reply.message;
  EXPECT_EQ(reply.body.size(), 9'000'000U);
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
  // It was refused while the server was away, and tries again half a second later.
  Reply reply{.code = Code::kUnavailable};
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (reply.code == Code::kUnavailable && std::chrono::steady_clock::now() < give_up) {
    reply = channel->Call(WithTime(), Count());
  }
  EXPECT_EQ(reply.code, Code::kOk) << reply.message;
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
                            .api_key = Secret::File(Write("key", "one\n")),
                            .api_key_over_plaintext = true};
  options.headers = {{.name = "x-team", .value = "blue"},
                     {.name = "x-secret", .secret = Secret::File(Write("secret", "s1"))}};
  const auto channel = MakeChannel(options);
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
  Write("key", "two\n");
  Write("secret", "s2");
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
  EXPECT_THAT(seen, testing::ElementsAre("Bearer one", "blue", "s1", "Bearer two", "blue", "s2"));
}

TEST_F(ChannelTest, UnreadableOrUnsendableKeyIsSaidWithoutACall) {
  FakeFrontend server;
  ConnectionOptions options{.address = server.address(),
                            .api_key = Secret::File(folder_ / "absent")};
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnauthenticated);
  options.api_key = Secret::File(Write("key", "two\nlines"));
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
  MakeAuthority();
  MakeCertificate("server", "temporal.example");
  FakeFrontend server({.certificate = Read("server.crt"), .key = Read("server.key")});
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
  MakeAuthority();
  MakeCertificate("server", "temporal.example");
  FakeFrontend server({.certificate = Read("server.crt"), .key = Read("server.key")});
  MakeAuthority();  // a new one of the same name
  ConnectionOptions options = Tls(server);
  options.tls.server_name = "temporal.example";
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnavailable);
}

TEST_F(ChannelTest, ClientCertificateIsSentAndItsRotationSeen) {
  MakeAuthority();
  MakeCertificate("server", "temporal.example");
  MakeCertificate("client", "exporter.example");
  FakeFrontend server(
      {.certificate = Read("server.crt"), .key = Read("server.key"), .client_ca = Read("ca.crt")});
  server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) { return Reply{}; });
  ConnectionOptions options = Tls(server);
  options.tls.server_name = "temporal.example";
  EXPECT_EQ(MakeChannel(options)->Call(WithTime(), Count()).code, Code::kUnavailable);

  options.tls.cert_file = folder_ / "used.crt";
  options.tls.key_file = folder_ / "used.key";
  const auto channel = MakeChannel(options);
  const Reply absent = channel->Call(WithTime(), Count());
  EXPECT_EQ(absent.code, Code::kUnauthenticated);
  EXPECT_THAT(absent.message, HasSubstr("used.crt"));
  Write("used.crt", Read("client.crt"));
  Write("used.key", Read("client.key"));
  clock_.Advance(Millis(10'000));
  const Reply sent = channel->Call(WithTime(), Count());
  EXPECT_EQ(sent.code, Code::kOk) << sent.message;
  // Half of a rotation: the connection that there is goes on.
  fs::remove(folder_ / "used.crt");
  clock_.Advance(Millis(10'000));
  EXPECT_EQ(channel->Call(WithTime(), Count()).code, Code::kOk);
}

}  // namespace
}  // namespace sidecar::temporal
