#include "common/base/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

namespace sidecar {
namespace {

namespace fs = std::filesystem;

class File : public ::testing::Test {
 protected:
  File() {
    std::string name = fs::temp_directory_path() / "sidecar-file-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "file";
  }
  ~File() override { fs::remove_all(folder_); }

  void Write(const std::string& text) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
  }
  // A text in which no two places look alike.
  static std::string Text(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + '\n';
    text.resize(size);
    return text;
  }

  fs::path folder_, path_;
};

TEST_F(File, IsReadWholeWhateverItsSize) {
  for (const std::size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 8192UL, 100'000UL}) {
    for (const bool records : {false, true}) {
      Write(Text(size));
      KeptFile file(path_, {.records = records});
      const auto text = file.Read();
      ASSERT_TRUE(text) << text.error().message;
      EXPECT_EQ(*text, Text(size));
    }
  }
}

TEST_F(File, IsReadAnewThroughTheKeptDescriptor) {
  KeptFile file(path_);
  for (const std::size_t size : {10UL, 10'000UL, 3UL, 0UL, 5'000UL}) {
    Write(Text(size));
    const auto text = file.Read();
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(*text, Text(size));
  }
}

TEST_F(File, PastItsBoundIsALimitError) {
  for (const std::size_t bound : {16UL, 4095UL, 4096UL, 10'000UL}) {
    for (const bool records : {false, true}) {
      KeptFile file(path_, {.max_bytes = bound, .records = records});
      Write(Text(bound));
      EXPECT_TRUE(file.Read());
      Write(Text(bound + 1));
      const auto text = file.Read();
      ASSERT_FALSE(text);
      EXPECT_EQ(text.error().code, Errc::kLimit);
      EXPECT_EQ(text.error().message,
                path_.string() + ": more than " + std::to_string(bound) + " bytes");
      Write(Text(3));
      EXPECT_TRUE(file.Read()) << "the error is of one read";
    }
  }
}

TEST_F(File, EndlessInputStopsAtTheBound) {
  KeptFile zero("/dev/zero", {.max_bytes = 10'000});
  const auto text = zero.Read();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::kLimit);
}

TEST_F(File, AbsentIsUnavailableOrNoDataAndMayAppear) {
  KeptFile mandatory(path_), optional(path_, {.optional = true});
  auto text = mandatory.Read();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::kUnavailable);
  EXPECT_EQ(text.error().message, "open " + path_.string() + ": No such file or directory");
  text = optional.Read();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::kNoData);
  Write("here");
  EXPECT_EQ(mandatory.Read().value(), "here");
  EXPECT_EQ(optional.Read().value(), "here");
}

TEST_F(File, DirectoryAndFifoAreErrorsAndDoNotBlock) {
  KeptFile folder(folder_.string());
  const auto text = folder.Read();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::kUnavailable);
  EXPECT_EQ(text.error().message, "read " + folder_.string() + ": Is a directory");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(KeptFile(path_).Read());
}

TEST_F(File, StaleDescriptorIsOpenedAnew) {
  Write("one");
  KeptFile file(path_);
  ASSERT_EQ(file.Read().value(), "one");
  int closed = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone) == path_) {
      closed += ::close(std::stoi(entry.path().filename())) == 0 ? 1 : 0;
    }
  }
  ASSERT_EQ(closed, 1);
  EXPECT_EQ(file.Read().value(), "one");
}

TEST_F(File, OfAnEndedProcessIsAbsent) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const std::string stat = "/proc/" + std::to_string(child) + "/stat";
  KeptFile mandatory(stat), optional(stat, {.optional = true});
  EXPECT_TRUE(mandatory.Read());
  EXPECT_TRUE(optional.Read());
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(mandatory.Read().error().code, Errc::kUnavailable);
  EXPECT_EQ(optional.Read().error().code, Errc::kNoData);
}

TEST_F(File, MadeOfRecordsIsReadOverPageBoundaries) {
  KeptFile smaps("/proc/self/smaps", {.max_bytes = 64U << 20U, .records = true});
  for (int i = 0; i < 2; ++i) {
    const auto text = smaps.Read();
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_GT(text->size(), 8192U);
    EXPECT_TRUE(text->ends_with('\n'));
    // The stack lies above everything that is mapped: near the end, many pages in.
    EXPECT_NE(text->find("[stack]"), std::string_view::npos);
  }
}

TEST_F(File, OfProcSysIsReadWithASmallBuffer) {
  KeptFile file("/proc/sys/kernel/ostype", {.max_bytes = 16});
  EXPECT_EQ(file.Read().value(), "Linux\n");
  EXPECT_EQ(file.Read().value(), "Linux\n");
}

TEST_F(File, ReadOnceIsTheSameText) {
  Write(Text(9000));
  EXPECT_EQ(ReadFile(path_).value(), Text(9000));
  EXPECT_EQ(ReadFile(path_, {.max_bytes = 100}).error().code, Errc::kLimit);
}

TEST(ErrnoError, TellsTheCodeByErrno) {
  const auto code = [](int error, bool optional) {
    return ErrnoError("read", "/x", error, optional).code;
  };
  EXPECT_EQ(code(EACCES, false), Errc::kDenied);
  EXPECT_EQ(code(EPERM, true), Errc::kDenied);
  EXPECT_EQ(code(EOPNOTSUPP, false), Errc::kNoData);
  EXPECT_EQ(code(ENOENT, false), Errc::kUnavailable);
  EXPECT_EQ(code(ENOENT, true), Errc::kNoData);
  EXPECT_EQ(code(ENODEV, true), Errc::kNoData);
  EXPECT_EQ(code(EIO, true), Errc::kUnavailable);
  EXPECT_EQ(ErrnoError("open", "/x", EACCES).message, "open /x: Permission denied");
  EXPECT_EQ(ErrnoError("open", "/x", 99'999).message, "open /x: errno 99999");
}

}  // namespace
}  // namespace sidecar
