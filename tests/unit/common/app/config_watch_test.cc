#include "common/app/config_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

namespace sidecar {
namespace {

namespace fs = std::filesystem;

class ConfigWatchTest : public ::testing::Test {
 protected:
  ConfigWatchTest() { fs::create_directories(dir); }
  ~ConfigWatchTest() override { fs::remove_all(dir); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir / name) << text;
  }
  static bool Readable(const ConfigWatch& watch) {
    pollfd ready{watch.fd(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
  }

  fs::path dir = testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ConfigWatchTest, SeesAFileWrittenInPlace) {
  Write("a.toml", "x = 1\n");
  ConfigWatch watch(dir / "a.toml", "");
  EXPECT_FALSE(Readable(watch));
  Write("a.toml", "x = 2\n");
  EXPECT_TRUE(Readable(watch));
  watch.Drain();
  EXPECT_FALSE(Readable(watch));
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(ConfigWatchTest, SeesTheSwapOfAConfigMapsDataLink) {
  fs::create_directories(dir / "..1");
  fs::create_directories(dir / "..2");
  Write("..1/a.toml", "x = 1\n");
  Write("..2/a.toml", "x = 2\n");
  fs::create_directory_symlink("..1", dir / "..data");
  fs::create_symlink("..data/a.toml", dir / "a.toml");
  ConfigWatch watch("", dir);
  fs::create_directory_symlink("..2", dir / "..data_tmp");
  fs::rename(dir / "..data_tmp", dir / "..data");
  EXPECT_TRUE(Readable(watch));
  EXPECT_TRUE(watch.Changed());
}

TEST_F(ConfigWatchTest, SeesAFileThatASymlinkLeadsToChangeElsewhere) {
  fs::create_directories(dir / "watched");
  fs::create_directories(dir / "elsewhere");
  Write("elsewhere/a.toml", "x = 1\n");
  fs::create_symlink(dir / "elsewhere/a.toml", dir / "watched/a.toml");
  ConfigWatch watch("", dir / "watched");
  Write("elsewhere/a.toml", "x = 2\n");
  EXPECT_TRUE(Readable(watch));
  EXPECT_TRUE(watch.Changed());
  fs::create_directories(dir / "third");
  Write("third/c.toml", "z = 1\n");
  fs::create_symlink(dir / "third/c.toml", dir / "watched/c.toml");
  EXPECT_TRUE(watch.Changed());
  watch.Drain();
  Write("third/c.toml", "z = 2\n");
  EXPECT_TRUE(Readable(watch)) << "of a link that came later";
  EXPECT_TRUE(watch.Changed());
}

TEST_F(ConfigWatchTest, TakesAWriteOfTheSameBytesForNoChange) {
  Write("a.toml", "x = 1\n");
  ConfigWatch watch("", dir);
  Write("a.toml", "x = 1\n");
  EXPECT_TRUE(Readable(watch));
  EXPECT_FALSE(watch.Changed());
}

TEST_F(ConfigWatchTest, SeesFilesComeAndGo) {
  ConfigWatch watch("", dir);
  Write("a.toml", "");
  EXPECT_TRUE(watch.Changed());
  fs::remove(dir / "a.toml");
  EXPECT_TRUE(watch.Changed());
  Write("notes.txt", "no configuration");
  EXPECT_FALSE(watch.Changed());
}

TEST_F(ConfigWatchTest, IsPolledWhereADirectoryCannotBeWatched) {
  ConfigWatch watch("", dir / "absent");
  EXPECT_EQ(watch.fd(), -1);
  fs::create_directories(dir / "absent");
  Write("absent/a.toml", "x = 1\n");
  EXPECT_TRUE(watch.Changed());
}

TEST_F(ConfigWatchTest, WatchesNothingWithoutFiles) {
  ConfigWatch watch("", "");
  EXPECT_EQ(watch.fd(), -1);
  EXPECT_FALSE(watch.Changed());
}

}  // namespace
}  // namespace sidecar
