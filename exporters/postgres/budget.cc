#include "exporters/postgres/budget.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>

namespace sidecar::postgres {
namespace {

// A backend has its place until its socket ends or the server says that it is gone. Where the host
// has vanished, so that the kernel has given up on the socket, and no session is left to ask by nor
// a place for one, a place is given up after this long: whoever gets in ends the backend first of
// all.
constexpr Millis kWaived{600'000};
constexpr std::chrono::hours kForgotten{24};  // what was given up: nobody is left to ask
// A host that has vanished: then the kernel gives up on its socket, which else stays until the
// backend has gone.
constexpr std::chrono::seconds kKeepAliveIdle{30}, kKeepAlivePause{10};
constexpr Millis kVanished{120'000};
// What a dropped statement may still send before its socket is closed for good.
constexpr std::size_t kMostDrained = 1U << 20U;
constexpr int kPollMs = 20;

enum class End : std::uint8_t { kOpen, kFlooding, kLost, kClosed };

// Reads what came until the other end has closed.
End Drain(int fd, std::size_t& drained) {
  std::array<char, 16'384> bytes;
  for (;;) {
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0) return End::kClosed;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return End::kOpen;
    if (got < 0) return errno == ECONNRESET || errno == EPIPE ? End::kClosed : End::kLost;
    drained += static_cast<std::size_t>(got);
    if (drained > kMostDrained) return End::kFlooding;
  }
}

// For a Unix socket there is nothing to ask, and the kernel refuses.
void LetTheKernelAsk(int fd) {
  const auto set = [fd](int level, int option, auto value) {
    const auto number = static_cast<int>(value);
    static_cast<void>(::setsockopt(fd, level, option, &number, sizeof number));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle.count());
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAlivePause.count());
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kVanished.count());
}

}  // namespace

Budget::Permit& Budget::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    Free();
    budget_ = std::move(other.budget_);
    part_ = other.part_;
  }
  return *this;
}

void Budget::Permit::Free() {
  const auto budget = std::move(budget_);
  budget_ = nullptr;
  if (!budget) return;
  const std::scoped_lock lock(budget->mutex_);
  --budget->Held(part_);
}

std::shared_ptr<Budget> Budget::Make(const Clock& clock) {
  std::shared_ptr<Budget> budget(new Budget(clock));
  budget->self_ = budget;
  return budget;
}

int Budget::CountOf(Part part) const {
  const auto ghosts = std::ranges::count_if(
      ghosts_, [part](const Ghost& g) { return g.part == part && !g.waived; });
  return held_[static_cast<std::size_t>(part)] + static_cast<int>(ghosts);
}

bool Budget::Has(const Claim& claim) const {
  constexpr int kSlowMost = 2;
  const int main = CountOf(Part::kMain), slow = CountOf(Part::kSlow), other = CountOf(Part::kOther);
  if (main + slow + other >= claim.most) return false;
  if (claim.part == Part::kMain) return true;
  if (slow + other >= claim.most - 1) return false;
  if (claim.part == Part::kSlow) return slow < kSlowMost;
  // A lane whose session is not there yet will come.
  const int lanes = std::max(main, 1) + std::max(slow, 1);
  const int held = held_[static_cast<std::size_t>(Part::kOther)];
  return other == 0 || (other < claim.most - 2 && lanes + held < claim.most - 1);
}

int Budget::Counted() const {
  return static_cast<int>(std::ranges::count(ghosts_, false, &Ghost::waived));
}

// As few as it takes, those that are gone for longest first; none where that does not help.
bool Budget::Waive(const Claim& claim, Mono now) {
  std::vector<Ghost*> waived;
  for (Ghost& ghost : ghosts_) {
    if (ghost.waived || ghost.rest.last || now - ghost.since <= kWaived) continue;
    ghost.waived = true;
    waived.push_back(&ghost);
    if (Has(claim)) break;
  }
  const bool has = Has(claim);
  for (Ghost* const ghost : waived) {  // back to those that do not matter
    ghost->waived = false;
    if (has && !Has(claim)) ghost->waived = true;
  }
  return has;
}

Result<Budget::Permit> Budget::Take(const Claim& claim, Millis patience) {
  const Mono until = clock_.mono() + patience;
  std::unique_lock lock(mutex_);
  for (;;) {
    const Mono now = clock_.mono();
    Sweep(now);
    if (Has(claim) || Waive(claim, now)) {
      ++Held(claim.part);
      return Permit(self_.lock(), claim.part);
    }
    if (now >= until) {
      const std::string most = std::to_string(claim.most);
      return Fail(Errc::kLimit,
                  (claim.part == Part::kMain ? "all " + most + " connections are in use"
                                             : "of " + most + " connections none can be spared") +
                      (Counted() == 0 ? "" : ", some by backends that run on"));
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

std::uint64_t Budget::Leave(Permit permit, Rest rest) {
  const auto budget = std::move(permit.budget_);  // held becomes half open in one step
  permit.budget_ = nullptr;
  if (!budget) return 0;
  const Mono now = clock_.mono();
  if (rest.last) LetTheKernelAsk(rest.last.get());
  const std::scoped_lock lock(mutex_);
  --Held(permit.part_);
  const std::uint64_t number = ++left_;
  ghosts_.push_back(
      {.number = number, .rest = std::move(rest), .part = permit.part_, .since = now});
  Sweep(now);
  return number;
}

bool Budget::There(std::uint64_t left) {
  const std::scoped_lock lock(mutex_);
  Sweep(clock_.mono());
  return std::ranges::find(ghosts_, left, &Ghost::number) != ghosts_.end();
}

bool Budget::Unanswered(std::string_view server) {
  const std::scoped_lock lock(mutex_);
  Sweep(clock_.mono());
  return std::ranges::any_of(ghosts_, [&](const Ghost& ghost) {
    const Rest& rest = ghost.rest;
    return rest.server == server && (rest.unanswered.has_value() || rest.dropped);
  });
}

bool Budget::Unanswered(std::string_view server, std::string_view database) {
  const std::scoped_lock lock(mutex_);
  Sweep(clock_.mono());
  return std::ranges::any_of(ghosts_, [&](const Ghost& ghost) {
    return ghost.part == Part::kOther && ghost.rest.server == server &&
           ghost.rest.unanswered == database;
  });
}

void Budget::Sweep(Mono now) {
  std::erase_if(ghosts_, [now](Ghost& ghost) {
    Rest& rest = ghost.rest;
    if (rest.last) {
      const End end = Drain(rest.last.get(), ghost.drained);
      if (end == End::kClosed || (end == End::kLost && rest.pid == 0)) return true;
      if (end != End::kOpen) rest.last.Reset();  // the backend's next write fails
    }
    if (rest.pid == 0 && !rest.last) return true;  // a flood, and nobody to ask about
    return ghost.waived && now - ghost.since > kForgotten;
  });
}

// Of one that was left before it said when it began only the socket says that it has ended.
void Budget::GotIn(std::string_view server) {
  const std::scoped_lock lock(mutex_);
  const Mono now = clock_.mono();
  for (Ghost& ghost : ghosts_) {
    if (ghost.rest.server == server && !ghost.rest.started.empty()) ghost.since = now;
  }
}

std::vector<std::pair<int, std::string>> Budget::HalfOpen(std::string_view server) {
  const std::scoped_lock lock(mutex_);
  if (ghosts_.empty()) return {};
  const Mono now = clock_.mono();
  Sweep(now);
  std::vector<std::pair<int, std::string>> backends;
  for (Ghost& ghost : ghosts_) {
    const bool known = !ghost.rest.started.empty(), here = ghost.rest.server == server;
    if (!here && !known) continue;
    if (here && known) ghost.since = now;
    if (ghost.rest.pid != 0) backends.emplace_back(ghost.rest.pid, ghost.rest.started);
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
  return {std::accumulate(held_.begin(), held_.end(), 0), Counted()};
}

}  // namespace sidecar::postgres
