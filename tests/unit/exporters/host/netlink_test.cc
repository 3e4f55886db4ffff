#include "exporters/host/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "common/base/clock.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kSequence = 7;

template <class T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
std::string Padded(std::string bytes) {
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}
std::string Attribute(int type, const std::string& value) {
  const rtattr header{.rta_len = static_cast<unsigned short>(sizeof(rtattr) + value.size()),
                      .rta_type = static_cast<unsigned short>(type)};
  return Padded(Bytes(header) + value);
}
std::string Message(int type, const std::string& payload, std::uint16_t flags = NLM_F_MULTI,
                    std::uint32_t sequence = kSequence) {
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + payload.size()),
                        .nlmsg_type = static_cast<std::uint16_t>(type),
                        .nlmsg_flags = flags,
                        .nlmsg_seq = sequence,
                        .nlmsg_pid = 0};
  return Padded(Bytes(header) + payload);
}
std::string Done(int error = 0, std::uint16_t flags = NLM_F_MULTI) {
  return Message(NLMSG_DONE, Bytes(error), flags);
}
std::string LinkMessage(int index, const std::string& attributes) {
  ifinfomsg info{};
  info.ifi_index = index;
  return Message(RTM_NEWLINK, Bytes(info) + attributes);
}
std::string Name(const char* name) {
  return Attribute(IFLA_IFNAME, std::string(name) + std::string(1, '\0'));
}
std::string AddressMessage(int family, int prefix, const std::string& attributes) {
  ifaddrmsg info{};
  info.ifa_family = static_cast<std::uint8_t>(family);
  info.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
  info.ifa_index = 3;
  return Message(RTM_NEWADDR, Bytes(info) + attributes);
}

TEST(ParseLinks, TakesNamesAliasesAndWideCountersWhateverTheOrder) {
  rtnl_link_stats64 wide{};
  wide.rx_bytes = 5'000'000'000;
  wide.rx_nohandler = 24;
  rtnl_link_stats narrow{};
  narrow.rx_bytes = 1;
  for (const bool wide_first : {true, false}) {
    const std::string a = Attribute(IFLA_STATS64, Bytes(wide));
    const std::string b = Attribute(IFLA_STATS, Bytes(narrow));
    std::vector<Link> links;
    const auto state =
        ParseLinks(LinkMessage(2, Name("eth0") + (wide_first ? a + b : b + a) +
                                      Attribute(IFLA_IFALIAS, std::string("up\0", 3))) +
                       Done(),
                   kSequence, links);
    ASSERT_TRUE(state);
    EXPECT_TRUE(state->done);
    EXPECT_FALSE(state->interrupted);
    ASSERT_EQ(links.size(), 1U);
    EXPECT_EQ(links[0].index, 2);
    EXPECT_EQ(links[0].name, "eth0");
    EXPECT_EQ(links[0].alias, "up");
    EXPECT_EQ(links[0].stats[kRxBytes], 5'000'000'000);
    EXPECT_EQ(links[0].stats[kRxNohandler], 24U);
  }
}

TEST(ParseLinks, FallsBackTo32BitsAndTakesShorterAndLongerCounters) {
  rtnl_link_stats narrow{};
  narrow.tx_compressed = 9;
  std::vector<Link> links;
  ASSERT_TRUE(ParseLinks(
      LinkMessage(1, Name("old") + Attribute(IFLA_STATS, Bytes(narrow).substr(0, 23 * 4))) +
          LinkMessage(2, Name("new") + Attribute(IFLA_STATS64, std::string(400, '\1'))) +
          LinkMessage(3, Name("none")),
      kSequence, links));
  ASSERT_EQ(links.size(), 3U);
  EXPECT_EQ(links[0].stats[kTxCompressed], 9U);
  EXPECT_EQ(links[0].stats[kRxNohandler], 0U);
  EXPECT_EQ(links[1].stats[kRxNohandler], 0x0101010101010101U);
  EXPECT_FALSE(links[2].has_stats);
}

TEST(ParseLinks, LeavesOutOtherSequencesTypesAndLinksWithoutAName) {
  std::vector<Link> links;
  const auto state = ParseLinks(Message(RTM_NEWLINK, "", NLM_F_MULTI, kSequence - 1) +
                                    Message(NLMSG_DONE, "", NLM_F_MULTI, kSequence - 1) +
                                    Message(RTM_NEWADDR, "") + LinkMessage(1, ""),
                                kSequence, links);
  ASSERT_TRUE(state);
  EXPECT_FALSE(state->done);
  EXPECT_TRUE(links.empty());
}

TEST(ParseLinks, SaysWhenTheSetChangedMeanwhile) {
  std::vector<Link> links;
  const auto flagged = ParseLinks(
      Message(RTM_NEWLINK, Bytes(ifinfomsg{}) + Name("a"), NLM_F_MULTI | NLM_F_DUMP_INTR),
      kSequence, links);
  ASSERT_TRUE(flagged);
  EXPECT_TRUE(flagged->interrupted);
  EXPECT_FALSE(flagged->done) << "the rest of the dump has to be taken in first";
  const auto ended = ParseLinks(Done(-EINTR), kSequence, links);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->interrupted && ended->done);
}

TEST(ParseLinks, ReportsWhatTheKernelRefuses) {
  std::vector<Link> links;
  const auto denied = ParseLinks(Message(NLMSG_ERROR, Bytes(nlmsgerr{.error = -EPERM, .msg = {}})),
                                 kSequence, links);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Errc::kDenied);
  EXPECT_FALSE(ParseLinks(Done(std::numeric_limits<int>::min()), kSequence, links));
}

TEST(ParseLinks, RefusesLengthsThatLie) {
  const std::string good = LinkMessage(2, Name("eth0") + Attribute(IFLA_STATS64, "12345678"));
  std::vector<Link> links;
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_FALSE(ParseLinks(good.substr(0, cut), kSequence, links)) << cut;
  }
  for (const std::uint32_t length : {0U, 1U, 15U, 0x7fffffffU, 0xffffffffU}) {
    std::string bad = good;
    std::memcpy(bad.data(), &length, sizeof(length));
    EXPECT_FALSE(ParseLinks(bad, kSequence, links)) << length;
  }
  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 3, 0xffff}) {
    std::string bad = good;
    std::memcpy(bad.data() + sizeof(nlmsghdr) + sizeof(ifinfomsg), &length, sizeof(length));
    EXPECT_FALSE(ParseLinks(bad, kSequence, links)) << length;
  }
}

TEST(ParseAddresses, TakesTheLocalEndAndItsScope) {
  const auto v4 = [](const char* bytes) { return std::string(bytes, 4); };
  std::vector<Address> found;
  const auto state =
      ParseAddresses(AddressMessage(AF_INET, 32,
                                    Attribute(IFA_ADDRESS, v4("\x0a\x09\x09\x0a")) +
                                        Attribute(IFA_LOCAL, v4("\x0a\x09\x09\x09"))) +
                         AddressMessage(AF_INET, 8, Attribute(IFA_ADDRESS, v4("\x7f\0\0\1"))) +
                         AddressMessage(AF_INET, 16, Attribute(IFA_LOCAL, v4("\xa9\xfe\1\1"))) +
                         AddressMessage(AF_INET, 32, Attribute(IFA_LOCAL, v4("\xe0\0\0\5"))) +
                         AddressMessage(AF_INET, 32, Attribute(IFA_LOCAL, v4("\xef\1\1\1"))) +
                         AddressMessage(AF_INET, 32, Attribute(IFA_LOCAL, v4("\xff\xff\xff\xff"))) +
                         AddressMessage(AF_INET, 24, Attribute(IFA_LOCAL, "short")) +
                         AddressMessage(AF_INET, 24, "") + AddressMessage(AF_PACKET, 24, ""),
                     kSequence, found);
  ASSERT_TRUE(state);
  ASSERT_EQ(found.size(), 6U);
  EXPECT_EQ(found[0].text, "10.9.9.9");
  EXPECT_EQ(found[0].prefix, 32U);
  EXPECT_EQ(found[0].link, 3);
  const char* const scopes[] = {"global", "link-local", "link-local", "link-local", "", ""};
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].scope, scopes[i]) << i;
}

TEST(ParseAddresses, ScopesOfVersion6) {
  const auto scope = [](std::string_view head, char last) -> std::string {
    std::string ip(16, '\0');
    ip.replace(0, head.size(), head);
    ip[15] = last;
    std::vector<Address> found;
    const auto parsed =
        ParseAddresses(AddressMessage(AF_INET6, 64, Attribute(IFA_ADDRESS, ip)), kSequence, found);
    return parsed && found.size() == 1 ? std::string(found[0].scope) : "not found";
  };
  EXPECT_EQ(scope("\xfe\x80", 1), "link-local");
  EXPECT_EQ(scope("\xfe\xc0", 1), "global");
  EXPECT_EQ(scope("\xfd", 1), "global");
  EXPECT_EQ(scope("", 1), "link-local");
  EXPECT_EQ(scope("", 0), "");
  EXPECT_EQ(scope("\xff\x01", 1), "interface-local");
  EXPECT_EQ(scope("\xff\x02", 1), "link-local");
  EXPECT_EQ(scope("\xff\x05", 1), "");
}

TEST(RouteSocket, DumpsThisMachinesLinksAndAddressesTwiceOverOneSocket) {
  const auto clock = MakeSystemClock();
  const Scrape scrape(*clock, clock->mono() + std::chrono::seconds(5), {}, 1);
  RouteSocket socket;
  for (int round = 0; round < 2; ++round) {
    std::vector<Link> links;
    const auto dumped = socket.DumpLinks(scrape, links);
    if (!dumped) {  // a sandbox without netlink: the collector takes the file
      EXPECT_EQ(dumped.error().code, Errc::kUnsupported) << dumped.error().message;
      return;
    }
    bool loopback = false;
    for (const Link& link : links) {
      loopback |= link.name == "lo";
      EXPECT_EQ(link.index, static_cast<int>(::if_nametoindex(link.name.c_str()))) << link.name;
    }
    EXPECT_TRUE(loopback);
    std::vector<Address> addresses;
    EXPECT_TRUE(socket.DumpAddresses(scrape, addresses));
  }
}

}  // namespace
}  // namespace sidecar::host
