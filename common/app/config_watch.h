#pragma once
// Tells when the configuration's files have changed. Watches directories, not files: a ConfigMap
// swaps the symlink ..data, and editors replace files; those that symlinks lead to as well. Where
// inotify cannot be had, fd() is -1 and the caller polls Changed(). One thread.
//
//   ConfigWatch watch("/etc/sidecar/sidecar.toml", "/etc/sidecar/conf.d");
//   poll watch.fd(); watch.Drain(); once it is quiet: if (watch.Changed()) Reload();

#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"

namespace sidecar {

class ConfigWatch {
 public:
  // Either may be empty.
  ConfigWatch(std::string file, std::string dir);

  int fd() const { return fd_.get(); }
  void Drain();    // takes the events that made fd() readable
  bool Changed();  // names or contents differ from what the last call (or the constructor) saw

 private:
  std::uint64_t Fingerprint() const;
  void WatchTargets() const;

  std::string file_, dir_;
  UniqueFd fd_;
  std::uint64_t seen_;
};

}  // namespace sidecar
