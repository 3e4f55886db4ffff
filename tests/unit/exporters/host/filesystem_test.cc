#include "exporters/host/collectors/filesystem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/config/document.h"
#include "tests/unit/exporters/host/injected.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Sizes that tell the fields apart; a few mounts fail.
StatfsAnswer Fixed(const std::string& path) {
  if (path == "/mnt/gone") return {.error = ENOENT};
  if (path == "/mnt/share") return {.error = ESTALE};
  if (path == "/home/me/remote") return {.error = ENOTCONN};
  return {.unit = 512, .blocks = 1000, .free = 400, .available = 300, .files = 50, .files_free = 7};
}

std::unique_ptr<Collector> Make(const std::shared_ptr<HostEnv>& env, StatfsCall call,
                                const FilesystemOptions& options = {}) {
  Document none = Document::Describing();
  TableReader table = none.Root();
  return MakeFilesystem(env, options, options.mount_points.Compile(table),
                        options.fs_types.Compile(table), std::move(call));
}

Injected Filesystem(const std::filesystem::path& machine, StatfsCall call = Fixed,
                    std::string rootfs = "/") {
  return Injected(
      machine, [&](const auto& env) { return Make(env, call); }, std::move(rootfs));
}

std::string Line(const char* name, const char* labels, const char* value) {
  return std::string("node_filesystem_") + name + "{" + labels + "} " + value + "\n";
}

TEST(Filesystem, OfAVirtualMachine) { ExpectGolden(Filesystem(Fixture("vm")).Run(), "filesystem"); }

TEST(Filesystem, OfAMachineWithRemoteFailingAndOddlyNamedMounts) {
  ExpectGolden(Filesystem(Fixture("metal")).Run(), "filesystem-metal");
}

TEST(Filesystem, ASecondRunAsksWithoutWorkersAndSaysTheSame) {
  Injected filesystem = Filesystem(Fixture("metal"));
  const std::string first = filesystem.Run().text;
  EXPECT_EQ(filesystem.Run().text, first);
  EXPECT_EQ(filesystem.Run().text, first);
}

TEST(Filesystem, WithoutAFirstProcessItsOwnMountsAreShown) {
  const auto run = Filesystem(Fixture("old")).Run();
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr(Line("size_bytes",
                                       R"(device="/dev/sda1",mountpoint="/",fstype="ext3",)"
                                       R"(device_error="")",
                                       "512000")));
}

TEST(Filesystem, UnderARootAsksBelowItAndShowsPathsWithoutIt) {
  ScratchMachine machine;
  machine.Write("proc/1/mountinfo",
                "1 1 8:1 / / rw - ext4 /dev/a rw\n"
                "2 1 8:2 / /host/data rw - ext4 /dev/b rw\n"
                "3 1 8:3 / /hostile rw - ext4 /dev/c rw\n");
  std::mutex mutex;
  std::vector<std::string> paths;
  const auto call = [&](const std::string& path) {
    const std::scoped_lock lock(mutex);
    paths.push_back(path);
    return Fixed(path);
  };
  const auto run = Filesystem(machine.path(), call, "/host").Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(paths, ::testing::ElementsAre("/host/", "/host/data", "/host/hostile"));
  EXPECT_THAT(run.text,
              HasSubstr("device=\"/dev/b\",major=\"8\",minor=\"2\",mountpoint=\"/data\""));
  EXPECT_THAT(run.text, HasSubstr("mountpoint=\"/hostile\""));
}

TEST(Filesystem, AsksTheSystemAsShipped) {
  ScratchMachine machine;
  machine.Write("proc/1/mountinfo",
                "1 1 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /x rw - ext4 b rw\n");
  machine.Write("rootfs/file", "");
  const auto run = RunCollector("filesystem", machine.path());
  ASSERT_TRUE(run.result) << run.result.error().message;
  EXPECT_THAT(run.text, HasSubstr("device_error=\"no such file or directory\"} 1\n"));
  EXPECT_THAT(run.text, HasSubstr(Line("device_error",
                                       R"(device="/dev/a",mountpoint="/",fstype="ext4",)"
                                       R"(device_error="")",
                                       "0")));
}

TEST(Filesystem, FiltersByMountPointAndType) {
  const auto run = RunCollector("filesystem", Fixture("metal"),
                                "mount_points_include = '^/(proc|srv)'\nfs_types_include = 'proc'");
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("mountpoint=\"/proc\""));
  EXPECT_THAT(run.text, Not(HasSubstr("/srv/data")));
}

TEST(Filesystem, RefusesFaultyOptionsAllAtOnce) {
  const auto run = RunCollector("filesystem", Fixture("vm"),
                                "mount_points_include = 'a'\nmount_points_exclude = 'b'\n"
                                "fs_types_exclude = '['\nmount_timeout = '0s'\nstat_workers = 0\n");
  ASSERT_FALSE(run.result);
  for (const char* fault : {"not both", "missing ]", "more than 0", "stat_workers"}) {
    EXPECT_THAT(run.result.error().message, HasSubstr(fault));
  }
}

TEST(Filesystem, HostileMountinfo) {
  const auto empty = Filesystem(Fixture("hostile-empty")).Run();
  ASSERT_FALSE(empty.result);
  EXPECT_EQ(empty.result.error().code, Errc::kParse);

  const auto cut = Filesystem(Fixture("hostile-cut")).Run();
  ASSERT_TRUE(cut.result);
  ASSERT_EQ(cut.warnings.size(), 1U);
  EXPECT_THAT(cut.warnings[0].message, HasSubstr("22 21 8:1"));
  EXPECT_THAT(cut.text, HasSubstr("device=\"/dev/a\""));
  EXPECT_THAT(cut.text, Not(HasSubstr("/dev/b")));

  const auto extra = Filesystem(Fixture("hostile-extra")).Run();
  EXPECT_EQ(extra.text, Filesystem(Fixture("vm")).Run().text);

  const auto huge = Filesystem(Fixture("hostile-huge")).Run();
  ASSERT_EQ(huge.warnings.size(), 1U);
  EXPECT_THAT(huge.text, HasSubstr("major=\"4294967296\",minor=\"99999999999999999999\""));

  const auto bytes = Filesystem(Fixture("hostile-bytes")).Run();
  ASSERT_TRUE(bytes.result) << bytes.result.error().message;
  EXPECT_THAT(bytes.text, HasSubstr("mountpoint=\"/a\xEF\xBF\xBD"
                                    "b\""));
  EXPECT_THAT(bytes.text, HasSubstr(R"(mountpoint="/q\"u\\o")"));
}

TEST(Filesystem, MissingMountinfoIsAnError) {
  const auto run = Filesystem(ScratchMachine().path()).Run();
  ASSERT_FALSE(run.result);
  EXPECT_EQ(run.result.error().code, Errc::kUnavailable);
}

TEST(Filesystem, FollowsMountsThatComeGoAndTurnReadOnly) {
  ScratchMachine machine;
  machine.Write("proc/1/mountinfo", "1 1 8:1 / / rw - ext4 /dev/a rw\n");
  Injected filesystem = Filesystem(machine.path());
  EXPECT_THAT(filesystem.Run().text, HasSubstr("readonly{device=\"/dev/a\",mountpoint=\"/\","
                                               "fstype=\"ext4\",device_error=\"\"} 0\n"));
  machine.Write("proc/1/mountinfo",
                "1 1 8:1 / / rw - ext4 /dev/a ro\n2 1 8:2 / /b rw - ext4 /dev/b rw\n");
  const std::string text = filesystem.Run().text;
  EXPECT_THAT(text, HasSubstr("readonly{device=\"/dev/a\",mountpoint=\"/\",fstype=\"ext4\","
                              "device_error=\"\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mountpoint=\"/b\""));
  machine.Write("proc/1/mountinfo", "2 1 8:2 / /b rw - ext4 /dev/b rw\n");
  EXPECT_THAT(filesystem.Run().text, Not(HasSubstr("/dev/a")));
}

// A mount of a remote file system that hangs from the start, until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0, calls = 0;

  StatfsAnswer Enter(const std::string& path) {
    std::unique_lock lock(mutex);
    ++calls;
    ++inside;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    --inside;
    changed.notify_all();
    return Fixed(path);
  }
  void AwaitInside() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return inside > 0; });
  }
  void Open() {
    std::unique_lock lock(mutex);
    open = true;
    changed.notify_all();
    changed.wait(lock, [this] { return inside == 0; });
  }
};

// A run that ends because time passes once the mount hangs.
CollectorRun RunUntilTimeout(Injected& filesystem, Gate& gate) {
  std::atomic<bool> ended = false;
  std::jthread time([&] {
    gate.AwaitInside();
    while (!ended) {
      std::this_thread::yield();
      filesystem.clock().Advance(Millis(1));
    }
  });
  CollectorRun run = filesystem.Run();
  ended = true;
  return run;
}

Injected WithHungNfs(const std::shared_ptr<Gate>& gate) {
  return Filesystem(Fixture("metal"), [gate](const std::string& path) {
    return path == "/mnt/nfs" ? gate->Enter(path) : Fixed(path);
  });
}

TEST(Filesystem, AMountThatHangsIsReportedAndServedAgainWhenItThaws) {
  const auto gate = std::make_shared<Gate>();
  Injected filesystem = WithHungNfs(gate);
  const std::string hung = Line("device_error",
                                R"(device="server:/export one",mountpoint="/mnt/nfs",)"
                                R"(fstype="nfs4",device_error="mountpoint timeout")",
                                "1");
  const auto first = RunUntilTimeout(filesystem, *gate);
  ASSERT_TRUE(first.result);
  EXPECT_TRUE(first.warnings.empty()) << "success stays 1, as with the peer";
  EXPECT_THAT(first.text, HasSubstr(hung));
  for (int i = 0; i < 100; ++i) {
    const auto run = filesystem.Run();  // the clock stands: it waits for nobody who hangs
    ASSERT_THAT(run.text, HasSubstr(hung));
    ASSERT_THAT(run.text, HasSubstr("size_bytes{device=\"/dev/sdb\""));
  }
  EXPECT_EQ(gate->calls, 1);
  const std::string said = "mountpoint=/mnt/nfs ";
  EXPECT_NE(filesystem.logged().find(said), std::string::npos) << filesystem.logged();
  EXPECT_EQ(filesystem.logged().find(said), filesystem.logged().rfind(said)) << "said once";

  gate->Open();
  std::string text;
  do {  // the worker needs a moment to hand in its answer
    text = filesystem.Run().text;
  } while (text.find("mountpoint timeout") != std::string::npos);
  EXPECT_THAT(text, HasSubstr("size_bytes{device=\"server:/export one\""));
  EXPECT_THAT(filesystem.logged(), HasSubstr("file system answers again"));
}

TEST(Filesystem, EndsWhileAMountHangs) {
  const auto gate = std::make_shared<Gate>();
  {
    Injected filesystem = WithHungNfs(gate);
    EXPECT_TRUE(RunUntilTimeout(filesystem, *gate).result);
  }
  gate->Open();
  EXPECT_EQ(gate->calls, 1);
}

}  // namespace
}  // namespace sidecar::host
