#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kByName[] = "[[groups]]\nname = \"{{.Comm}}\"\ncomm = [\"db\", \"web\"]\n";

// The files of one process. It was born after the exporter (uptime 400) unless start says else.
struct Files {
  std::int32_t pid = 7;
  std::string comm = "db";
  char state = 'S';
  std::int32_t parent = 1;
  std::uint64_t user = 0, threads = 1, start = 50'000, pages = 10;
  std::uint64_t voluntary = 0, read = 0;
  std::string cmdline = comm;

  std::string Stat(std::int32_t id) const {
    const auto text = [](auto number) { return " " + std::to_string(number); };
    return std::to_string(id) + " (" + comm + ") " + state + text(parent) + " 1 1 0 -1 0 0 0 0 0" +
           text(user) + " 0 0 0 20 0" + text(threads) + " 0" + text(start) + " 4096" + text(pages) +
           " 0\n";
  }
  std::string Status() const {
    return "Name:\tx\nUid:\t0\t70\t0\t0\nvoluntary_ctxt_switches:\t" + std::to_string(voluntary) +
           "\nnonvoluntary_ctxt_switches:\t0\n";
  }
  std::string Io() const { return "read_bytes: " + std::to_string(read) + "\nwrite_bytes: 0\n"; }
  void Write(const ScratchMachine& machine) const {
    const std::string folder = "proc/" + std::to_string(pid) + "/";
    machine.Write(folder + "stat", Stat(pid));
    machine.Write(folder + "status", Status());
    machine.Write(folder + "io", Io());
    machine.Write(folder + "limits", "Max open files  10  20  files\n");
    machine.Write(folder + "wchan", "0");
    machine.Write(folder + "cmdline", cmdline);
    machine.Write(folder + "fd/0", "");
  }
  void WriteThread(const ScratchMachine& machine, std::int32_t tid, std::uint64_t ran) const {
    const std::string folder = "proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/";
    machine.Write(folder + "stat", Stat(tid));
    machine.Write(folder + "status", Status());
    machine.Write(folder + "io", Io());
    machine.Write(folder + "schedstat", std::to_string(ran) + " 0 1\n");
    machine.Write(folder + "wchan", "0");
  }
};

class ProcessGroups : public ::testing::Test {
 protected:
  ProcessGroups() {
    machine_.Write("proc/stat", "cpu 1\nbtime 1000\n");
    machine_.Write("proc/uptime", "400.00 1.00\n");
    machine_.Write("proc/1/stat", Files{.comm = "init", .start = 1}.Stat(1));
  }
  void Start(const std::string& options = kByName) {
    collector_.emplace("process_groups", machine_.path(), options);
  }
  // The text of the next run, which must not warn.
  std::string Run() {
    const CollectorRun run = collector_->Run();
    EXPECT_TRUE(run.result) << run.result.error().message;
    EXPECT_THAT(run.warnings, IsEmpty());
    return run.text;
  }
  void Remove(std::int32_t pid) { machine_.Remove("proc/" + std::to_string(pid)); }

  ScratchMachine machine_;
  std::optional<CollectorUnderTest> collector_;
};

std::string Series(const std::string& name, const std::string& labels, const std::string& value) {
  return "\nnamedprocess_namegroup_" + name + "{groupname=" + labels + "} " + value + "\n";
}
auto HasCpu(const std::string& group, const std::string& value) {
  return HasSubstr(Series("cpu_seconds_total", "\"" + group + "\",mode=\"user\"", value));
}
auto HasProcesses(const std::string& group, int count) {
  return HasSubstr(Series("num_procs", "\"" + group + "\"", std::to_string(count)));
}

TEST_F(ProcessGroups, OfAMachineByName) {
  ExpectGolden(RunCollector("process_groups", Fixture("processes")), "process_groups-machine");
}

TEST_F(ProcessGroups, OfAMachineWithThreadsSmapsAndRules) {
  ExpectGolden(RunCollector("process_groups", Fixture("processes"), R"toml(
threads = true
smaps = true
[[groups]]
name = "{{.Username}}:{{.ExeBase}}"
exe = ["postgres", "/usr/lib/postgresql/15/bin/postgres"]
[[groups]]
name = "odd:{{.Matches.port}}"
cmdline = ["--port=(?P<port>\\d+)"]
[[groups]]
name = "{{.Comm}}"
comm = ["java"]
)toml"),
               "process_groups-threads");
}

TEST_F(ProcessGroups, WhatRanBeforeTheExporterCountsFromTheFirstRunWhatIsBornLaterFromBirth) {
  Files old{.pid = 7, .user = 500, .start = 40'000, .voluntary = 50, .read = 5'000};
  Files born{.pid = 8, .comm = "web", .user = 300, .start = 40'001, .voluntary = 30, .read = 3'000};
  old.Write(machine_);
  born.Write(machine_);
  Start();
  const std::string first = Run();
  EXPECT_THAT(first, AllOf(HasCpu("db", "0"), HasCpu("web", "3"),
                           HasSubstr(Series("read_bytes_total", "\"db\"", "0")),
                           HasSubstr(Series("read_bytes_total", "\"web\"", "3000"))));
  old.user = 510, old.voluntary = 57, old.read = 5'001;
  old.Write(machine_);
  EXPECT_THAT(Run(),
              AllOf(HasCpu("db", "0.1"), HasSubstr(Series("read_bytes_total", "\"db\"", "1")),
                    HasSubstr(Series("context_switches_total", "\"db\",ctxswitchtype=\"voluntary\"",
                                     "7"))));
}

TEST_F(ProcessGroups, CountersStayWhenAProcessEnds) {
  Files{.pid = 7, .user = 100}.Write(machine_);
  Files{.pid = 8, .user = 50}.Write(machine_);
  Start();
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.5"), HasProcesses("db", 2)));
  Remove(8);
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.5"), HasProcesses("db", 1)));
  Remove(7);
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.5"), HasProcesses("db", 0),
                           Not(HasSubstr("oldest_start_time_seconds{"))));
  Files{.pid = 9, .user = 10, .start = 50'001}.Write(machine_);
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.6"), HasProcesses("db", 1)));
}

TEST_F(ProcessGroups, APidThatIsUsedAgainIsAnotherProcess) {
  Files{.pid = 7, .user = 100}.Write(machine_);
  Start();
  EXPECT_THAT(Run(), HasCpu("db", "1"));
  Files{.pid = 7, .user = 20, .start = 60'000}.Write(machine_);
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.2"), HasProcesses("db", 1)));
  Files{.pid = 7, .comm = "web", .user = 5, .start = 70'000}.Write(machine_);
  EXPECT_THAT(Run(), AllOf(HasCpu("db", "1.2"), HasProcesses("db", 0), HasCpu("web", "0.05")));
}

TEST_F(ProcessGroups, AValueThatFallsIsNotCountedTwice) {
  Files process{.user = 100};
  process.Write(machine_);
  Start();
  EXPECT_THAT(Run(), HasCpu("db", "1"));
  for (const std::uint64_t user : {90, 100}) {
    process.user = user;
    process.Write(machine_);
    EXPECT_THAT(Run(), HasCpu("db", "1"));
  }
}

TEST_F(ProcessGroups, ChildrenJoinTheNearestAncestorThatHasAGroup) {
  Files{.pid = 7}.Write(machine_);
  Files{.pid = 6, .comm = "grandchild", .parent = 8, .user = 25}.Write(machine_);  // a lower pid
  Files{.pid = 8, .comm = "child", .parent = 7}.Write(machine_);
  Files{.pid = 9, .comm = "stranger"}.Write(machine_);
  Files{.pid = 10, .comm = "loop", .parent = 11}.Write(machine_);
  Files{.pid = 11, .comm = "loop", .parent = 10}.Write(machine_);
  Start();
  EXPECT_THAT(Run(), AllOf(HasProcesses("db", 3), HasCpu("db", "0.25")));
  Files{.pid = 12, .comm = "late", .parent = 6}.Write(machine_);
  EXPECT_THAT(Run(), HasProcesses("db", 4));
}

TEST_F(ProcessGroups, ChildrenStandAloneWhereThatIsWanted) {
  Files{.pid = 7}.Write(machine_);
  Files{.pid = 8, .comm = "child", .parent = 7}.Write(machine_);
  Start(std::string("children = false\n") + kByName);
  EXPECT_THAT(Run(), HasProcesses("db", 1));
}

TEST_F(ProcessGroups, AProcessThatTakesAnotherNameIsMatchedAgainWithRecheck) {
  Files process{.comm = "sh", .user = 10};
  process.Write(machine_);
  Start(std::string("recheck = true\n") + kByName);
  EXPECT_THAT(Run(), Not(HasSubstr("num_procs")));
  process.comm = "db", process.user = 30;
  process.Write(machine_);
  EXPECT_THAT(Run(), AllOf(HasProcesses("db", 1), HasCpu("db", "0.2"))) << "since the last run";
  process.comm = "web";
  process.Write(machine_);
  EXPECT_THAT(Run(), HasProcesses("db", 1)) << "a process keeps its group";
}

TEST_F(ProcessGroups, WithoutRecheckAnIgnoredProcessStaysIgnored) {
  Files process{.comm = "sh"};
  process.Write(machine_);
  Start();
  Run();
  process.comm = "db";
  process.Write(machine_);
  EXPECT_THAT(Run(), Not(HasSubstr("num_procs")));
}

TEST_F(ProcessGroups, WhatMayNotBeReadIsAbsentAndCountedAndNotZero) {
  Files{.pid = 7}.Write(machine_);
  Files{.pid = 8, .comm = "web", .read = 9}.Write(machine_);
  machine_.Remove("proc/7/io");
  machine_.Write("proc/7/io/folder", "");  // reading it fails for root too
  machine_.Remove("proc/7/fd");
  machine_.Write("proc/7/fd", "");
  Start();
  const std::string text = Run();
  EXPECT_THAT(text, AllOf(Not(HasSubstr("read_bytes_total{groupname=\"db\"")),
                          HasSubstr(Series("read_bytes_total", "\"web\"", "9")),
                          HasSubstr(Series("denied_procs", "\"db\",file=\"io\"", "1")),
                          HasSubstr("\nnamedprocess_scrape_partial_errors 1\n")));
}

TEST_F(ProcessGroups, StatesCountAProcessOnce) {
  Files process{.threads = 3};
  process.Write(machine_);
  for (const std::int32_t tid : {7, 8, 9}) process.WriteThread(machine_, tid, 1);
  Start();
  const std::string text = Run();
  EXPECT_THAT(text, AllOf(HasSubstr(Series("states", "\"db\",state=\"Sleeping\"", "1")),
                          HasSubstr(Series("num_threads", "\"db\"", "3"))));
}

TEST_F(ProcessGroups, StatesCountEachThreadOnceWithThreads) {
  Files process{.threads = 3};
  process.Write(machine_);
  for (const std::int32_t tid : {7, 8}) process.WriteThread(machine_, tid, 1);
  process.state = 'R';
  process.WriteThread(machine_, 9, 1);
  Start(std::string("threads = true\n") + kByName);
  EXPECT_THAT(Run(), AllOf(HasSubstr(Series("states", "\"db\",state=\"Sleeping\"", "2")),
                           HasSubstr(Series("states", "\"db\",state=\"Running\"", "1"))));
}

TEST_F(ProcessGroups, ContextSwitchesAreOfAllThreadsAlsoOfThoseThatHaveEnded) {
  const auto switches = [](const std::string& value) {
    return HasSubstr(Series("context_switches_total", "\"db\",ctxswitchtype=\"voluntary\"", value));
  };
  Files process{.threads = 3, .voluntary = 10};
  process.Write(machine_);
  for (const std::int32_t tid : {7, 8, 9}) process.WriteThread(machine_, tid, 100);
  Start();
  EXPECT_THAT(Run(), switches("30"));
  process.voluntary = 15;
  process.WriteThread(machine_, 9, 200);
  machine_.Remove("proc/7/task/8");
  EXPECT_THAT(Run(), switches("35"));
  process.voluntary = 4;  // the number of a thread that has ended
  process.WriteThread(machine_, 9, 50);
  EXPECT_THAT(Run(), switches("39"));
}

TEST_F(ProcessGroups, AThreadThatDidNotRunIsNotReadAgain) {
  Files process{.threads = 2, .voluntary = 10};
  process.Write(machine_);
  for (const std::int32_t tid : {7, 8}) process.WriteThread(machine_, tid, 100);
  Start();
  Run();
  process.voluntary = 99;
  process.WriteThread(machine_, 8, 100);  // cannot be: it has not run
  EXPECT_THAT(Run(), HasSubstr(Series("context_switches_total",
                                      "\"db\",ctxswitchtype=\"voluntary\"", "20")));
}

TEST_F(ProcessGroups, AThreadsCountersOutliveIt) {
  const auto cpu = [](const std::string& value) {
    return HasSubstr(
        Series("thread_cpu_seconds_total", "\"db\",threadname=\"db\",mode=\"user\"", value));
  };
  Files process{.user = 10, .threads = 2};
  process.Write(machine_);
  for (const std::int32_t tid : {7, 8}) process.WriteThread(machine_, tid, 1);
  Start(std::string("threads = true\n") + kByName);
  EXPECT_THAT(Run(), cpu("0.2"));
  process.user = 30;
  process.WriteThread(machine_, 9, 1);
  machine_.Remove("proc/7/task/8");
  EXPECT_THAT(Run(), cpu("0.5"));
}

TEST_F(ProcessGroups, PastTheirNumberGroupsAreOne) {
  for (const std::int32_t pid : {7, 8, 9, 10}) Files{.pid = pid, .user = 10}.Write(machine_);
  Start("max_groups = 2\n[[groups]]\nname = \"{{.PID}}\"\ncomm = [\"db\"]\n");
  const CollectorRun run = collector_->Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, AllOf(HasProcesses("7", 1), HasProcesses("8", 1),
                              HasProcesses("__other__", 2), HasCpu("__other__", "0.2")));
  ASSERT_THAT(run.warnings, SizeIs(1));
  EXPECT_EQ(run.warnings[0].code, Errc::kLimit);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("more than 2 groups: 2 processes"));
}

TEST_F(ProcessGroups, EmptyGroupsGoAtOnceIfWanted) {
  Files{}.Write(machine_);
  Start(std::string("remove_empty_groups = true\n") + kByName);
  EXPECT_THAT(Run(), HasProcesses("db", 1));
  Remove(7);
  EXPECT_THAT(Run(), Not(HasSubstr("num_procs{")));
}

TEST_F(ProcessGroups, EmptyGroupsGoAfterTheirTime) {
  Files{}.Write(machine_);
  Start(std::string("group_ttl = \"1m\"\n") + kByName);
  Run();
  Remove(7);
  EXPECT_THAT(Run(), HasProcesses("db", 0));
  collector_->clock().Advance(Millis(59'000));
  EXPECT_THAT(Run(), HasProcesses("db", 0));
  collector_->clock().Advance(Millis(1'000));
  EXPECT_THAT(Run(), Not(HasSubstr("num_procs{")));
}

TEST_F(ProcessGroups, SmapsOfAProcessAreReadOnceAnInterval) {
  const auto proportional = [](const std::string& value) {
    return HasSubstr(Series("memory_bytes", "\"db\",memtype=\"proportionalResident\"", value));
  };
  Files{}.Write(machine_);
  machine_.Write("proc/7/smaps_rollup", "Pss: 1 kB\nSwapPss: 0 kB\n");
  Start(std::string("smaps = true\n") + kByName);
  EXPECT_THAT(Run(), proportional("1024"));
  machine_.Write("proc/7/smaps_rollup", "Pss: 2 kB\nSwapPss: 0 kB\n");
  EXPECT_THAT(Run(), proportional("1024"));
  collector_->clock().Advance(Millis(60'000));
  EXPECT_THAT(Run(), proportional("2048"));
}

TEST_F(ProcessGroups, SmapsOfALargeProcessAreNotRead) {
  Files{.pages = 100}.Write(machine_);
  machine_.Write("proc/7/smaps_rollup", "Pss: 1 kB\n");
  Start(std::string("smaps = true\nsmaps_max_resident_bytes = 4096\n") + kByName);
  EXPECT_THAT(Run(), AllOf(Not(HasSubstr("memtype=\"proportional")),
                           HasSubstr(Series("denied_procs", "\"db\",file=\"smaps_rollup\"", "1"))));
}

TEST_F(ProcessGroups, AHostileStatIsAWarningAndCostsOnlyItsProcess) {
  Files{.pid = 7, .user = 100}.Write(machine_);
  Files{.pid = 8, .comm = "web"}.Write(machine_);
  Start();
  Run();
  machine_.Write("proc/7/stat", "7 (db) \xff\n");
  machine_.Write("proc/9/stat", "");
  const CollectorRun run = collector_->Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, AllOf(HasProcesses("db", 1), HasCpu("db", "1"), HasProcesses("web", 1),
                              HasSubstr("\nnamedprocess_scrape_procread_errors 2\n")));
  ASSERT_THAT(run.warnings, SizeIs(1));
  EXPECT_EQ(run.warnings[0].code, Errc::kParse);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("7/stat: not a number in '7 (db) \\xff"));
}

TEST_F(ProcessGroups, ANameOfInvalidBytesIsALabel) {
  Files{.comm = "\xff\xfe)x"}.Write(machine_);
  Start("[[groups]]\nname = \"{{.Comm}}\"\ncmdline = [\"\"]\n");
  EXPECT_THAT(Run(), HasProcesses("\xef\xbf\xbd)x", 1));
}

TEST_F(ProcessGroups, AnAbsentProcfsIsAnError) {
  const auto run = RunCollector("process_groups", machine_.path() / "nowhere");
  ASSERT_FALSE(run.result);
  EXPECT_THAT(run.result.error().message, HasSubstr("processes: open "));
}

TEST_F(ProcessGroups, FaultsOfTheRulesAreFaultsOfTheConfiguration) {
  for (const std::string options :
       {"[[groups]]\nname = \"x\"\n", "[[groups]]\ncomm = [\"x\"]\nname = \"{{.Nope}}\"\n",
        "[[groups]]\ncmdline = [\"(\"]\n", "[[groups]]\ncom = [\"x\"]\n", "max_groups = 0\n"}) {
    const auto run = RunCollector("process_groups", machine_.path(), options);
    ASSERT_FALSE(run.result) << options;
    EXPECT_EQ(run.result.error().code, Errc::kConfig) << options;
  }
}

}  // namespace
}  // namespace sidecar::host
