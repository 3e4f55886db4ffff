#include "exporters/postgres/receive_limit.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sidecar::postgres {
namespace {

thread_local ReceiveLimit* current = nullptr;

}  // namespace

ReceiveLimit::ReceiveLimit(std::size_t bytes) : bytes_(bytes), outer_(current) { current = this; }
ReceiveLimit::~ReceiveLimit() { current = outer_; }

namespace {

ssize_t Receive(int socket, void* buffer, std::size_t size, int flags) {
  ReceiveLimit* const limit = current;
  if (limit == nullptr) return ::recvfrom(socket, buffer, size, flags, nullptr, nullptr);
  if (limit->left() == 0) {
    errno = EAGAIN;
    return -1;
  }
  const ssize_t count =
      ::recvfrom(socket, buffer, std::min(size, limit->left()), flags, nullptr, nullptr);
  if (count > 0) limit->Add(static_cast<std::size_t>(count));
  return count;
}

}  // namespace
}  // namespace sidecar::postgres

// The linker exports it, because libpq asks for the name.
extern "C" ssize_t recv(int socket, void* buffer, std::size_t size, int flags) {
  return sidecar::postgres::Receive(socket, buffer, size, flags);
}
