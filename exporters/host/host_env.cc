#include "exporters/host/host_env.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace sidecar::host {
namespace {

std::string Join(const std::string& root, std::string_view path) {
  std::string joined = root;
  if (!joined.ends_with('/')) joined += '/';
  return joined.append(path);
}

}  // namespace

void Roots::Read(TableReader& host) {
  TableReader paths = host.Table("path");
  const auto field = [&](std::string_view key, std::string& root, std::string_view help,
                         std::string_view flag) {
    paths.Field(key, root, help).Flag(flag);
    if (root.empty()) paths.Reject(key, "an empty path");
  };
  field("procfs", procfs, "Where proc is mounted.", "path.procfs");
  field("sysfs", sysfs, "Where sysfs is mounted.", "path.sysfs");
  field("rootfs", rootfs, "Where the host's root file system is mounted.", "path.rootfs");
  field("udev_data", udev_data, "Where udev keeps its database.", "path.udev.data");
}

HostEnv::HostEnv(Roots roots, Runtime runtime, Keep* keep)
    : roots_(std::move(roots)), runtime_(runtime), keep_(keep), stat_file_(Proc("stat")) {}

std::string HostEnv::Proc(std::string_view path) const { return Join(roots_.procfs, path); }

std::string HostEnv::Sys(std::string_view path) const { return Join(roots_.sysfs, path); }

Result<std::shared_ptr<const std::string>> HostEnv::Stat(const Scrape& scrape) {
  const std::scoped_lock lock(mutex_);
  if (stat_ && stat_scrape_ == scrape.id()) return stat_;
  stat_.reset();
  const auto text = stat_file_.Read();
  if (!text) return Fail(text.error());
  stat_ = std::make_shared<const std::string>(*text);
  stat_scrape_ = scrape.id();
  return stat_;
}

std::vector<std::uint32_t> NumberedEntries(const std::string& folder, std::string_view prefix) {
  namespace fs = std::filesystem;
  std::vector<std::uint32_t> numbers;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with(prefix)) continue;
    const auto number = ParseNumber<std::uint32_t>(std::string_view(name).substr(prefix.size()));
    if (number) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace sidecar::host
