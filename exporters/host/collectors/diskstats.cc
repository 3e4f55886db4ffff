// Disk I/O from /proc/diskstats (kernel: Documentation/admin-guide/iostats.rst) and what udev and
// sysfs say about each disk, under node_exporter's names.

#include <sys/stat.h>

#include <charconv>
#include <optional>
#include <unordered_map>

#include "exporters/host/host_env.h"
#include "exporters/host/name_filter.h"
#include "exporters/host/proc.h"
#include "exporters/host/proc_diskstats.h"
#include "exporters/host/udev.h"

namespace sidecar::host {
namespace {

consteval auto DiskCounter(const char* name, const char* help) {
  return Counter(name, help, "device");
}

constexpr double kUnit = 1, kSector = 512, kMillisecond = 1000;

// One column, one family. `divide`: of milliseconds, so that 9653880 is 9653.88.
struct Column {
  DiskStat stat;
  double multiply, divide;
  Family<Kind::kCounter, 1> family;
};
constexpr Column kColumns[] = {
    {kReads, kUnit, kUnit,
     DiskCounter("node_disk_reads_completed_total", "Reads that the disk completed.")},
    {kReadsMerged, kUnit, kUnit,
     DiskCounter("node_disk_reads_merged_total", "Reads merged into a neighbour in the queue.")},
    {kReadSectors, kSector, kUnit,
     DiskCounter("node_disk_read_bytes_total", "Bytes read from the disk.")},
    {kReadTime, kUnit, kMillisecond,
     DiskCounter("node_disk_read_time_seconds_total", "Time that all reads took together.")},
    {kWrites, kUnit, kUnit,
     DiskCounter("node_disk_writes_completed_total", "Writes that the disk completed.")},
    {kWritesMerged, kUnit, kUnit,
     DiskCounter("node_disk_writes_merged_total", "Writes merged into a neighbour in the queue.")},
    {kWrittenSectors, kSector, kUnit,
     DiskCounter("node_disk_written_bytes_total", "Bytes written to the disk.")},
    {kWriteTime, kUnit, kMillisecond,
     DiskCounter("node_disk_write_time_seconds_total", "Time that all writes took together.")},
    {kIoTime, kUnit, kMillisecond,
     DiskCounter("node_disk_io_time_seconds_total", "Time during which any request was running.")},
    {kWeightedIoTime, kUnit, kMillisecond,
     DiskCounter("node_disk_io_time_weighted_seconds_total",
                 "Time of running requests, counted once for each of them.")},
    {kDiscards, kUnit, kUnit,
     DiskCounter("node_disk_discards_completed_total", "Discards that the disk completed.")},
    {kDiscardsMerged, kUnit, kUnit,
     DiskCounter("node_disk_discards_merged_total", "Discards merged into a neighbour.")},
    {kDiscardedSectors, kUnit, kUnit,
     DiskCounter("node_disk_discarded_sectors_total", "Sectors of 512 bytes discarded.")},
    {kDiscardTime, kUnit, kMillisecond,
     DiskCounter("node_disk_discard_time_seconds_total", "Time that all discards took together.")},
    {kFlushes, kUnit, kUnit,
     DiskCounter("node_disk_flush_requests_total", "Flushes that the disk completed.")},
    {kFlushTime, kUnit, kMillisecond,
     DiskCounter("node_disk_flush_requests_time_seconds_total",
                 "Time that all flushes took together.")},
};
constexpr auto kNow = Gauge("node_disk_io_now", "Requests that are running.", "device");
constexpr auto kInfo =
    Gauge("node_disk_info", "What udev and sysfs say about the disk; always 1.", "device", "major",
          "minor", "path", "wwn", "model", "serial", "revision", "rotational");
constexpr auto kFilesystem =
    Gauge("node_disk_filesystem_info", "The file system on the disk by udev; always 1.", "device",
          "type", "usage", "uuid", "version");
constexpr auto kMapper =
    Gauge("node_disk_device_mapper_info", "The device mapper's names by udev; always 1.", "device",
          "name", "uuid", "vg_name", "lv_name", "lv_layer");
constexpr auto kAtaCache =
    Gauge("node_disk_ata_write_cache", "Whether the ATA disk has a write cache.", "device");
constexpr auto kAtaCacheEnabled = Gauge("node_disk_ata_write_cache_enabled",
                                        "Whether the ATA disk uses its write cache.", "device");
constexpr auto kAtaRotation =
    Gauge("node_disk_ata_rotation_rate_rpm",
          "Revolutions of the ATA disk a minute; 0 if it has none to turn.", "device");

constexpr std::size_t kFixed = 7;
constexpr auto kFamilies = [] {
  std::array<FamilyInfo, std::size(kColumns) + kFixed> all{
      kNow.info(),        kInfo.info(),     kFilesystem.info(),
      kMapper.info(),     kAtaCache.info(), kAtaCacheEnabled.info(),
      kAtaRotation.info()};
  for (std::size_t i = 0; i < std::size(kColumns); ++i) all[kFixed + i] = kColumns[i].family.info();
  return all;
}();

struct Options {
  FilterOptions devices{.exclude = R"(^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)"};
  void Read(TableReader& table) {
    devices.Read(table, {.key = "device",
                         .flag = "collector.diskstats.device",
                         .noun = "disks",
                         .old_exclude = "collector.diskstats.ignored-devices"});
  }
};

// udev renames a new file into its folder at every change, so that the folder's stamp tells of all
// of them in one call. The rest (rotational; two changes within one tick of the stamp) is found by
// reading anew from time to time.
struct Stamp {
  ino_t inode = 0;
  std::int64_t seconds = 0, nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};
constexpr Millis kReadAnew = std::chrono::minutes(5);
constexpr std::size_t kMaxUdevBytes = 64U << 10U;

Stamp StampOf(const std::string& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

struct Disk {
  std::string major, minor;
  std::string rotational;
  DiskProperties udev;
  std::uint64_t generation = 0;  // of the last reading
  std::uint64_t run = 0;         // that saw it last
};

class Diskstats final : public Collector {
 public:
  Diskstats(std::shared_ptr<HostEnv> env, NameFilter filter)
      : env_(std::move(env)),
        filter_(std::move(filter)),
        file_(env_->Proc("diskstats"), {.records = true}) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    auto text = file_.Read();
    // Empty without a block device, as in small virtual machines.
    if (text && !text->empty()) text = Whole(file_.path(), text);
    if (!text) return Fail(text.error());
    Refresh(scrape);
    ++run_;
    std::size_t seen = 0;
    std::string_view rest = *text;
    while (const auto line = NextLine(rest)) {
      if (const auto name = DiskName(*line); !name.empty() && !filter_.Keeps(name)) continue;
      const auto disk = ParseDisk(*line);
      if (!disk) return Fail(disk.error());
      AddStats(*disk, sink);
      AddInfo(*disk, sink);
      ++seen;
    }
    if (disks_.size() > seen) {
      std::erase_if(disks_, [&](const auto& entry) { return entry.second.run != run_; });
    }
    return {};
  }

 private:
  void Refresh(const Scrape& scrape) {
    const Stamp stamp = StampOf(env_->roots().udev_data);
    const Mono now = scrape.clock().mono();
    if (stamp == stamp_ && now < read_anew_) return;
    stamp_ = stamp;
    read_anew_ = now + kReadAnew;
    ++generation_;
  }

  static void AddStats(const DiskLine& disk, Sink& sink) {
    for (const Column& column : kColumns) {
      if (column.stat >= disk.count) break;
      const auto value = static_cast<double>(disk.stats[column.stat]);
      sink.Add(column.family, value * column.multiply / column.divide, disk.name);
    }
    sink.Add(kNow, disk.stats[kInFlight], disk.name);
  }

  void AddInfo(const DiskLine& line, Sink& sink) {
    const Disk& disk = Known(line);
    const DiskProperties& udev = disk.udev;
    sink.Add(kInfo, 1, line.name, line.major, line.minor, udev.path, udev.wwn, udev.model,
             udev.serial, udev.revision, disk.rotational);
    if (!udev.fs_type.empty()) {
      sink.Add(kFilesystem, 1, line.name, udev.fs_type, udev.fs_usage, udev.fs_uuid,
               udev.fs_version);
    }
    if (!udev.dm_name.empty()) {
      sink.Add(kMapper, 1, line.name, udev.dm_name, udev.dm_uuid, udev.dm_vg_name, udev.dm_lv_name,
               udev.dm_lv_layer);
    }
    if (!udev.ata) return;
    AddNumber(kAtaCache, udev.ata_write_cache, line.name, sink);
    AddNumber(kAtaCacheEnabled, udev.ata_write_cache_enabled, line.name, sink);
    AddNumber(kAtaRotation, udev.ata_rotation_rate_rpm, line.name, sink);
  }

  // What udev wrote as no number is left out.
  static void AddNumber(const Family<Kind::kGauge, 1>& family, std::string_view text,
                        std::string_view device, Sink& sink) {
    if (const auto value = ParseNumber<std::uint64_t>(text)) sink.Add(family, *value, device);
  }

  const Disk& Known(const DiskLine& line) {
    auto found = disks_.find(line.name);
    if (found == disks_.end()) found = disks_.emplace(line.name, Disk{}).first;
    Disk& disk = found->second;
    disk.run = run_;
    if (disk.generation != generation_ || disk.major != line.major || disk.minor != line.minor) {
      disk.major = line.major;
      disk.minor = line.minor;
      disk.generation = generation_;
      disk.rotational = Rotational(line.name);
      disk.udev = Udev(disk);
    }
    return disk;
  }

  std::string Rotational(std::string_view name) const {
    std::string folder(name);
    std::replace(folder.begin(), folder.end(), '/', '!');  // cciss/c0d0 is cciss!c0d0 in sysfs
    const auto text = ReadFile(env_->Sys("block/" + folder + "/queue/rotational"));
    if (!text) return "0";  // a partition, or no sysfs: as the peer
    std::string_view rest = *text;
    const auto line = NextLine(rest);
    return line && ParseNumber<std::uint64_t>(*line) ? std::string(*line) : "0";
  }

  DiskProperties Udev(const Disk& disk) const {
    if (stamp_ == Stamp{}) return {};  // no udev here: a container without the mount
    const std::string path = env_->roots().udev_data + "/b" + disk.major + ":" + disk.minor;
    const auto text = ReadFile(path, {.max_bytes = kMaxUdevBytes, .optional = true});
    return text ? ParseUdev(*text) : DiskProperties{};
  }

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::shared_ptr<HostEnv> env_;
  NameFilter filter_;
  KeptFile file_;
  std::unordered_map<std::string, Disk, Hash, std::equal_to<>> disks_;
  Stamp stamp_{};
  Mono read_anew_{};
  std::uint64_t generation_ = 0, run_ = 0;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> diskstats_collector{
    .name = "diskstats",
    .summary = "Disk I/O from /proc/diskstats.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { Options{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      return std::make_unique<Diskstats>(env, options.devices.Compile(table));
    }};

}  // namespace sidecar::host
