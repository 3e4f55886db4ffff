#pragma once
// SIGTERM, SIGINT and SIGHUP as values instead of handlers. Blocks them in the thread that makes it
// and in those it starts later, so make it first. SIGPIPE is ignored: a peer that leaves is an
// error of write(2). One thread.
//
//   Signals signals;
//   while (signals.Wait(stop) == Signal::kReload) Reload();

#include <cstdint>
#include <stop_token>

#include "common/base/unique_fd.h"

namespace sidecar {

enum class Signal : std::uint8_t { kReload, kStop, kReadable, kTimeout };

class Signals {
 public:
  Signals();
  // The next signal; kStop as soon as `stop` is requested, kReadable when `fd` (-1: none) is,
  // kTimeout after `timeout_ms` (-1: never).
  Signal Wait(const std::stop_token& stop, int fd = -1, int timeout_ms = -1);

 private:
  UniqueFd signals_, stopped_;
};

}  // namespace sidecar
