#include "common/app/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/metrics/encoder.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const std::shared_ptr<Batch>& batch) {
  std::string text;
  const auto encoded = Encode({{batch}, {}}, Format::kText, [&text](std::string_view piece) {
    text += piece;
    return Result<>();
  });
  EXPECT_TRUE(encoded.has_value());
  return text;
}

std::string Collected(const std::string& procfs) {
  auto batch = std::make_shared<Batch>();
  Sink sink(*batch);
  ProcessMetrics(procfs).Collect(sink);
  return Text(batch);
}

struct Procfs {
  explicit Procfs(const std::string& stat) {
    std::filesystem::create_directories(root / "self/fd");
    std::ofstream(root / "self/stat") << stat;
    std::ofstream(root / "stat") << "cpu  1 2 3\nbtime 1000\n";
  }
  ~Procfs() { std::filesystem::remove_all(root); }
  Procfs(const Procfs&) = delete;
  Procfs& operator=(const Procfs&) = delete;

  // ctest runs every test in a process of its own, beside each other.
  std::filesystem::path root = testing::TempDir() + "process_metrics." + std::to_string(::getpid());
};

TEST(ProcessMetrics, ReadsTheFieldsAfterACommandWithBlanksAndParentheses) {
  const Procfs procfs(
      "42 (a) b (c) S 1 42 42 0 -1 0 0 0 0 0 150 50 0 0 20 0 7 0 500 8192000 100 0 0\n");
  const std::string text = Collected(procfs.root);
  EXPECT_THAT(text, HasSubstr("\nprocess_cpu_seconds_total 2\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_threads 7\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_virtual_memory_bytes 8192000\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes 409600\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_start_time_seconds 1005\n"));
}

TEST(ProcessMetrics, LeavesOutWhatItCannotRead) {
  const Procfs procfs("42 (cut off) S 1 2");
  const std::string text = Collected(procfs.root);
  EXPECT_THAT(text, Not(HasSubstr("process_cpu_seconds_total")));
  EXPECT_THAT(text, HasSubstr("\nprocess_max_fds "));
}

TEST(ProcessMetrics, CountsItsOwnDescriptorsOnTheRealProc) {
  auto before = Collected("/proc");
  const UniqueFd one(::dup(0));
  EXPECT_NE(before, Collected("/proc"));
  EXPECT_THAT(before, HasSubstr("\nprocess_open_fds "));
}

}  // namespace
}  // namespace sidecar
