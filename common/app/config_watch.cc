#include "common/app/config_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <vector>

#include "common/base/file.h"

namespace sidecar {
namespace {

constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB;

std::vector<std::string> FilesOf(const std::string& file, const std::string& dir) {
  std::vector<std::string> files;
  if (!file.empty()) files.push_back(file);
  if (dir.empty()) return files;
  std::error_code error;  // a directory that cannot be read has no files: the loader says why
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

ConfigWatch::ConfigWatch(std::string file, std::string dir)
    : file_(std::move(file)), dir_(std::move(dir)), seen_(Fingerprint()) {
  if (file_.empty() && dir_.empty()) return;
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return;
  const std::string parent = std::filesystem::path(file_).parent_path().string();
  for (const std::string& path : {file_.empty() ? "" : parent.empty() ? "." : parent, dir_}) {
    if (!path.empty() && ::inotify_add_watch(fd.get(), path.c_str(), kEvents) < 0) return;
  }
  fd_ = std::move(fd);
  WatchTargets();
}

// A folder that is watched already stays one watch; that of a target which is gone goes with it.
void ConfigWatch::WatchTargets() const {
  for (const std::string& file : FilesOf(file_, dir_)) {
    std::error_code error;
    const auto target = std::filesystem::canonical(file, error);
    if (!error) ::inotify_add_watch(fd_.get(), target.parent_path().c_str(), kEvents);
  }
}

void ConfigWatch::Drain() {
  alignas(inotify_event) std::array<char, 4'096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

bool ConfigWatch::Changed() {
  const std::uint64_t now = Fingerprint();
  const bool changed = now != seen_;
  seen_ = now;
  if (changed && fd_) WatchTargets();
  return changed;
}

std::uint64_t ConfigWatch::Fingerprint() const {
  std::string all;
  for (const std::string& file : FilesOf(file_, dir_)) {
    all.append(file).push_back('\0');
    const auto text = ReadFile(file, {.max_bytes = 2U << 20U});
    all.append(text ? *text : text.error().message).push_back('\0');
  }
  return std::hash<std::string>{}(all);
}

}  // namespace sidecar
