#include "common/app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <iterator>

namespace sidecar {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  stopped_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

Signal Signals::Wait(const std::stop_token& stop, int fd, int timeout_ms) {
  const std::stop_callback wake(stop, [this] { ::eventfd_write(stopped_.get(), 1); });
  while (!stop.stop_requested()) {
    pollfd ready[] = {{signals_.get(), POLLIN, 0}, {stopped_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
    const int count = ::poll(ready, std::size(ready), timeout_ms);
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      return info.ssi_signo == SIGHUP ? Signal::kReload : Signal::kStop;
    }
    if (count == 0) return Signal::kTimeout;
    if (ready[2].revents != 0) return Signal::kReadable;
  }
  return Signal::kStop;
}

}  // namespace sidecar
