#include "exporters/host/collectors/netdev.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/config/document.h"
#include "exporters/host/proc_net_dev.h"
#include "tests/support/run_collector.h"
#include "tests/unit/exporters/host/injected.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two links whose every counter differs, so that a wrong sum shows.
std::vector<Link> TwoLinks() {
  Link eth{.index = 2, .name = "eth0", .alias = "uplink \"A\"", .has_stats = true};
  for (std::size_t i = 0; i < kLinkStats; ++i) eth.stats[i] = std::uint64_t{1} << i;
  Link none{.index = 3, .name = "nostats0"};
  Link lo{.index = 1, .name = "lo", .has_stats = true};
  lo.stats[kRxBytes] = 18446744073709551615U;
  return {lo, eth, none};
}

std::vector<Address> FourAddresses() {
  return {{.link = 1, .prefix = 8, .text = "127.0.0.1", .scope = "link-local"},
          {.link = 2, .prefix = 24, .text = "192.0.2.2", .scope = "global"},
          {.link = 2, .prefix = 64, .text = "fe80::1", .scope = "link-local"},
          {.link = 9, .prefix = 64, .text = "fd00::9", .scope = "global"}};  // no such link
}

NetdevSources Fixed(bool stable = true) {
  return {.links = [stable](const Scrape&, auto& links) -> Result<bool> {
            links = TwoLinks();
            return stable;
          },
          .addresses = [stable](const Scrape&, auto& addresses) -> Result<bool> {
            addresses = FourAddresses();
            return stable;
          }};
}
NetdevSources Failing(Errc code) {
  const auto fail = [code](const Scrape&, auto&) -> Result<bool> { return Fail(code, "no"); };
  return {.links = fail, .addresses = fail};
}

Injected Netdev(const NetdevOptions& options, const NetdevSources& sources,
                const char* fixture = "vm") {
  return Injected(Fixture(fixture),
                  [&](const auto& env) { return MakeNetdev(env, options, NameFilter(), sources); });
}

TEST(Netdev, FoldsTheLinksCountersAsTheProcFileDoes) {
  ExpectGolden(Netdev({}, Fixed()).Run(), "netdev");
}

TEST(Netdev, DetailedMetricsAreTheKernelsOwnCounters) {
  ExpectGolden(Netdev({.detailed = true}, Fixed()).Run(), "netdev-detailed");
}

TEST(Netdev, WithAddressesAndAliases) {
  ExpectGolden(Netdev({.address_info = true, .label_ifalias = true}, Fixed()).Run(),
               "netdev-address");
}

TEST(Netdev, OfAVirtualMachineByTheProcFile) {
  ExpectGolden(RunCollector("netdev", Fixture("vm"), "netlink = false"), "netdev-proc");
}

TEST(Netdev, UnderAForeignRootReadsTheHostsFirstProcess) {
  ExpectGolden(
      RunCollector("netdev", Fixture("metal"), "netlink = false\nenable_detailed_metrics = true"),
      "netdev-proc-detailed");
}

TEST(Netdev, TheProcFileGetsAliasesFromSysfs) {
  const auto run =
      RunCollector("netdev", Fixture("metal"), "netlink = false\nlabel_ifalias = true");
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr("receive_packets_total{device=\"eth0\",ifalias=\"uplink "
                                  "\\\"A\\\"\"} 520993275\n"));
  EXPECT_THAT(run.text, HasSubstr("receive_packets_total{device=\"lo\",ifalias=\"\"} 2\n"));
}

TEST(Netdev, OfAnOldKernelWithoutABlankAfterTheColon) {
  const auto run = RunCollector("netdev", Fixture("old"), "netlink = false");
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr("receive_bytes_total{device=\"eth0\"} 4294967295\n"));
}

TEST(Netdev, FallsBackToTheProcFileWhereSocketsAreRefused) {
  for (const Errc code : {Errc::kUnsupported, Errc::kDenied}) {
    Injected netdev = Netdev({}, Failing(code));
    const auto run = netdev.Run();
    ASSERT_TRUE(run.result) << run.result.error().message;
    EXPECT_EQ(run.text, RunCollector("netdev", Fixture("vm"), "netlink = false").text);
    EXPECT_TRUE(netdev.Run().result);
    const std::string& logged = netdev.logged();
    const auto first = logged.find("netlink refused");
    EXPECT_NE(first, std::string::npos);
    EXPECT_EQ(logged.find("netlink refused", first + 1), std::string::npos) << "said twice";
  }
}

TEST(Netdev, ASocketThatDoesNotAnswerIsAnErrorAndNoFallback) {
  const auto run = Netdev({}, Failing(Errc::kTimeout)).Run();
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kTimeout);
}

TEST(Netdev, LinksThatKeepChangingAreServedWithAWarning) {
  const auto run = Netdev({}, Fixed(false)).Run();
  ASSERT_TRUE(run.result);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.text, HasSubstr("device=\"eth0\""));
}

TEST(Netdev, AddressesThatCannotBeHadAreAWarning) {
  NetdevSources sources = Fixed();
  sources.addresses = Failing(Errc::kUnavailable).addresses;
  const auto run = Netdev({.address_info = true}, sources).Run();
  ASSERT_TRUE(run.result);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("addresses: no"));
  EXPECT_THAT(run.text, HasSubstr("receive_bytes_total"));
}

TEST(Netdev, AFilterHoldsForCountersAndAddresses) {
  Injected netdev(Fixture("vm"), [&](const auto& env) {
    FilterOptions filter{.exclude = "^lo$"};
    Document none = Document::Describing();
    TableReader table = none.Root();
    return MakeNetdev(env, {.address_info = true}, filter.Compile(table), Fixed());
  });
  const auto run = netdev.Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, Not(HasSubstr("\"lo\"")));
  EXPECT_THAT(run.text, HasSubstr("address=\"192.0.2.2\""));
}

TEST(Netdev, RefusesIncludeAndExcludeTogether) {
  const auto run = RunCollector("netdev", Fixture("vm"),
                                "device_include = 'a'\ndevice_exclude = 'b'\nnetlink = false");
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kConfig);
}

TEST(Netdev, HostileProcFiles) {
  for (const char* machine : {"hostile-empty", "hostile-cut", "hostile-huge"}) {
    const auto run = RunCollector("netdev", Fixture(machine), "netlink = false");
    ASSERT_FALSE(run.result) << machine;
    EXPECT_EQ(run.result.error().code, Errc::kParse) << machine;
  }
  const auto extra = RunCollector("netdev", Fixture("hostile-extra"), "netlink = false");
  EXPECT_EQ(extra.text, RunCollector("netdev", Fixture("vm"), "netlink = false").text);
  const auto bytes = RunCollector("netdev", Fixture("hostile-bytes"), "netlink = false");
  EXPECT_THAT(bytes.text, HasSubstr("device=\"eth\xEF\xBF\xBD(\""));
}

TEST(Netdev, ServesTheMachineItself) {
  const auto run = RunCollector("netdev", "/", "address_info = true");
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr("node_network_receive_bytes_total{device=\"lo\"}"));
}

TEST(ParseNetDev, RefusesWhatIsNoDevice) {
  EXPECT_FALSE(ParseNetDev("eth0 1 2 3"));
  EXPECT_FALSE(ParseNetDev(": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"));
  EXPECT_FALSE(ParseNetDev("lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"));
  EXPECT_FALSE(ParseNetDev("lo: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"));
}

}  // namespace
}  // namespace sidecar::host
