#include "exporters/postgres/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kSslRequest("\0\0\0\x08\x04\xd2\x16\x2f", 8);
// A server's refusal while it starts up: severity, SQLSTATE 57P03.
const std::string kStartingUp("E\0\0\0\x1dSFATAL\0C57P03\0Mstarting\0\0", 30);
constexpr Millis kMoment{50};  // what a thing takes at most that is to happen here
constexpr Millis kLong{5'000};

// What answers no login unless the test does.
class Peer {
 public:
  void ListenTcp() {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    Listen(reinterpret_cast<sockaddr*>(&address), size);
    ASSERT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    login_ = {{{"host", "127.0.0.1"}, {"port", std::to_string(ntohs(address.sin_port))}}, {}};
  }
  void ListenUnix() {
    std::array<char, 32> folder{"/tmp/connection_test.XXXXXX"};
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder.data();
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (folder_ + "/.s.PGSQL.5432").copy(address.sun_path, sizeof address.sun_path - 1);
    Listen(reinterpret_cast<sockaddr*>(&address), sizeof address);
    login_ = {{{"host", folder_}, {"port", "5432"}}, {}};
  }
  ~Peer() {
    if (folder_.empty()) return;
    ::unlink((folder_ + "/.s.PGSQL.5432").c_str());
    ::rmdir(folder_.c_str());
  }

  Login LoginAs(const char* sslmode) const {
    Login login = login_;
    for (const auto& [key, value] :
         {std::pair("user", "monitor"), std::pair("dbname", "orders"),
          std::pair("sslmode", sslmode), std::pair("gssencmode", "disable")}) {
      login.parameters.emplace_back(key, value);
    }
    return login;
  }
  void Accept() {
    ASSERT_TRUE(Ready(listener_.get(), kLong)) << "nobody came";
    client_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // What has come, or is to come; "closed" once the other end has.
  std::string Read(Millis most = kLong) {
    if (!Ready(client_.get(), most)) return {};
    std::array<char, 1'000> bytes{};
    const ssize_t got = ::recv(client_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : "closed";
  }
  void Say(std::string_view words) {
    ASSERT_EQ(::send(client_.get(), words.data(), words.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(words.size()));
  }
  void Close() { client_.Reset(); }

 private:
  void Listen(const sockaddr* address, socklen_t size) {
    listener_.Reset(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener_.get(), address, size), 0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
  }
  static bool Ready(int fd, Millis most) {
    pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&polled, 1, static_cast<int>(most.count())) > 0;
  }

  UniqueFd listener_, client_;
  std::string folder_;
  Login login_;
};

class ConnectionTest : public ::testing::Test {
 protected:
  void Start(const Login& login, bool asks) {
    auto started = Connection::Start(login, asks);
    ASSERT_TRUE(started);
    connection_ = std::move(*started);
  }
  // As far as it comes with what the peer has said.
  Result<Connection::Progress> Go() {
    const Scrape scrape(clock_, clock_.mono() + kMoment, {}, 1);
    return connection_->Advance(scrape, clock_.mono());
  }
  void ExpectPending() {
    auto progress = Go();
    ASSERT_TRUE(progress) << progress.error().message;
    EXPECT_EQ(*progress, Connection::Progress::kPending);
  }
  void StartAsking(const Login& login) {
    Start(login, true);
    ExpectPending();
    peer_.Accept();
    EXPECT_EQ(peer_.Read(), kSslRequest);
  }
  void ExpectStartup(const std::string& packet) {
    EXPECT_THAT(packet.substr(4), StartsWith(std::string("\0\x03\0\0", 4))) << "protocol 3.0";
    EXPECT_THAT(packet, HasSubstr(std::string("user\0monitor", 12)));
  }

  FakeClock clock_;
  Peer peer_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, InPlainTextItSaysWhoItIsOnlyToWhoAnswers) {
  peer_.ListenTcp();
  StartAsking(peer_.LoginAs("disable"));
  ExpectPending();
  EXPECT_EQ(peer_.Read(kMoment), "") << "nothing more";
  EXPECT_TRUE(connection_->accepted());
  EXPECT_FALSE(connection_->named());
  peer_.Say("N");
  ExpectPending();
  ExpectStartup(peer_.Read());
  EXPECT_TRUE(connection_->named());
  EXPECT_FALSE(connection_->asked_apart());
}

TEST_F(ConnectionTest, NothingIsLeftOfALoginThatWasNotNamed) {
  peer_.ListenTcp();
  Start(peer_.LoginAs("disable"), true);
  ExpectPending();
  peer_.Accept();
  EXPECT_FALSE(connection_->Shut()) << "there is no backend to wait for";
  EXPECT_EQ(peer_.Read(), kSslRequest);
  EXPECT_EQ(peer_.Read(), "closed");
}

TEST_F(ConnectionTest, OfALoginThatWasNamedTheSocketIsLeft) {
  peer_.ListenTcp();
  Start(peer_.LoginAs("disable"), false);
  ExpectPending();
  peer_.Accept();
  ExpectStartup(peer_.Read());
  const UniqueFd last = connection_->Shut();
  EXPECT_TRUE(last);
}

TEST_F(ConnectionTest, WhatAnswersOtherwiseIsLoggedInToAnewAndNotAskedAgain) {
  peer_.ListenTcp();
  for (const std::string_view answer : {"S", "E"}) {
    StartAsking(peer_.LoginAs("disable"));
    peer_.Say(answer);
    ExpectPending();
    EXPECT_EQ(peer_.Read(), "closed");
    EXPECT_TRUE(connection_->asked_apart());
    peer_.Accept();
    ExpectPending();
    ExpectStartup(peer_.Read());
    EXPECT_TRUE(connection_->named());
  }
}

TEST_F(ConnectionTest, EachHostIsAskedOfAList) {
  Peer second;
  peer_.ListenTcp();
  second.ListenTcp();
  Login login = peer_.LoginAs("disable");
  login.parameters[0].second += ",127.0.0.1";
  login.parameters[1].second += "," + second.LoginAs("disable").parameters[1].second;
  StartAsking(login);
  peer_.Say("N");
  ExpectPending();
  ExpectStartup(peer_.Read());
  peer_.Say(kStartingUp);  // on which libpq goes to the next host
  ExpectPending();
  second.Accept();
  ExpectPending();
  EXPECT_EQ(second.Read(), kSslRequest);
  EXPECT_FALSE(connection_->named());
}

TEST_F(ConnectionTest, ASocketOfTheFileSystemIsAskedToo) {
  peer_.ListenUnix();
  StartAsking(peer_.LoginAs("require"));
  peer_.Say("N");
  ExpectPending();
  ExpectStartup(peer_.Read());
}

TEST_F(ConnectionTest, WithTlsTheFirstWordIsLibpqs) {
  peer_.ListenTcp();
  StartAsking(peer_.LoginAs("prefer"));
  EXPECT_FALSE(connection_->named());
  EXPECT_FALSE(connection_->Shut());
}

TEST_F(ConnectionTest, WhoClosesWithoutAWordIsNotToldWhoWeAre) {
  peer_.ListenTcp();
  StartAsking(peer_.LoginAs("disable"));
  peer_.Close();
  const auto refused = Go();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("closed the connection without an answer"));
  EXPECT_FALSE(connection_->named());
  EXPECT_FALSE(connection_->Shut());
}

}  // namespace
}  // namespace sidecar::postgres
