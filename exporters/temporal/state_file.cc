#include "exporters/temporal/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/log/log.h"
#include "exporters/temporal/state_codec.h"

namespace sidecar::temporal {
namespace {

constexpr std::string_view kMagic = "SXTEMPS\n";
constexpr std::uint64_t kVersion = 1;
constexpr std::int64_t kForgetS = std::int64_t{7} * 86'400;
constexpr std::size_t kMaxSections = 100'000, kMaxName = 4'096;

std::uint64_t Checksum(std::string_view bytes) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  return hash;
}

std::int64_t WallSeconds(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
}

std::string Folder(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// What was renamed or removed in it is so on disk.
Result<> SyncFolder(const std::string& path) {
  const std::string folder = Folder(path);
  const UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0 && ::fsync(directory.get()) != 0 && errno != EINVAL) {
    return Fail(ErrnoError("fsync", folder, errno));
  }
  return {};
}

Result<> WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Fail(ErrnoError("write", path, errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

std::string EncodeState(std::string_view frontend, const StateSections& sections) {
  StateWriter body;
  body.Text(frontend).Number(sections.size());
  for (const auto& [name, section] : sections) {
    body.Text(name).Signed(section->saved_s).Text(section->bytes);
  }
  StateWriter head;
  head.Fixed(kVersion).Fixed(body.bytes().size()).Fixed(Checksum(body.bytes()));
  return std::string(kMagic).append(head.bytes()).append(body.bytes());
}

Result<StateSections> DecodeState(std::string_view bytes, std::string_view frontend) {
  if (!bytes.starts_with(kMagic)) return Fail(Errc::kParse, "not a state file");
  StateReader head(bytes.substr(kMagic.size()));
  const std::uint64_t version = head.Fixed();
  if (!head.ok()) return Fail(Errc::kParse, "cut off");
  if (version != kVersion) {
    return Fail(Errc::kUnsupported, "of version " + std::to_string(version));
  }
  const std::uint64_t size = head.Fixed(), checksum = head.Fixed();
  if (!head.ok() || size != head.rest().size()) return Fail(Errc::kParse, "cut off, or too long");
  if (checksum != Checksum(head.rest())) return Fail(Errc::kParse, "checksum");
  StateReader body(head.rest());
  const std::string_view of = body.Text(kMaxName);
  if (body.ok() && of != frontend) return Fail(Errc::kConfig, "of the frontend " + Quoted(of));
  StateSections sections;
  for (std::size_t left = body.Items(kMaxSections); body.ok() && left > 0; --left) {
    const std::string name(body.Text(kMaxName));
    const std::int64_t saved = body.Signed();
    const std::string_view section = body.Text(kMaxStateBytes);
    sections[name] = std::make_shared<StateSection>(StateSection{saved, std::string(section)});
  }
  if (!body.ok() || !body.empty()) return Fail(Errc::kParse, "sections");
  return sections;
}

StateFile::StateFile(std::string path, std::string frontend, const Clock& clock, Log& log)
    : path_(std::move(path)), frontend_(std::move(frontend)), clock_(clock), log_(log) {}

Result<> StateFile::Lock() {
  const std::string path = path_ + ".lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return {};  // no folder, or not ours: the first commit says so
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Fail(Errc::kUnavailable, "another process uses the state file " + path_);
  }
  lock_ = std::move(fd);
  return {};
}

Result<> StateFile::Open() {
  const std::scoped_lock lock(mutex_);
  if (open_) return {};
  if (auto locked = Lock(); !locked) return locked;
  open_ = true;
  Read();
  return {};
}

void StateFile::Read() {
  const auto bytes = ReadFile(path_, {.max_bytes = kMaxStateBytes, .optional = true});
  if (!bytes && bytes.error().code == Errc::kNoData) {
    log_.Info("no state file yet: Temporal counters start anew", {{"path", path_}});
    return;
  }
  auto sections = bytes ? DecodeState(*bytes, frontend_) : Fail(bytes.error());
  if (sections) {
    sections_ = std::move(*sections);
    const std::int64_t now = WallSeconds(clock_);
    std::erase_if(sections_, [now](const auto& s) { return s.second->saved_s < now - kForgetS; });
    stats_.bytes = bytes->size();
    log_.Info("state file read", {{"path", path_}, {"namespaces", sections_.size()}});
    return;
  }
  log_.Warn("state file unusable: Temporal counters start anew",
            {{"path", path_}, {"err", sections.error().message}});
  const std::string aside = path_ + ".unusable";
  if (std::rename(path_.c_str(), aside.c_str()) != 0) ::unlink(path_.c_str());
}

std::string StateFile::Section(const std::string& name_space) const {
  const std::scoped_lock lock(mutex_);
  const auto found = sections_.find(name_space);
  return found == sections_.end() ? std::string() : found->second->bytes;
}

std::vector<std::string> StateFile::names() const {
  std::vector<std::string> names;
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, section] : sections_) names.push_back(name);
  return names;
}

Result<> StateFile::Commit(const std::string& name_space, std::string bytes) {
  std::unique_lock lock(mutex_);
  if (!open_) return Fail(Errc::kUnavailable, "the state file " + path_ + " is not open");
  sections_[name_space] =
      std::make_shared<StateSection>(StateSection{WallSeconds(clock_), std::move(bytes)});
  const std::uint64_t mine = ++wanted_;
  while (done_ < mine) {
    if (writing_) {
      clock_.WaitUntil(lock, written_, Mono::max());
      continue;
    }
    writing_ = true;
    const std::uint64_t covered = wanted_;
    const std::int64_t now = WallSeconds(clock_);
    std::erase_if(sections_, [now](const auto& s) { return s.second->saved_s < now - kForgetS; });
    const StateSections sections = sections_;
    lock.unlock();
    Result<> result = Write(sections);
    lock.lock();
    last_ = std::move(result);
    done_ = covered;
    writing_ = false;
    written_.notify_all();
  }
  return last_;
}

// Namespaces that are watched no more have no room where those that are need it.
std::string StateFile::Encode(StateSections sections) const {
  constexpr std::int64_t kGoneS = 3'600;
  std::string bytes = EncodeState(frontend_, sections);
  if (bytes.size() <= kMaxStateBytes) return bytes;
  const std::int64_t now = WallSeconds(clock_);
  std::erase_if(sections, [now](const auto& s) { return s.second->saved_s < now - kGoneS; });
  return EncodeState(frontend_, sections);
}

// One thread at a time.
Result<> StateFile::Write(const StateSections& sections) {
  const std::string bytes = Encode(sections);
  Result<> result =
      bytes.size() > kMaxStateBytes ? Fail(Errc::kLimit, "more than 256 MiB") : Replace(bytes);
  const bool removed = result || Remove();
  const std::scoped_lock lock(mutex_);
  const bool failed_before = !last_.has_value();
  ++(result ? stats_.writes : stats_.failures);
  stats_.bytes = result ? bytes.size() : 0;
  if (!result && !failed_before) {
    log_.Error(removed ? "state file cannot be written and was removed: after a restart Temporal "
                         "counters start anew"
                       : "state file can neither be written nor removed: remove it before a "
                         "restart, or Temporal counters go back to what it says",
               {{"path", path_}, {"err", result.error().message}});
  } else if (result && failed_before) {
    log_.Info("state file is written again", {{"path", path_}});
  }
  return result;
}

// Whether there is none left, also after a crash of the machine.
bool StateFile::Remove() {
  ::unlink((path_ + ".tmp").c_str());
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return ::access(path_.c_str(), F_OK) != 0;
  return SyncFolder(path_).has_value();
}

Result<> StateFile::Replace(std::string_view bytes) {
  const std::string temporary = path_ + ".tmp";
  const UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return Fail(ErrnoError("open", temporary, errno));
  if (auto written = WriteAll(fd.get(), bytes, temporary); !written) return written;
  if (::fsync(fd.get()) != 0) return Fail(ErrnoError("fsync", temporary, errno));
  if (std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return Fail(ErrnoError("rename", path_, errno));
  }
  return SyncFolder(path_);
}

StateFile::Stats StateFile::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

}  // namespace sidecar::temporal
