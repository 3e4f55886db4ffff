#include "exporters/postgres/host_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>

#include "tests/support/fake_clock.h"

namespace sidecar::postgres {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr Millis kPatience{3'000};

// Name servers that answer when they are told to. Shared with threads that a test leaves behind.
struct NameServers {
  std::map<std::string, std::vector<std::string>> known;
  std::promise<void> answer{};
  std::shared_future<void> told = answer.get_future().share();
  std::atomic<int> asked = 0;
};

class HostAddressesTest : public testing::Test {
 protected:
  Lookup Names(std::map<std::string, std::vector<std::string>> known, bool at_once = true) {
    servers_->known = std::move(known);
    if (at_once) servers_->answer.set_value();
    return [servers = servers_](const std::string& name) -> Result<std::vector<std::string>> {
      ++servers->asked;
      servers->asked.notify_all();
      servers->told.wait();
      const auto found = servers->known.find(name);
      if (found != servers->known.end()) return found->second;
      return Fail(Errc::kUnavailable, "no such host: " + name);
    };
  }
  Result<> Fill(HostAddresses& addresses, Login& login, Millis run = kPatience) {
    const Scrape scrape(clock_, clock_.mono() + run, stop_.get_token(), 1);
    return addresses.Fill(scrape, clock_.mono() + kPatience, login);
  }

  FakeClock clock_;
  std::stop_source stop_;
  std::shared_ptr<NameServers> servers_ = std::make_shared<NameServers>();
};

TEST_F(HostAddressesTest, AHostThatHasTwoAddressesStandsTwice) {
  HostAddresses addresses(Names({{"db", {"10.0.0.1", "fd00::1"}}}));
  Login login{{{"host", "db"}, {"port", "5432"}}, {}};
  ASSERT_TRUE(Fill(addresses, login));
  EXPECT_THAT(login.parameters, ElementsAre(Pair("host", "db,db"), Pair("port", "5432"),
                                            Pair("hostaddr", "10.0.0.1,fd00::1")));
}

TEST_F(HostAddressesTest, ListsKeepTheirOrderAndTheirPorts) {
  HostAddresses addresses(Names({{"one", {"10.0.0.1", "10.0.0.2"}}, {"two", {"10.0.0.3"}}}));
  Login login{{{"host", "one,/run/pg,10.9.9.9,gone,two"}, {"port", "1,2,3,4,5"}}, {}};
  ASSERT_TRUE(Fill(addresses, login));
  EXPECT_THAT(login.parameters,
              ElementsAre(Pair("host", "one,one,/run/pg,10.9.9.9,two"), Pair("port", "1,1,2,3,5"),
                          Pair("hostaddr", "10.0.0.1,10.0.0.2,,,10.0.0.3")));
}

TEST_F(HostAddressesTest, WhatIsNoNameIsNotAskedFor) {
  HostAddresses addresses(Names({}));
  for (const char* const host : {"127.0.0.1", "::1", "fe80::1%eth0", "/run/postgresql", "@pg"}) {
    Login login{{{"host", host}}, {}};
    EXPECT_TRUE(Fill(addresses, login));
    EXPECT_THAT(login.parameters, ElementsAre(Pair("host", host)));
  }
  Login given{{{"host", "db"}, {"hostaddr", "10.0.0.1"}}, {}};
  EXPECT_TRUE(Fill(addresses, given));
  Login of_a_service{{{"service", "orders"}}, {}};
  EXPECT_TRUE(Fill(addresses, of_a_service));
  EXPECT_EQ(servers_->asked, 0);
}

TEST_F(HostAddressesTest, APortListThatDoesNotFitIsLeftToLibpqToRefuse) {
  HostAddresses addresses(Names({{"db", {"10.0.0.1"}}}));
  Login login{{{"host", "db"}, {"port", "1,2"}}, {}};
  EXPECT_TRUE(Fill(addresses, login));
  EXPECT_THAT(login.parameters, ElementsAre(Pair("host", "db"), Pair("port", "1,2")));
}

TEST_F(HostAddressesTest, PghostIsLookedUpToo) {
  ASSERT_EQ(::setenv("PGHOST", "db", 1), 0);
  HostAddresses addresses(Names({{"db", {"10.0.0.1"}}}));
  Login login{};
  EXPECT_TRUE(Fill(addresses, login));
  ::unsetenv("PGHOST");
  EXPECT_THAT(login.parameters,
              ElementsAre(Pair("host", "db"), Pair("port", "5432"), Pair("hostaddr", "10.0.0.1")));
}

TEST_F(HostAddressesTest, AServicesHostsAreLookedUpToo) {
  const std::string file = testing::TempDir() + "host_addresses_test_service.conf";
  std::ofstream(file)
      << "[orders]\nhost=one,two\nport=1,2\n[addressed]\nhost=x\nhostaddr=10.9.9.9\n";
  ASSERT_EQ(::setenv("PGSERVICEFILE", file.c_str(), 1), 0);
  HostAddresses addresses(Names({{"one", {"10.0.0.1", "10.0.0.2"}}, {"two", {"10.0.0.3"}}}));
  Login named{{{"service", "orders"}, {"sslmode", "require"}}, {}};
  EXPECT_TRUE(Fill(addresses, named));
  EXPECT_THAT(named.parameters,
              UnorderedElementsAre(Pair("service", "orders"), Pair("sslmode", "require"),
                                   Pair("host", "one,one,two"), Pair("port", "1,1,2"),
                                   Pair("hostaddr", "10.0.0.1,10.0.0.2,10.0.0.3")));
  Login addressed{{{"service", "addressed"}}, {}};
  EXPECT_TRUE(Fill(addresses, addressed));
  EXPECT_THAT(addressed.parameters, Contains(Pair("hostaddr", "10.9.9.9")));
  Login unknown{{{"service", "unknown"}}, {}};
  EXPECT_TRUE(Fill(addresses, unknown)) << "libpq says what is wrong";
  ::unsetenv("PGSERVICEFILE");
  EXPECT_EQ(servers_->asked, 2);
}

TEST_F(HostAddressesTest, ANameThatNobodyKnowsIsSaid) {
  HostAddresses addresses(Names({}));
  Login login{{{"host", "db"}}, {}};
  const auto filled = Fill(addresses, login);
  ASSERT_FALSE(filled);
  EXPECT_EQ(filled.error().code, Errc::kUnavailable);
  EXPECT_EQ(filled.error().message, "no such host: db");
}

TEST_F(HostAddressesTest, ALookupThatHangsCostsTheRunItsTimeAndNotMore) {
  HostAddresses addresses(Names({{"db", {"10.0.0.1"}}}, /*at_once=*/false));
  for (int run = 1; run <= 3; ++run) {
    auto filled = std::async(std::launch::async, [&] {
      Login login{{{"host", "db"}}, {}};
      return Fill(addresses, login, Millis(500));
    });
    ASSERT_TRUE(clock_.AwaitBlocked(1));
    servers_->asked.wait(0);  // its thread may start later than the wait for it
    clock_.Advance(Millis(500));
    const auto failed = filled.get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::kUnavailable);
    EXPECT_THAT(failed.error().message, HasSubstr("host \"db\""));
  }
  EXPECT_EQ(servers_->asked, 1) << "one thread, however many runs gave up";
  servers_->answer.set_value();
  Login login{{{"host", "db"}}, {}};
  ASSERT_TRUE(Fill(addresses, login)) << "the late answer serves who comes next";
  EXPECT_THAT(login.parameters, ElementsAre(Pair("host", "db"), Pair("hostaddr", "10.0.0.1")));
  EXPECT_EQ(servers_->asked, 1);
}

TEST_F(HostAddressesTest, AStopEndsTheWait) {
  HostAddresses addresses(Names({}, /*at_once=*/false));
  auto filled = std::async(std::launch::async, [&] {
    Login login{{{"host", "db"}}, {}};
    return Fill(addresses, login);
  });
  ASSERT_TRUE(clock_.AwaitBlocked(1));
  stop_.request_stop();
  EXPECT_FALSE(filled.get());
  servers_->answer.set_value();
}

TEST_F(HostAddressesTest, APlaceThatDoesNotAnswerIsTriedLastForAWhile) {
  HostAddresses addresses(Names({{"db", {"10.0.0.1", "10.0.0.2"}}}));
  const auto order = [&](Login login) {
    EXPECT_TRUE(Fill(addresses, login));
    std::string text;
    for (const auto& [key, value] : login.parameters) {
      text.append(key).append("=").append(value).append(" ");
    }
    return text;
  };
  const Login name{{{"host", "db,/run/pg"}, {"port", "1,2"}}, {}};
  const Login literal{{{"host", "10.0.0.1,10.0.0.2"}}, {}};
  const Login given{{{"hostaddr", "10.0.0.1,10.0.0.2"}, {"port", "1"}}, {}};
  const Login faulty{{{"host", "10.0.0.1,10.0.0.2"}, {"hostaddr", "10.0.0.1"}}, {}};
  EXPECT_EQ(HostAddresses::Count(given), 2U);
  EXPECT_EQ(HostAddresses::Count({}), 1U);
  addresses.PutOff("10.0.0.1 1", clock_.mono());
  EXPECT_EQ(order(name), "host=db,/run/pg,db port=1,2,1 hostaddr=10.0.0.2,,10.0.0.1 ");
  EXPECT_EQ(order(literal), "host=10.0.0.2,10.0.0.1 ");
  EXPECT_EQ(order(given), "hostaddr=10.0.0.2,10.0.0.1 port=1 ");
  EXPECT_EQ(order(faulty), "host=10.0.0.1,10.0.0.2 hostaddr=10.0.0.1 ");
  addresses.PutOff("10.0.0.2 1", clock_.mono());
  EXPECT_EQ(order(given), "hostaddr=10.0.0.1,10.0.0.2 port=1 ") << "the one that was silent first";
  addresses.PutOff("10.0.0.1 1", clock_.mono());
  EXPECT_EQ(order(given), "hostaddr=10.0.0.2,10.0.0.1 port=1 ");
  clock_.Advance(Millis(300'000));
  EXPECT_EQ(order(given), "hostaddr=10.0.0.1,10.0.0.2 port=1 ");
}

TEST_F(HostAddressesTest, EveryLoginAsksAnewWhereTheHostIsNow) {
  HostAddresses addresses(Names({{"db", {"10.0.0.1"}}}));
  for (int login_number = 1; login_number <= 2; ++login_number) {
    Login login{{{"host", "db"}}, {}};
    ASSERT_TRUE(Fill(addresses, login));
    EXPECT_EQ(servers_->asked, login_number);
  }
}

TEST(SystemLookupTest, KnowsLocalhostAndNothingInvalid) {
  const auto local = SystemLookup("localhost");
  ASSERT_TRUE(local);
  EXPECT_THAT(*local, testing::IsSupersetOf({std::string("127.0.0.1")}));
  const auto none = SystemLookup("no-such-host.invalid");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("\"no-such-host.invalid\""));
}

}  // namespace
}  // namespace sidecar::postgres
