#include "exporters/host/host_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Scrape ScrapeOf(CollectorUnderTest& host, std::uint64_t id) {
  return {host.clock(), host.clock().mono() + Millis(5'000), {}, id};
}

TEST(HostEnv, ReadsStatOnceAScrape) {
  const ScratchMachine machine;
  machine.Write("proc/stat", "ctxt 1\n");
  CollectorUnderTest host("loadavg", machine.path());
  const auto first = host.env().Stat(ScrapeOf(host, 7)).value();
  machine.Write("proc/stat", "ctxt 2\n");
  EXPECT_EQ(host.env().Stat(ScrapeOf(host, 7)).value(), first);
  const auto second = host.env().Stat(ScrapeOf(host, 8)).value();
  EXPECT_EQ(*second, "ctxt 2\n");
  EXPECT_EQ(*first, "ctxt 1\n") << "a run left behind keeps its own";
}

TEST(HostEnv, AFailedReadIsTriedAgainInTheSameScrape) {
  const ScratchMachine machine;
  CollectorUnderTest host("loadavg", machine.path());
  EXPECT_EQ(host.env().Stat(ScrapeOf(host, 1)).error().code, Errc::kUnavailable);
  machine.Write("proc/stat", "ctxt 1\n");
  EXPECT_TRUE(host.env().Stat(ScrapeOf(host, 1)));
}

TEST(HostEnv, JoinsRootsWithOneSlash) {
  CollectorUnderTest plain("loadavg", "/x");
  EXPECT_EQ(plain.env().Proc("stat"), "/x/proc/stat");
  EXPECT_EQ(plain.env().Sys("block"), "/x/sys/block");
}

TEST(NumberedEntries, AreSortedByNumberAndNothingElse) {
  const ScratchMachine machine;
  for (const char* name : {"cpu10/x", "cpu9/x", "cpufreq/x", "cpu/x", "cpu1x/x", "cpu0/x"}) {
    machine.Write(name, "");
  }
  EXPECT_THAT(NumberedEntries(machine.path(), "cpu"), ElementsAre(0, 9, 10));
  EXPECT_THAT(NumberedEntries(machine.path() / "absent", "cpu"), IsEmpty());
}

}  // namespace
}  // namespace sidecar::host
