#pragma once
// Wakes a poll(2) from a stop_callback, on whatever thread that runs. A stop that came when nothing
// waited any more is not the next statement's: Forget it before each. Write is thread-safe.
//
//   stop.Forget();
//   const std::stop_callback wake(scrape.stop(), [&] { stop.Write(); });
//   poll({socket, stop.fd()}, ...);

#include <sys/eventfd.h>

#include <atomic>

#include "common/base/unique_fd.h"

namespace sidecar::postgres {

class StopEvent {
 public:
  int fd() const { return fd_.get(); }
  void Write() {
    written_ = true;
    ::eventfd_write(fd_.get(), 1);
  }
  void Forget() {
    eventfd_t ignored = 0;
    if (written_.exchange(false)) ::eventfd_read(fd_.get(), &ignored);  // spares a system call
  }

 private:
  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> written_ = false;
};

}  // namespace sidecar::postgres
