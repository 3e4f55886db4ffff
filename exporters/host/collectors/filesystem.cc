// Space and inodes of the mounted file systems, from mountinfo and statfs(2), under node_exporter's
// names. A mount that does not answer is reported and never waited for twice (statfs_workers.h).

#include "exporters/host/collectors/filesystem.h"

#include <cctype>
#include <cstring>

#include "common/log/log.h"
#include "exporters/host/mount_table.h"

namespace sidecar::host {
namespace {

consteval auto MountGauge(const char* name, const char* help) {
  return Gauge(name, help, "device", "mountpoint", "fstype", "device_error");
}

constexpr auto kSize = MountGauge("node_filesystem_size_bytes", "Size of the file system.");
constexpr auto kFree = MountGauge("node_filesystem_free_bytes", "Bytes that nothing occupies.");
constexpr auto kAvail =
    MountGauge("node_filesystem_avail_bytes", "Bytes that users without privileges may still use.");
constexpr auto kFiles = MountGauge("node_filesystem_files", "Inodes of the file system.");
constexpr auto kFilesFree = MountGauge("node_filesystem_files_free", "Inodes that are free.");
constexpr auto kPurgeable = MountGauge("node_filesystem_purgeable_bytes",
                                       "Bytes that macOS could free; 0 on Linux, as in the peer.");
constexpr auto kReadonly =
    MountGauge("node_filesystem_readonly",
               "Whether the mount or its file system is read-only, errors included.");
constexpr auto kDeviceError =
    MountGauge("node_filesystem_device_error", "Whether statfs failed or did not return in time.");
constexpr auto kMountInfo = Gauge("node_filesystem_mount_info", "A mount's device; always 1.",
                                  "device", "major", "minor", "mountpoint");
constexpr FamilyInfo kFamilies[] = {kSize.info(),     kFree.info(),        kAvail.info(),
                                    kFiles.info(),    kFilesFree.info(),   kPurgeable.info(),
                                    kReadonly.info(), kDeviceError.info(), kMountInfo.info()};

constexpr std::string_view kTimeout = "mountpoint timeout";  // the peer's words
constexpr std::string_view kNoWorker = "not asked: other mounts hang";
constexpr Millis kPrompt{100};  // slower than that is asked by a worker again

// "no such file or directory": the label of the peer, whose errors begin with a small letter.
std::string ErrorText(int error) {
  const char* const known = ::strerrordesc_np(error);
  if (known == nullptr) return "errno " + std::to_string(error);
  std::string text(known);
  const auto upper = [&](std::size_t i) {
    return i < text.size() && std::isupper(static_cast<unsigned char>(text[i])) != 0;
  };
  if (upper(0) && !upper(1)) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string DeviceError(const StatfsReply& reply) {
  switch (reply.state) {
    case StatfsReply::State::kTimeout:
      return std::string(kTimeout);
    case StatfsReply::State::kNoWorker:
      return std::string(kNoWorker);
    case StatfsReply::State::kAnswered:
      break;
  }
  return reply.answer.error == 0 ? std::string() : ErrorText(reply.answer.error);
}

class Filesystem final : public Collector {
 public:
  Filesystem(std::shared_ptr<HostEnv> env, const FilesystemOptions& options,
             NameFilter mount_points, NameFilter fs_types, StatfsCall call)
      : env_(std::move(env)),
        mount_timeout_(options.mount_timeout),
        // A super block may turn read-only without a word to who polls mountinfo (ext4's
        // errors=remount-ro), so that the text is read at every scrape and parsed when it differs.
        first_(env_->Proc("1/mountinfo"), {.records = true, .optional = true}),
        self_(env_->Proc("self/mountinfo"), {.records = true}),
        table_(env_->roots().rootfs, std::move(mount_points), std::move(fs_types)),
        call_(std::move(call)),
        workers_(call_, static_cast<std::size_t>(options.stat_workers)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    auto text = first_.Read();
    // Without hostPID there is no such process, with hidepid it is hidden.
    if (!text && (text.error().code == Errc::kNoData || text.error().code == Errc::kDenied)) {
      text = self_.Read();
    }
    if (!text) return Fail(text.error());
    if (text->empty()) return Fail(Errc::kParse, "mountinfo is empty");  // there is always a root
    table_.Update(*text);
    Ask(scrape);
    for (MountEntry& entry : table_.entries()) Add(entry, sink);
    if (table_.fault()) sink.Warn(*table_.fault());
    return {};
  }

 private:
  // The mounts that have shown to answer from memory are asked here, meanwhile workers ask the
  // rest.
  void Ask(const Scrape& scrape) {
    asked_.clear();
    for (const MountEntry& entry : table_.entries()) {
      if (entry.upper && !entry.proven) asked_.push_back(entry.probe);
    }
    workers_.Begin(scrape, asked_);
    for (MountEntry& entry : table_.entries()) {
      if (!entry.upper || !entry.proven) continue;
      const Mono before = scrape.clock().mono();
      entry.probe->Answer(call_(entry.probe->path()));
      entry.proven = scrape.clock().mono() - before <= kPrompt;
    }
    workers_.Finish(scrape, std::min(mount_timeout_, Millis(scrape.LeftMs() / 2)));
  }

  void Add(MountEntry& entry, Sink& sink) {
    const StatfsReply& reply = entry.probe->reply();
    const bool answered = reply.state == StatfsReply::State::kAnswered;
    if (entry.prompt && entry.upper && answered && !reply.late) entry.proven = true;
    std::string error = DeviceError(reply);
    if (error != entry.error) Say(entry, error, answered);
    entry.error = std::move(error);

    const auto add = [&](const auto& family, double value) {
      sink.Add(family, value, entry.mount.source, entry.mountpoint, entry.mount.fs_type,
               entry.error);
    };
    add(kDeviceError, entry.error.empty() ? 0 : 1);
    add(kReadonly, entry.mount.read_only ? 1 : 0);
    if (!entry.error.empty()) return;
    const auto unit = static_cast<double>(reply.answer.unit);
    add(kSize, static_cast<double>(reply.answer.blocks) * unit);
    add(kFree, static_cast<double>(reply.answer.free) * unit);
    add(kAvail, static_cast<double>(reply.answer.available) * unit);
    add(kFiles, static_cast<double>(reply.answer.files));
    add(kFilesFree, static_cast<double>(reply.answer.files_free));
    add(kPurgeable, 0);
    AddInfo(entry.mount, entry.mountpoint, sink);
    for (const Mount& mount : entry.covered) AddInfo(mount, entry.mountpoint, sink);
  }

  static void AddInfo(const Mount& mount, const std::string& mountpoint, Sink& sink) {
    sink.Add(kMountInfo, 1, mount.source, mount.major, mount.minor, mountpoint);
  }

  // Once for each change: a mount that hangs for days is one line.
  void Say(const MountEntry& entry, const std::string& error, bool answered) {
    Log& log = env_->runtime().log;
    if (!answered) {
      log.Warn("file system does not answer",
               {{"mountpoint", entry.mountpoint}, {"fstype", entry.mount.fs_type}, {"err", error}});
    } else if (!error.empty()) {
      log.Debug("statfs failed", {{"mountpoint", entry.mountpoint}, {"err", error}});
    } else {
      log.Info("file system answers again", {{"mountpoint", entry.mountpoint}});
    }
  }

  std::shared_ptr<HostEnv> env_;
  Millis mount_timeout_;
  KeptFile first_, self_;
  MountTable table_;
  StatfsCall call_;
  StatfsWorkers workers_;
  std::vector<std::shared_ptr<StatfsProbe>> asked_;  // reused
};

}  // namespace

void FilesystemOptions::Read(TableReader& table) {
  mount_points.Read(table, {.key = "mount_points",
                            .flag = "collector.filesystem.mount-points",
                            .noun = "mount points",
                            .old_exclude = "collector.filesystem.ignored-mount-points"});
  fs_types.Read(table, {.key = "fs_types",
                        .flag = "collector.filesystem.fs-types",
                        .noun = "file system types",
                        .old_exclude = "collector.filesystem.ignored-fs-types"});
  table
      .Field("mount_timeout", mount_timeout,
             "How long a scrape waits for a mount; half of what is left of the scrape at most.")
      .Flag("collector.filesystem.mount-timeout");
  if (mount_timeout <= Millis(0)) table.Reject("mount_timeout", "must be more than 0");
  table
      .Field("stat_workers", stat_workers,
             "Mounts asked at once, beside those that hang; 8 in all.", 1, 64)
      .Flag("collector.filesystem.stat-workers");
}

std::unique_ptr<Collector> MakeFilesystem(std::shared_ptr<HostEnv> env,
                                          const FilesystemOptions& options, NameFilter mount_points,
                                          NameFilter fs_types, StatfsCall call) {
  return std::make_unique<Filesystem>(std::move(env), options, std::move(mount_points),
                                      std::move(fs_types), std::move(call));
}

extern constinit const CollectorSpec<HostEnv> filesystem_collector{
    .name = "filesystem",
    .summary = "Space and inodes of mounted file systems.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { FilesystemOptions{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      FilesystemOptions options;
      options.Read(table);
      NameFilter mount_points = options.mount_points.Compile(table);
      NameFilter fs_types = options.fs_types.Compile(table);
      return MakeFilesystem(env, options, std::move(mount_points), std::move(fs_types),
                            SystemStatfs);
    }};

}  // namespace sidecar::host
