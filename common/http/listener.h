#pragma once
// Sockets that listen, from addresses as an operator writes them.
//
//   Result<UniqueFd> socket = http::Listen(":9100");
//   const int port = http::BoundPort(*socket);

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar::http {

struct ListenAddress {
  std::string host;  // without brackets; empty: every address of this machine
  std::uint16_t port;
};

// "HOST:PORT" where HOST is a name, an IPv4 address, an IPv6 address in brackets, or nothing.
Result<ListenAddress> ParseListenAddress(std::string_view text);

// Non-blocking, close-on-exec. kConfig for an address that is none, else kUnavailable; one line.
Result<UniqueFd> Listen(const std::string& address);

int BoundPort(const UniqueFd& socket);

}  // namespace sidecar::http
