#include "common/http/socket_writer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sidecar::http {
namespace {

constexpr std::size_t kMaxParts = 8;
constexpr std::chrono::steady_clock::time_point kNotBegun{};

}  // namespace

void SocketWriter::Begin() { deadline_ = kNotBegun; }

Result<> SocketWriter::Send(std::span<const std::string_view> parts, bool last) {
  if (deadline_ == kNotBegun) deadline_ = std::chrono::steady_clock::now() + timeout_;
  std::array<iovec, kMaxParts> list{};
  std::size_t count = 0;
  for (const std::string_view part : parts) {
    if (part.empty() || count == kMaxParts) continue;
    list[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  std::size_t first = 0;
  while (first < count) {
    msghdr message{};
    message.msg_iov = &list[first];
    message.msg_iovlen = count - first;
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return Fail(Errc::kUnavailable, "the peer has gone");
    if (sent < 0 && last) {
      for (; first < count; ++first) {
        rest_.append(static_cast<const char*>(list[first].iov_base), list[first].iov_len);
      }
      return {};
    }
    if (sent < 0) {
      if (auto room = AwaitRoom(); !room) return room;
      continue;
    }
    auto left = static_cast<std::size_t>(sent);
    while (first < count && left >= list[first].iov_len) left -= list[first++].iov_len;
    if (first < count) {
      list[first].iov_base = static_cast<char*>(list[first].iov_base) + left;
      list[first].iov_len -= left;
    }
  }
  return {};
}

Result<> SocketWriter::AwaitRoom() const {
  const auto left = std::chrono::ceil<Millis>(deadline_ - std::chrono::steady_clock::now());
  pollfd waiting{fd_, POLLOUT, 0};
  const int ready =
      left <= Millis(0)
          ? 0
          : ::poll(&waiting, 1,
                   static_cast<int>(std::min(left.count(), Millis::rep{1'000'000'000})));
  if (ready == 0) return Fail(Errc::kTimeout, "the peer reads too slowly");
  return {};
}

}  // namespace sidecar::http
