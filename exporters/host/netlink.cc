#include "exporters/host/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/base/file.h"

namespace sidecar::host {
namespace {

// The kernel makes datagrams of 32 KiB at most, unless one entry needs more.
constexpr std::size_t kFirstBuffer = 32U << 10U, kMaxBuffer = 1U << 20U;
constexpr int kTries = 3;

Error SocketError(std::string_view call, int error) { return ErrnoError(call, "rtnetlink", error); }

}  // namespace

Result<> RouteSocket::Ask(std::uint16_t type) {
  if (!fd_) {
    fd_.Reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd_) return Fail(Errc::kUnsupported, SocketError("socket", errno).message);
  }
  struct {
    nlmsghdr header;
    ifinfomsg body;  // begins with the family as ifaddrmsg does; zero is all of them
  } request{};
  request.header = {.nlmsg_len = sizeof(request),
                    .nlmsg_type = type,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                    .nlmsg_seq = ++sequence_,
                    .nlmsg_pid = 0};
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = ::sendto(fd_.get(), &request, sizeof(request), MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  if (sent < 0) return Fail(SocketError("send", errno));
  return {};
}

Result<std::string_view> RouteSocket::Receive(const Scrape& scrape) {
  if (buffer_.empty()) buffer_.resize(kFirstBuffer);
  while (true) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof(from);
    const ssize_t got =
        ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC,
                   reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got >= 0) {
      const auto size = static_cast<std::size_t>(got);
      if (size > buffer_.size()) {  // cut; the next try has room
        buffer_.resize(std::min(size, kMaxBuffer));
        return Fail(Errc::kLimit, "rtnetlink: a datagram of " + std::to_string(size) + " bytes");
      }
      if (from.nl_pid != 0) continue;  // not the kernel's
      return std::string_view(buffer_.data(), size);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Fail(SocketError("receive", errno));
    // A dump's next part is there at once, as a rule; this is for the kernel that is busy.
    const int left = scrape.LeftMs();
    pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (left == 0 || ::poll(&readable, 1, left) == 0) {
      return Fail(Errc::kTimeout, "rtnetlink: no answer in time");
    }
  }
}

template <class Entry>
Result<DumpState> RouteSocket::Once(const Scrape& scrape, std::uint16_t type, Parse<Entry> parse,
                                    std::vector<Entry>& entries) {
  if (auto asked = Ask(type); !asked) return Fail(std::move(asked.error()));
  DumpState state;
  while (!state.done) {
    const auto datagram = Receive(scrape);
    if (!datagram) return Fail(datagram.error());
    const auto part = parse(*datagram, sequence_, entries);
    if (!part) return Fail(part.error());
    state.done = part->done;
    state.interrupted = state.interrupted || part->interrupted;
  }
  return state;
}

template <class Entry>
Result<bool> RouteSocket::Dump(const Scrape& scrape, std::uint16_t type, Parse<Entry> parse,
                               std::vector<Entry>& entries) {
  for (int tried = 1;; ++tried) {
    entries.clear();
    const auto state = Once(scrape, type, parse, entries);
    if (!state) {
      fd_.Reset();  // it may hold the rest of a dump, which would refuse the next one
      if (state.error().code == Errc::kLimit && tried < kTries) continue;
      return Fail(state.error());
    }
    if (!state->interrupted) return true;
    if (tried == kTries) return false;
  }
}

Result<bool> RouteSocket::DumpLinks(const Scrape& scrape, std::vector<Link>& links) {
  return Dump<Link>(scrape, RTM_GETLINK, &ParseLinks, links);
}
Result<bool> RouteSocket::DumpAddresses(const Scrape& scrape, std::vector<Address>& addresses) {
  return Dump<Address>(scrape, RTM_GETADDR, &ParseAddresses, addresses);
}

}  // namespace sidecar::host
