#include "common/http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "common/base/parse.h"

namespace sidecar::http {
namespace {

// Kernel memory counts against a container's limit too: bounds what a flood and slow readers hold.
constexpr int kReceiveBuffer = 32 << 10;
constexpr int kSendBuffer = 256 << 10;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::string Reason(int error) { return std::generic_category().message(error); }

void Set(int fd, int level, int option, int value) {
  // What accept gives inherits these. None is worth refusing to start for.
  static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
}

// The errno of what failed, or 0 and the socket.
int Open(const sockaddr* address, socklen_t length, UniqueFd& socket) {
  socket.Reset(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  Set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  Set(socket.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  Set(socket.get(), SOL_SOCKET, SO_SNDBUF, kSendBuffer);
  Set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (address->sa_family == AF_INET6) Set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(socket.get(), address, length) != 0) return errno;
  return ::listen(socket.get(), SOMAXCONN) == 0 ? 0 : errno;
}

// One socket for both families; IPv4 alone where IPv6 is off (no such family, or no such address).
int OpenAny(std::uint16_t port, UniqueFd& socket) {
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(port);
  const int error = Open(reinterpret_cast<const sockaddr*>(&any6), sizeof any6, socket);
  if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) return error;
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  any4.sin_port = htons(port);
  return Open(reinterpret_cast<const sockaddr*>(&any4), sizeof any4, socket);
}

}  // namespace

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto wrong = [text] {
    return Fail(Errc::kConfig,
                "listen " + std::string(text) + ": want HOST:PORT, :PORT or [IPV6]:PORT");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  const auto port = ParseNumber<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) return wrong();
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return wrong();
  } else if (host.find_first_of("[]:") != std::string_view::npos) {
    return wrong();
  }
  for (const char c : host) {
    if (c <= ' ' || c > '~') return wrong();
  }
  return ListenAddress{std::string(host), *port};
}

Result<UniqueFd> Listen(const std::string& address) {
  auto parsed = ParseListenAddress(address);
  if (!parsed) return Fail(std::move(parsed.error()));
  UniqueFd socket;
  if (parsed->host.empty()) {
    const int error = OpenAny(parsed->port, socket);
    if (error != 0) return Fail(Errc::kUnavailable, "listen " + address + ": " + Reason(error));
    return socket;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(parsed->port);
  const int failure = ::getaddrinfo(parsed->host.c_str(), port.c_str(), &hints, &found);
  const Addresses list(found);
  if (failure != 0) {
    return Fail(Errc::kUnavailable, "listen " + address + ": " + ::gai_strerror(failure));
  }
  const addrinfo* chosen = found;  // a name of both families: IPv4, as the peers have it
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  const int error = Open(chosen->ai_addr, chosen->ai_addrlen, socket);
  if (error != 0) return Fail(Errc::kUnavailable, "listen " + address + ": " + Reason(error));
  return socket;
}

int BoundPort(const UniqueFd& socket) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  // The port has the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

}  // namespace sidecar::http
