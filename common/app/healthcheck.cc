#include "common/app/healthcheck.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "common/base/unique_fd.h"
#include "common/http/listener.h"

namespace sidecar {
namespace {

constexpr std::string_view kRequest =
    "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
constexpr std::string_view kHealthy = "HTTP/1.1 200 ";

using SteadyClock = std::chrono::steady_clock;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<> Failed(int error) {
  return Fail(error == ETIMEDOUT ? Errc::kTimeout : Errc::kUnavailable,
              std::generic_category().message(error));
}

// 0 once the socket is ready for `events`, else an errno.
int Await(int fd, short events, Mono until) {
  for (;;) {
    const auto left = std::chrono::ceil<Millis>(until - SteadyClock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd ready{fd, events, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (count > 0) return 0;
    if (count < 0 && errno != EINTR) return errno;
  }
}

int Connect(const addrinfo& to, UniqueFd& socket, Mono until) {
  socket.Reset(::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  if (::connect(socket.get(), to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (const int error = Await(socket.get(), POLLOUT, until); error != 0) return error;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

int SendRequest(int fd, Mono until) {
  std::string_view left = kRequest;
  while (!left.empty()) {
    if (const int error = Await(fd, POLLOUT, until); error != 0) return error;
    const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return errno;
    if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
  }
  return 0;
}

// As much of the answer as the verdict needs.
Result<> ReadVerdict(int fd, Mono until) {
  std::string answer;
  while (answer.size() < kHealthy.size()) {
    if (const int error = Await(fd, POLLIN, until); error != 0) return Failed(error);
    char piece[256];
    const ssize_t size = ::recv(fd, piece, sizeof piece, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) return Failed(errno);
    if (size == 0) break;
    answer.append(piece, static_cast<std::size_t>(size));
  }
  if (answer.starts_with(kHealthy)) return {};
  return Fail(Errc::kUnavailable, "the answer is not 200");
}

Result<> Ask(const std::string& host, std::uint16_t port, Mono until) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(list);
  if (status != 0) return Fail(Errc::kUnavailable, ::gai_strerror(status));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* to = list; to != nullptr; to = to->ai_next) {
    UniqueFd socket;
    error = Connect(*to, socket, until);
    if (error == 0) error = SendRequest(socket.get(), until);
    if (error == 0) return ReadVerdict(socket.get(), until);
  }
  return Failed(error);
}

}  // namespace

Result<> CheckHealth(const std::string& listen, Millis timeout) {
  const Mono until = SteadyClock::now() + timeout;
  auto address = http::ParseListenAddress(listen);
  if (!address) return Fail(std::move(address.error()));
  const std::string& host = address->host;
  const bool every = host.empty() || host == "0.0.0.0" || host == "::";
  auto asked = Ask(every ? "127.0.0.1" : host, address->port, until);
  // An exporter on [::] of a machine without IPv4.
  if (!asked && every && host != "0.0.0.0") {
    if (auto other = Ask("::1", address->port, until)) return {};
  }
  if (!asked) return Fail(std::move(asked.error()).Wrap(listen));
  return {};
}

}  // namespace sidecar
