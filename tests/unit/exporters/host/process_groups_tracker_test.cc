#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "exporters/host/process_tracker.h"
#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

constexpr std::int32_t kNoPid = (1 << 22) + 1;  // the kernel gives none above 2^22

// Each look at it takes a millisecond.
class PassingClock final : public Clock {
 public:
  Mono mono() const override { return Mono(std::chrono::hours(1) + Millis(++looks_)); }
  Wall wall() const override { return Wall(std::chrono::seconds(1'767'225'600)); }
  bool SleepUntil(Mono, std::stop_token) const override { return true; }
  bool WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable&, Mono) const override {
    return false;
  }

 private:
  mutable std::atomic<std::int64_t> looks_ = 0;
};

ProcessRules Named(const std::string& name, const std::string& comm) {
  ProcessRules rules;
  const auto added = rules.Add({.name = name, .comm = {comm}});
  EXPECT_TRUE(added);
  return rules;
}

void WriteProcess(const ScratchMachine& machine, int pid, int user) {
  const std::string folder = "proc/" + std::to_string(pid) + "/";
  machine.Write(folder + "stat", std::to_string(pid) + " (db) S 1 1 1 0 -1 0 0 0 0 0 " +
                                     std::to_string(user) + " 0 0 0 20 0 1 0 50000 4096 10 0\n");
  machine.Write(folder + "status",
                "Uid:\t0\t0\t0\t0\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t1\n");
}

class Tracker : public ::testing::Test {
 protected:
  ProcessTracker::Passed Pass(Millis time, const ProcessRules& rules, std::stop_token stop = {}) {
    const Scrape scrape(clock_, clock_.mono() + time, std::move(stop), 1);
    const auto passed = tracker_.Pass(scrape, rules, options_, std::nullopt);
    EXPECT_TRUE(passed);
    return passed.value_or(ProcessTracker::Passed{});
  }
  std::uint64_t UserTicks(const std::string& group) const {
    return tracker_.groups().at(group).total[Counters::kUserTicks];
  }

  ScratchMachine machine_;
  PassingClock clock_;
  ProcessOptions options_;
  ProcessTracker tracker_{machine_.path() / "proc", machine_.path(), clock_.mono()};
};

TEST_F(Tracker, WhatTimeLeftOutKeepsItsValuesAndComesFirstInTheNextPass) {
  constexpr int kProcesses = 320, kAtOnce = 32;
  machine_.Write("proc/uptime", "1.00 1.00\n");
  const ProcessRules rules = Named("db", "db");
  for (int pid = 1; pid <= kProcesses; ++pid) WriteProcess(machine_, pid, 1);
  Pass(Millis(10'000), rules);
  EXPECT_EQ(UserTicks("db"), 320U);
  for (int pid = 1; pid <= kProcesses; ++pid) WriteProcess(machine_, pid, 2);
  // Of 8 ms, a quarter is kept for the end: six looks at the clock or fewer.
  std::size_t read = 0;
  int passes = 0;
  for (; read < kProcesses && passes < 20; ++passes) {
    const auto passed = Pass(Millis(8), rules);
    read += kProcesses - passed.left_over;
    EXPECT_EQ(passed.left_over % kAtOnce, 0U);
    EXPECT_EQ(UserTicks("db"), 320U + std::min<std::size_t>(read, kProcesses));
    EXPECT_EQ(tracker_.groups().at("db").now.processes, 320U);
  }
  EXPECT_GT(passes, 1);
  EXPECT_LT(passes, 20);
}

TEST_F(Tracker, AProcessThatEndedIsGoneAlsoWhenTimeRanOut) {
  for (int pid = 1; pid <= 100; ++pid) WriteProcess(machine_, pid, 1);
  const ProcessRules rules = Named("db", "db");
  Pass(Millis(10'000), rules);
  machine_.Remove("proc/100");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Pass(Millis(10'000), rules, stop.get_token()).left_over, 99U);
  EXPECT_EQ(tracker_.groups().at("db").now.processes, 99U);
}

TEST_F(Tracker, OtherRulesAssignAnewAndCountersGoOn) {
  machine_.Write("proc/uptime", "1.00 1.00\n");
  WriteProcess(machine_, 7, 10);
  Pass(Millis(10'000), Named("one", "db"));
  WriteProcess(machine_, 7, 15);
  Pass(Millis(10'000), Named("two", "db"));
  EXPECT_EQ(UserTicks("one"), 10U);
  EXPECT_EQ(UserTicks("two"), 5U) << "what was counted is not counted again";
  WriteProcess(machine_, 7, 16);
  Pass(Millis(10'000), Named("one", "db"));
  EXPECT_EQ(UserTicks("one"), 11U);
  EXPECT_EQ(UserTicks("two"), 5U);
}

TEST_F(Tracker, KeepsNothingOfProcessesThatAreGone) {
  const ProcessRules rules = Named("db", "nothing");
  for (int pid = 1; pid <= 50; ++pid) WriteProcess(machine_, pid, 1);
  Pass(Millis(10'000), rules);
  EXPECT_EQ(tracker_.processes(), 50U);
  machine_.Remove("proc");
  machine_.Write("proc/uptime", "1.00 1.00\n");
  WriteProcess(machine_, 7, 1);
  Pass(Millis(10'000), rules);
  EXPECT_EQ(tracker_.processes(), 1U);
}

// A child that answers each byte with a byte, and sleeps otherwise.
class Echo {
 public:
  Echo() {
    if (::pipe(ask_.data()) != 0 || ::pipe(answer_.data()) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::close(ask_[1]);
    for (char byte = 0; ::read(ask_[0], &byte, 1) == 1;) {
      if (::write(answer_[1], &byte, 1) != 1) break;
    }
    ::_exit(0);
  }
  ~Echo() {
    End();
    for (const int fd : {ask_[0], ask_[1], answer_[0], answer_[1]}) ::close(fd);
  }
  // It sleeps before it is asked: who finds the byte there already does not switch.
  void Ask() const {
    while (!Sleeps()) std::this_thread::yield();
    char byte = 'x';
    ASSERT_EQ(::write(ask_[1], &byte, 1), 1);
    ASSERT_EQ(::read(answer_[0], &byte, 1), 1);
  }
  void End() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  bool Sleeps() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(stat, line);
    return line.find(") S ") != std::string::npos;
  }

  std::array<int, 2> ask_{}, answer_{};
  pid_t pid_ = 0;
};

TEST(TrackerOfThisMachine, SeesAllThatAProcessDidAlthoughSleepersAreNotReadAgain) {
  Echo child;
  child.Ask();
  PassingClock clock;
  ProcessTracker tracker("/proc", "/", clock.mono());
  ProcessRules rules;
  ASSERT_TRUE(rules.Add({.name = "{{.PID}}", .cmdline = {".+"}}));
  ProcessOptions options;
  options.max_groups = 100'000;
  const std::string name = std::to_string(child.pid());
  std::uint64_t before = 0;
  for (int round = 0; round < 20; ++round) {
    const Scrape scrape(clock, clock.mono() + std::chrono::hours(1), {}, 1);
    ASSERT_TRUE(tracker.Pass(scrape, rules, options, std::nullopt));
    const auto group = tracker.groups().find(name);
    ASSERT_NE(group, tracker.groups().end());
    // To answer the child woke and went back to sleep, which it may still be about to do.
    const std::uint64_t switches = group->second.total[Counters::kVoluntary];
    if (round > 1) {
      EXPECT_GE(switches + 1, before + 1);
      EXPECT_GE(switches, static_cast<std::uint64_t>(round) - 1);
    }
    before = switches;
    child.Ask();
  }
  child.End();
  const Scrape scrape(clock, clock.mono() + std::chrono::hours(1), {}, 1);
  ASSERT_TRUE(tracker.Pass(scrape, rules, options, std::nullopt));
  EXPECT_EQ(tracker.groups().at(name).now.processes, 0U);
  EXPECT_GE(tracker.groups().at(name).total[Counters::kVoluntary], before);
}

TEST(ReaderOfThisMachine, KnowsWhoRanAndWhoSlept) {
  Echo child;
  child.Ask();
  ProcessReader reader("/proc");
  std::vector<std::int32_t> pids;
  ASSERT_TRUE(reader.List(pids));
  EXPECT_TRUE(std::ranges::is_sorted(pids));
  EXPECT_TRUE(std::ranges::binary_search(pids, ::getpid()));
  const auto mine = reader.CpuNanoseconds(::getpid());
  ASSERT_TRUE(mine) << "the procfs of this process's own namespace";
  EXPECT_LT(*mine, *reader.CpuNanoseconds(::getpid()));
  const auto asleep = [&] {
    const auto text = reader.Read(child.pid(), "stat");
    const auto stat = ParseProcessStat(text.value);
    return stat && stat->state == 'S';
  };
  while (!asleep()) ::sched_yield();
  const auto before = reader.CpuNanoseconds(child.pid());
  EXPECT_EQ(before, reader.CpuNanoseconds(child.pid()));
  child.Ask();
  EXPECT_LT(before, reader.CpuNanoseconds(child.pid()));
  EXPECT_EQ(reader.CpuNanoseconds(kNoPid), std::nullopt);
}

TEST(ReaderOfThisMachine, CountsDescriptorsAndTheirLimit) {
  ProcessReader reader("/proc");
  std::vector<std::int32_t> pids;
  ASSERT_TRUE(reader.List(pids));
  const auto before = reader.CountDescriptors(::getpid());
  ASSERT_EQ(before.access, Access::kRead);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  EXPECT_EQ(reader.CountDescriptors(::getpid()).value, before.value + 2);
  for (const int fd : pipe) ::close(fd);
  const auto limit = reader.DescriptorLimit(::getpid());
  ASSERT_EQ(limit.access, Access::kRead);
  EXPECT_GE(limit.value, before.value);
  const auto text = reader.Read(::getpid(), "limits");
  EXPECT_EQ(ParseOpenFilesLimit(text.value).value(), limit.value) << "both ways agree";
  EXPECT_EQ(reader.CountDescriptors(kNoPid).access, Access::kGone);
}

TEST(Reader, ReadsFilesThatAreLargerThanItsBuffer) {
  const ScratchMachine machine;
  machine.Write("proc/7/status", std::string(100'000, 'x'));
  ProcessReader reader(machine.path() / "proc");
  std::vector<std::int32_t> pids;
  ASSERT_TRUE(reader.List(pids));
  EXPECT_THAT(pids, ::testing::ElementsAre(7));
  EXPECT_EQ(reader.Read(7, "status").value.size(), 100'000U);
  EXPECT_EQ(reader.Read(7, "status", 10).value.size(), 10U);
  EXPECT_EQ(reader.Read(7, "none").access, Access::kGone);
  EXPECT_EQ(reader.CpuNanoseconds(::getpid()), std::nullopt) << "not a procfs";
}

}  // namespace
}  // namespace sidecar::host
