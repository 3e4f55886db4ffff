#include "exporters/temporal/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "exporters/temporal/state_codec.h"
#include "tests/support/fake_clock.h"

namespace sidecar::temporal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() {
    std::string pattern = ::testing::TempDir() + "state_file_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "temporal.state";
  }
  ~StateFileTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<StateFile> File(const std::string& frontend = "127.0.0.1:7233") {
    return std::make_unique<StateFile>(path_, frontend, clock_, log_);
  }
  std::string Content() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }
  // A file of one section, and what a later process finds in it.
  void Save(const std::string& bytes) {
    const auto file = File();
    ASSERT_TRUE(file->Open());
    ASSERT_TRUE(file->Commit("default", bytes));
  }
  std::string Found(const std::string& frontend = "127.0.0.1:7233") {
    const auto file = File(frontend);
    EXPECT_TRUE(file->Open());
    return file->Section("default");
  }

  FakeClock clock_;
  std::string said_;
  Log log_{clock_, {.burst = 100'000}, [this](std::string_view line) { said_ += line; }};
  std::filesystem::path folder_, path_;
};

TEST_F(StateFileTest, GivesBackWhatWasCommitted) {
  const std::string bytes("any\0bytes\xff", 10);
  Save(bytes);
  EXPECT_EQ(Found(), bytes);
  EXPECT_THAT(said_, HasSubstr("no state file yet"));
  EXPECT_THAT(said_, HasSubstr("state file read"));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_FALSE(std::filesystem::exists(path_.string() + ".tmp"));
}

TEST_F(StateFileTest, KeepsTheSectionsOfOtherNamespaces) {
  Save("one");
  {
    const auto file = File();
    ASSERT_TRUE(file->Open());
    ASSERT_TRUE(file->Commit("second", "two"));
  }
  EXPECT_EQ(Found(), "one");
}

TEST_F(StateFileTest, ForgetsNamespacesOfWhichNothingWasHeardForAWeek) {
  Save("one");
  clock_.Advance(std::chrono::hours(24 * 7 + 1));
  EXPECT_EQ(Found(), "");
}

TEST_F(StateFileTest, ADamagedByteAnywhereStartsAnewAndSetsTheFileAside) {
  Save("the counters of a namespace");
  const std::string good = Content();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    Write(bad);
    said_.clear();
    EXPECT_EQ(Found(), "") << i;
    EXPECT_THAT(said_, HasSubstr("state file unusable: Temporal counters start anew")) << i;
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_TRUE(std::filesystem::exists(path_.string() + ".unusable"));
  }
}

TEST_F(StateFileTest, ACutFileStartsAnew) {
  Save("the counters of a namespace");
  const std::string good = Content();
  for (std::size_t size = 0; size < good.size(); ++size) {
    Write(good.substr(0, size));
    EXPECT_EQ(Found(), "") << size;
  }
  Write(good + "x");
  EXPECT_EQ(Found(), "");
}

TEST_F(StateFileTest, AFileOfANewerVersionStartsAnew) {
  Save("x");
  std::string newer = Content();
  newer[8] = 2;
  Write(newer);
  EXPECT_EQ(Found(), "");
  EXPECT_THAT(said_, HasSubstr("of version 2"));
}

TEST_F(StateFileTest, AFileOfAnotherFrontendStartsAnew) {
  Save("x");
  EXPECT_EQ(Found("temporal.example:7233"), "");
  EXPECT_THAT(said_, HasSubstr("127.0.0.1:7233"));
}

TEST_F(StateFileTest, AFileThatCannotBeWrittenIsRemovedAndThisIsSaidOnce) {
  Save("old");
  const auto file = File();
  ASSERT_TRUE(file->Open());
  std::filesystem::create_directory(path_.string() + ".tmp");  // in the way, even for root
  EXPECT_FALSE(file->Commit("default", "new"));
  EXPECT_FALSE(file->Commit("default", "newer"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(file->stats().failures, 2U);
  EXPECT_EQ(file->stats().bytes, 0U);
  const auto first = said_.find("cannot be written and was removed");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(said_.find("cannot be written", first + 1), std::string::npos);

  std::filesystem::remove(path_.string() + ".tmp");
  EXPECT_TRUE(file->Commit("default", "newest"));
  EXPECT_THAT(said_, HasSubstr("state file is written again"));
  EXPECT_THAT(Content(), HasSubstr("newest"));
}

TEST_F(StateFileTest, AFileThatCanBeNeitherWrittenNorRemovedIsSaidToBeThere) {
  const auto file = File();
  ASSERT_TRUE(file->Open());
  std::filesystem::create_directories(path_ / "in the way");
  EXPECT_FALSE(file->Commit("default", "a"));
  EXPECT_THAT(said_, HasSubstr("can neither be written nor removed"));
  EXPECT_THAT(said_, testing::Not(HasSubstr("was removed")));
}

TEST_F(StateFileTest, WhatIsNotOpenIsNotWritten) {
  const auto first = File(), second = File();
  ASSERT_TRUE(first->Open());
  EXPECT_FALSE(second->Open());
  EXPECT_FALSE(second->Commit("default", "a"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(StateFileTest, SectionsOfNamespacesThatAreGoneMakeRoomForTheOthers) {
  const auto file = File();
  ASSERT_TRUE(file->Open());
  ASSERT_TRUE(file->Commit("gone", std::string(kMaxStateBytes - 1'000, 'g')));
  clock_.Advance(std::chrono::hours(2));
  EXPECT_TRUE(file->Commit("default", std::string(2'000, 'd')));
  EXPECT_EQ(file->stats().failures, 0U);
  EXPECT_LT(file->stats().bytes, 3'000U);
  clock_.Advance(std::chrono::hours(24 * 8));
  EXPECT_TRUE(file->Commit("default", "d"));
  EXPECT_TRUE(file->Section("gone").empty());
}

TEST_F(StateFileTest, AFolderThatDoesNotExistIsSaidAndNothingFails) {
  StateFile file(folder_ / "gone/state", "f", clock_, log_);
  EXPECT_TRUE(file.Open());
  EXPECT_FALSE(file.Commit("default", "x"));
  EXPECT_THAT(said_, HasSubstr("No such file or directory"));
}

TEST_F(StateFileTest, ASecondProcessWaitsUntilTheFirstHasEnded) {
  auto first = File();
  ASSERT_TRUE(first->Open());
  ASSERT_TRUE(first->Commit("default", "first"));
  const auto second = File();
  const auto refused = second->Open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  ASSERT_TRUE(first->Commit("default", "last words"));
  first.reset();
  ASSERT_TRUE(second->Open());
  EXPECT_EQ(second->Section("default"), "last words");
}

TEST_F(StateFileTest, CommitsOfManyThreadsAreAllOnDiskWhenTheyReturn) {
  const auto file = File();
  ASSERT_TRUE(file->Open());
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 1; i <= 20; ++i) {
          EXPECT_TRUE(file->Commit("ns" + std::to_string(t), std::to_string(i)));
        }
      });
    }
  }
  const auto sections = DecodeState(Content(), "127.0.0.1:7233");
  ASSERT_TRUE(sections);
  ASSERT_EQ(sections->size(), 4U);
  for (const auto& [name, section] : *sections) EXPECT_EQ(section->bytes, "20") << name;
  EXPECT_LE(file->stats().writes, 80U);
}

TEST(StateCodec, NumbersComeBack) {
  StateWriter out;
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    out.Signed(value);
  }
  out.Number(UINT64_MAX).Fixed(UINT64_MAX - 1).Text("text");
  StateReader in(out.bytes());
  EXPECT_EQ(in.Signed(), 0);
  EXPECT_EQ(in.Signed(), -1);
  EXPECT_EQ(in.Signed(), INT64_MAX);
  EXPECT_EQ(in.Signed(), INT64_MIN);
  EXPECT_EQ(in.Number(), UINT64_MAX);
  EXPECT_EQ(in.Fixed(), UINT64_MAX - 1);
  EXPECT_EQ(in.Text(4), "text");
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.empty());
}

TEST(StateCodec, WhatCannotBeTurnsTheReaderBad) {
  StateReader overlong("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  EXPECT_EQ(overlong.Number(), 0U);
  EXPECT_FALSE(overlong.ok());
  StateReader longer(
      "\x05"
      "abc");
  EXPECT_THAT(longer.Text(10), IsEmpty());
  EXPECT_FALSE(longer.ok());
  StateReader many("\x7f");
  EXPECT_EQ(many.Items(1'000), 0U);  // 127 items in no bytes
  EXPECT_FALSE(many.ok());
  EXPECT_EQ(many.Number(), 0U);
}

}  // namespace
}  // namespace sidecar::temporal
