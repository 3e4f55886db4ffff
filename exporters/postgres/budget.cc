#include "exporters/postgres/budget.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sidecar::postgres {
namespace {

// A login that had no answer: a peer that accepts and never speaks would hold its place for ever.
constexpr Millis kSilent{120'000};
// A known backend: only when no session is left that could ask the server about it.
constexpr Millis kForgotten{600'000};
// What a dropped statement may still send before its socket is closed for good.
constexpr std::size_t kMostDrained = 1U << 20U;
constexpr int kPollMs = 20;

enum class End : std::uint8_t { kOpen, kFlooding, kClosed };

// Reads what came until the other end has closed.
End Drain(int fd, std::size_t& drained) {
  std::array<char, 16'384> bytes;
  for (;;) {
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0) return End::kClosed;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? End::kOpen : End::kClosed;
    drained += static_cast<std::size_t>(got);
    if (drained > kMostDrained) return End::kFlooding;
  }
}

}  // namespace

Budget::Permit& Budget::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    Free();
    budget_ = std::move(other.budget_);
  }
  return *this;
}

void Budget::Permit::Free() {
  const auto budget = std::move(budget_);
  budget_ = nullptr;
  if (!budget) return;
  const std::scoped_lock lock(budget->mutex_);
  --budget->held_;
}

std::shared_ptr<Budget> Budget::Make(const Clock& clock) {
  std::shared_ptr<Budget> budget(new Budget(clock));
  budget->self_ = budget;
  return budget;
}

Result<Budget::Permit> Budget::Take(int most, Millis patience) {
  const Mono until = clock_.mono() + patience;
  std::unique_lock lock(mutex_);
  for (;;) {
    const Mono now = clock_.mono();
    Sweep(now);
    if (held_ + static_cast<int>(ghosts_.size()) < most) {
      ++held_;
      return Permit(self_.lock());
    }
    if (now >= until) {
      return Fail(Errc::kLimit, "all " + std::to_string(most) + " connections are in use" +
                                    (ghosts_.empty() ? "" : ", some by backends that run on"));
    }
    Await(lock, std::chrono::duration_cast<Millis>(until - now));
  }
}

// Without the mutex: whoever polls must not hold up the others. Not only ghosts end: a login probe
// holds its place for some milliseconds, and whoever asks just then must not be refused.
void Budget::Await(std::unique_lock<std::mutex>& lock, Millis longest) {
  std::vector<UniqueFd> own;
  std::vector<pollfd> polled;
  for (const Ghost& ghost : ghosts_) {
    if (!ghost.rest.last) continue;
    own.emplace_back(::dup(ghost.rest.last.get()));
    polled.push_back({.fd = own.back().get(), .events = POLLIN, .revents = 0});
  }
  lock.unlock();
  ::poll(polled.data(), polled.size(),
         static_cast<int>(std::min<Millis::rep>(longest.count() + 1, kPollMs)));
  own.clear();
  lock.lock();
}

void Budget::Leave(Permit permit, Rest rest) {
  const auto budget = std::move(permit.budget_);  // held becomes half open in one step
  permit.budget_ = nullptr;
  if (!budget) return;
  const Mono now = clock_.mono();
  const std::scoped_lock lock(mutex_);
  --held_;
  ghosts_.push_back({std::move(rest), now, 0});
  Sweep(now);
}

void Budget::Sweep(Mono now) {
  std::erase_if(ghosts_, [now](Ghost& ghost) {
    if (ghost.rest.last) {
      const End end = Drain(ghost.rest.last.get(), ghost.drained);
      if (end == End::kClosed) return true;
      if (end == End::kFlooding) ghost.rest.last.Reset();  // the backend's next write fails
    }
    return now - ghost.since > (ghost.rest.pid == 0 ? kSilent : kForgotten);
  });
}

std::vector<std::pair<int, std::string>> Budget::HalfOpen(std::string_view server) {
  const std::scoped_lock lock(mutex_);
  if (ghosts_.empty()) return {};
  Sweep(clock_.mono());
  std::vector<std::pair<int, std::string>> backends;
  for (const Ghost& ghost : ghosts_) {
    if (ghost.rest.pid != 0 && ghost.rest.server == server) {
      backends.emplace_back(ghost.rest.pid, ghost.rest.started);
    }
  }
  return backends;
}

void Budget::Gone(std::string_view server, int pid) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(ghosts_, [&](const Ghost& ghost) {
    return ghost.rest.pid == pid && ghost.rest.server == server;
  });
}

Budget::Use Budget::use() {
  const std::scoped_lock lock(mutex_);
  Sweep(clock_.mono());
  return {held_, static_cast<int>(ghosts_.size())};
}

}  // namespace sidecar::postgres
