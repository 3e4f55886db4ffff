// Metrics that scripts leave in *.prom files, under node_exporter's rules: a file with a fault is
// left out whole and reported, the others are served. Files are parsed when they change.

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <unordered_set>

#include "exporters/host/exposition_reader.h"
#include "exporters/host/host_env.h"

namespace sidecar::host {
namespace {

constexpr auto kMtime = Gauge("node_textfile_mtime_seconds",
                              "When a file that was read was last written, Unix time.", "file");
constexpr auto kScrapeError =
    Gauge("node_textfile_scrape_error", "Whether a folder or file, or a part of one, is missing.");
constexpr FamilyInfo kFamilies[] = {kMtime.info(), kScrapeError.info()};

constexpr std::size_t kMaxEntries = 100'000;  // of a folder
constexpr std::size_t kMaxFiles = 1'000;
constexpr std::size_t kMaxFileBytes = 8U << 20U;
constexpr std::size_t kMaxBytes = 64U << 20U;  // of all files
constexpr std::size_t kMaxOutput = 32U << 20U;
constexpr std::size_t kMaxHelp = 4'096;  // the list of files in a help text
// A file may be written again within one tick of its file system's clock, 2 s at worst (FAT). Until
// that is over, what is known of it may be old although its times have not changed.
constexpr std::int64_t kTickNs = 2'000'000'000;

std::int64_t Nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Equal when a file's contents are.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified = 0, changed = 0;

  static Identity Of(const struct stat& file) {
    return {file.st_dev, file.st_ino, file.st_size, Nanoseconds(file.st_mtim),
            Nanoseconds(file.st_ctim)};
  }
  bool operator==(const Identity&) const = default;
};

struct TextFile {
  Identity identity;
  bool settled = false;  // a stat tells whether it is still the same
  std::shared_ptr<const ForeignMetrics> metrics;
  std::optional<Error> fault;
};

Error FileError(const std::string& path, Errc code, const std::string& what) {
  return {code, Quoted(path) + ": " + what};
}

// What one open descriptor shows, if nobody writes meanwhile: replacing by rename does not disturb.
Result<std::string> ReadWhole(const std::string& path, std::size_t left, Identity& identity) {
  // Without O_NONBLOCK the open of a FIFO that took the file's place would wait for a writer.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat before {
  }, after{};
  if (!fd || ::fstat(fd.get(), &before) != 0) return Fail(ErrnoError("open", Quoted(path), errno));
  identity = Identity::Of(before);
  if (!S_ISREG(before.st_mode)) {
    return Fail(FileError(path, Errc::kUnsupported, "not a regular file"));
  }
  const auto size = static_cast<std::size_t>(before.st_size);
  if (size > std::min(kMaxFileBytes, left)) {
    return Fail(FileError(path, Errc::kLimit,
                          size > kMaxFileBytes ? "more than 8 MiB" : "more than 64 MiB in all"));
  }
  std::string text(size + 1, '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t part = ::read(fd.get(), text.data() + got, text.size() - got);
    if (part == 0) break;
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return Fail(ErrnoError("read", Quoted(path), errno));
    got += static_cast<std::size_t>(part);
  }
  if (::fstat(fd.get(), &after) != 0) return Fail(ErrnoError("stat", Quoted(path), errno));
  if (got != size || Identity::Of(after).modified != identity.modified ||
      after.st_size != before.st_size) {
    identity = {};
    return Fail(FileError(path, Errc::kUnavailable, "changed while it was read"));
  }
  text.resize(size);
  return text;
}

// Files and folders as they stand, in order.
class Listing {
 public:
  explicit Listing(const std::vector<std::string>& directories) {
    for (const std::string& directory : directories) {
      if (directory.empty()) continue;
      for (const std::string& folder : Expand(directory)) AddFolder(folder);
    }
  }

  const std::vector<std::string>& paths() const { return paths_; }
  std::vector<Error> TakeFaults() { return std::move(faults_); }

 private:
  // A pattern that matches nothing stands for itself, as in node_exporter, and fails later.
  static std::vector<std::string> Expand(const std::string& pattern) {
    if (pattern.find_first_of("*?[\\") == std::string::npos) return {pattern};
    glob_t found{};
    std::vector<std::string> folders;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      folders.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
    if (folders.empty()) folders.push_back(pattern);
    return folders;
  }

  void AddFolder(const std::string& folder) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator entry(folder, error);
    for (std::size_t i = 0; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      if (++i > kMaxEntries) {
        faults_.push_back(FileError(folder, Errc::kLimit, "more than 100000 entries"));
        break;
      }
      std::string name = entry->path().filename();
      if (name.ends_with(".prom")) names.push_back(std::move(name));
    }
    if (error) faults_.push_back(ErrnoError("read", Quoted(folder), error.value()));
    std::ranges::sort(names);
    for (const std::string& name : names) {
      std::string path = (fs::path(folder) / name).lexically_normal();
      if (!known_.insert(path).second) continue;  // two patterns may find one folder
      if (paths_.size() == kMaxFiles) {
        faults_.push_back(FileError(path, Errc::kLimit, "more than 1000 files"));
        return;
      }
      if (path.size() > Limits{}.label_bytes) {
        faults_.push_back(FileError(path, Errc::kLimit, "a long path"));
        continue;
      }
      paths_.push_back(std::move(path));
    }
  }

  std::vector<std::string> paths_;
  std::unordered_set<std::string> known_;
  std::vector<Error> faults_;
};

// All files put together: which families are served, with which help, and without which rows.
class Merged {
 public:
  explicit Merged(std::size_t max_series) : max_series_(max_series) {
    for (const FamilyInfo& info : kFamilies) {
      ForeignFamily own;
      own.name = info.name;
      own.kind = Kind::kInfo;  // of no file's family
      owners_.Claim(own);
    }
  }

  Merged(Merged&&) = default;  // what points into helps_ stays right; a copy's would not
  Merged& operator=(Merged&&) = default;

  void Add(const std::string& path, const TextFile& file) {
    if (auto refused = Refused(*file.metrics)) {
      faults_.push_back(FileError(path, refused->code, refused->message));
      return;
    }
    series_ += file.metrics->series;
    output_ += file.metrics->output;
    for (const ForeignFamily& family : file.metrics->families) {
      owners_.Claim(family);
      AddFamily(path, file.metrics, family);
    }
    times_.emplace_back(path, file.identity.modified / 1'000'000'000);
  }

  void Put(Sink& sink) const {
    for (const Piece& piece : pieces_) {
      auto put = piece.metrics->Put(*piece.family, piece.help->text, piece.without, sink);
      if (!put) sink.Warn(std::move(put.error()));
    }
    for (const auto& [path, seconds] : times_) sink.Add(kMtime, seconds, path);
    for (const Error& fault : faults_) sink.Warn(fault);
  }
  bool faulty() const { return !faults_.empty(); }

  // Once all files were added.
  void Finish() {
    for (auto& [name, help] : helps_) {
      if (!help.given) help.text = "Metric read from " + help.files;
    }
    seen_ = {};
  }

 private:
  struct Help {
    std::string text, files, from;
    bool given = false;
  };
  struct Piece {
    std::shared_ptr<const ForeignMetrics> metrics;
    const ForeignFamily* family;
    const Help* help;
    std::vector<std::uint32_t> without;
  };

  std::optional<Error> Refused(const ForeignMetrics& metrics) const {
    for (const ForeignFamily& family : metrics.families) {
      if (auto clash = owners_.Clash(family)) {
        return Error{Errc::kParse, "line " + std::to_string(family.line) + ": " + *clash};
      }
    }
    if (series_ + metrics.series > max_series_) {
      return Error{Errc::kLimit, "more than " + std::to_string(max_series_) + " series in all"};
    }
    if (output_ + metrics.output > kMaxOutput) {
      return Error{Errc::kLimit, "series of more than 32 MiB in all"};
    }
    return std::nullopt;
  }

  void AddFamily(const std::string& path, const std::shared_ptr<const ForeignMetrics>& metrics,
                 const ForeignFamily& family) {
    Help& help = helps_[std::string(family.name)];
    AddHelp(path, family, help);
    Piece piece{metrics, &family, &help, {}};
    for (std::uint32_t i = 0; i < family.rows.size(); ++i) {
      if (!seen_.insert(metrics->Identity(family, family.rows[i])).second) {
        piece.without.push_back(i);
      }
    }
    if (!piece.without.empty()) {
      const ForeignRow& first = family.rows[piece.without.front()];
      faults_.push_back(FileError(path, Errc::kParse,
                                  "line " + std::to_string(first.line) + ": a series of " +
                                      std::string(family.name) + " was there before (" +
                                      std::to_string(piece.without.size()) + " left out)"));
    }
    pieces_.push_back(std::move(piece));
  }

  // The first HELP counts, wherever it stands.
  void AddHelp(const std::string& path, const ForeignFamily& family, Help& help) {
    if (help.files.size() < kMaxHelp) help.files += (help.files.empty() ? "" : ", ") + path;
    if (!family.help) return;
    if (!help.given) {
      help.given = true;
      help.text = *family.help;
      help.from = path;
    } else if (help.text != *family.help) {
      faults_.push_back(FileError(path, Errc::kParse,
                                  "line " + std::to_string(family.line) + ": HELP of " +
                                      std::string(family.name) + " differs from that of " +
                                      Quoted(help.from)));
    }
  }

  std::size_t max_series_, series_ = 0, output_ = 0;
  NameOwners owners_;
  std::map<std::string, Help> helps_;
  std::unordered_set<std::string> seen_;
  std::vector<Piece> pieces_;
  std::vector<std::pair<std::string, std::int64_t>> times_;
  std::vector<Error> faults_;
};

class Textfile final : public Collector {
 public:
  Textfile(std::vector<std::string> directories, std::size_t series_limit)
      : directories_(std::move(directories)),
        // Room for our own, so that many foreign series cost a file and not the run.
        max_series_(series_limit - std::min(series_limit / 2, kMaxFiles + 1)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    Listing listing(directories_);
    if (auto refreshed = Refresh(scrape, listing.paths()); !refreshed) return refreshed;
    const std::vector<Error> faults = listing.TakeFaults();
    bool faulty = !faults.empty();
    for (const Error& fault : faults) sink.Warn(fault);
    for (const auto& [path, file] : files_) {
      if (file.fault) sink.Warn(*file.fault);
      faulty = faulty || file.fault;
    }
    merged_.Put(sink);
    sink.Add(kScrapeError, faulty || merged_.faulty() ? 1 : 0);
    return {};
  }

 private:
  Result<> Refresh(const Scrape& scrape, const std::vector<std::string>& paths) {
    std::map<std::string, TextFile> files;
    bool changed = paths != paths_;
    std::size_t left = kMaxBytes;
    for (const std::string& path : paths) {
      if (scrape.stop().stop_requested()) {
        return Fail(Errc::kTimeout, "reading files: " + std::to_string(files.size()) + " of " +
                                        std::to_string(paths.size()) + " in time");
      }
      const auto known = files_.find(path);
      const bool keep = known != files_.end() && Unchanged(path, known->second);
      TextFile file = keep ? known->second : Load(scrape, path, left);
      changed = changed || known == files_.end() || known->second.metrics != file.metrics;
      left -= std::min(left, file.metrics ? file.metrics->text.size() : 0);
      files.emplace(path, std::move(file));
    }
    files_ = std::move(files);
    paths_ = paths;
    if (changed) Merge();
    return {};
  }

  static bool Unchanged(const std::string& path, const TextFile& file) {
    struct stat now {};
    return file.settled && ::stat(path.c_str(), &now) == 0 && file.identity == Identity::Of(now);
  }

  TextFile Load(const Scrape& scrape, const std::string& path, std::size_t left) const {
    TextFile file;
    struct stat now {};
    // A device or FIFO is not even opened.
    if (::stat(path.c_str(), &now) == 0 && !S_ISREG(now.st_mode)) {
      file.fault = FileError(path, Errc::kUnsupported, "not a regular file");
      return file;
    }
    auto text = ReadWhole(path, left, file.identity);
    if (!text) {
      file.fault = std::move(text.error());
      return file;
    }
    auto metrics = ReadExposition(std::move(*text), {.series = max_series_});
    if (metrics) {
      file.metrics = std::move(*metrics);
    } else {
      file.fault = std::move(metrics.error()).Wrap(Quoted(path));
    }
    const auto time = scrape.clock().wall().time_since_epoch();
    const std::int64_t wall = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
    file.settled = wall - std::max(file.identity.modified, file.identity.changed) > kTickNs;
    return file;
  }

  void Merge() {
    merged_ = Merged(max_series_);
    for (const std::string& path : paths_) {
      const TextFile& file = files_.at(path);
      if (file.metrics) merged_.Add(path, file);
    }
    merged_.Finish();
  }

  std::vector<std::string> directories_;
  std::size_t max_series_;
  std::vector<std::string> paths_;         // of the last run, in the order of the listing
  std::map<std::string, TextFile> files_;  // of the last run
  Merged merged_{max_series_};
};

std::vector<std::string> ReadDirectories(TableReader& table) {
  std::vector<std::string> directories;
  table.Field("directory", directories, "Folders whose *.prom files are served; globs. None: none.")
      .Flag("collector.textfile.directory");
  return directories;
}

}  // namespace

extern constinit const CollectorSpec<HostEnv> textfile_collector{
    .name = "textfile",
    .summary = "Metrics that scripts leave in files.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { ReadDirectories(table); },
    .make = [](const std::shared_ptr<HostEnv>&,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Schedule schedule;
      schedule.Read(table);
      return std::make_unique<Textfile>(ReadDirectories(table), schedule.limits.series);
    }};

}  // namespace sidecar::host
