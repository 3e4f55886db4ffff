#pragma once
// The filesystem collector with statfs injected. The spec in filesystem.cc is what the exporter
// uses; tests give a call that hangs, fails or counts.
//
//   auto collector = MakeFilesystem(env, options, {}, {}, [](const std::string&) { ... });

#include <cstdint>
#include <memory>

#include "exporters/host/host_env.h"
#include "exporters/host/name_filter.h"
#include "exporters/host/statfs_workers.h"

namespace sidecar::host {

struct FilesystemOptions {
  FilterOptions mount_points{
      .exclude =
          "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/"
          ".+)($|/)"};
  FilterOptions fs_types{
      .exclude =
          "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|"
          "hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|"
          "selinuxfs|squashfs|erofs|sysfs|tracefs)$"};
  // The peer waits 5 s. Here nobody waits twice for the same mount, and a scrape has better to do.
  Millis mount_timeout{500};
  std::int64_t stat_workers = 4;

  void Read(TableReader& table);
};

std::unique_ptr<Collector> MakeFilesystem(std::shared_ptr<HostEnv> env,
                                          const FilesystemOptions& options, NameFilter mount_points,
                                          NameFilter fs_types, StatfsCall call);

}  // namespace sidecar::host
