// Every collector of a file in /proc over input that no kernel writes: it fails with a reason that
// names the file, or ignores what it need not know; it never serves half a number.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

struct Input {
  const char* collector;
  const char* file;
};
void PrintTo(const Input& input, std::ostream* out) { *out << input.collector; }

class HostileProc : public ::testing::TestWithParam<Input> {
 protected:
  void ExpectFailure(const std::filesystem::path& machine, Errc code, const std::string& message) {
    const auto run = RunCollector(GetParam().collector, machine);
    ASSERT_FALSE(run.result);
    const Error& error = run.result.error();
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_THAT(error.message, HasSubstr(std::string(GetParam().file) + ": "));
    EXPECT_THAT(error.message, HasSubstr(message));
    EXPECT_LT(error.message.size(), 300U);
    EXPECT_TRUE(std::ranges::all_of(error.message, [](char c) { return c >= ' ' && c < 0x7f; }));
  }
};

TEST_P(HostileProc, Missing) {
  if (std::string_view(GetParam().collector) == "pressure") return;  // is no data: pressure_test.cc
  ExpectFailure(ScratchMachine().path(), Errc::kUnavailable, "No such file or directory");
}

TEST_P(HostileProc, Empty) { ExpectFailure(Fixture("hostile-empty"), Errc::kParse, "empty"); }

TEST_P(HostileProc, CutOffInsideANumber) {
  ExpectFailure(Fixture("hostile-cut"), Errc::kParse, "cut off at '");
}

TEST_P(HostileProc, NumbersBeyondTheirType) {
  ExpectFailure(Fixture("hostile-huge"), Errc::kParse, "not a number in '");
}

TEST_P(HostileProc, BytesThatAreNotUtf8) {
  ExpectFailure(Fixture("hostile-bytes"), Errc::kParse, "\\xff\\xfe\\x00\\xc3(");
}

TEST_P(HostileProc, ColumnsLinesAndKeysOfAKernelToCome) {
  ExpectGolden(RunCollector(GetParam().collector, Fixture("hostile-extra")),
               std::string(GetParam().collector) + "-extra");
}

TEST_P(HostileProc, ALineOf64KiB) {
  const ScratchMachine machine("hostile-extra");
  machine.Write(std::string("proc/") + GetParam().file, std::string(65'536, '7') + "\n");
  const auto run = RunCollector(GetParam().collector, machine.path());
  if (std::string_view(GetParam().collector) == "pressure") {
    EXPECT_EQ(run.result.error().code, Errc::kLimit);
  } else {
    ASSERT_FALSE(run.result);
    EXPECT_LT(run.result.error().message.size(), 300U);
  }
}

INSTANTIATE_TEST_SUITE_P(, HostileProc,
                         Values(Input{"cpu", "stat"}, Input{"stat", "stat"},
                                Input{"meminfo", "meminfo"}, Input{"vmstat", "vmstat"},
                                Input{"loadavg", "loadavg"}, Input{"pressure", "pressure/cpu"},
                                Input{"filefd", "sys/fs/file-nr"}),
                         [](const auto& input) { return std::string(input.param.collector); });

}  // namespace
}  // namespace sidecar::host
