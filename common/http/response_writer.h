#pragma once
// A response as bytes: one piece with Content-Length when the body ends within 64 KiB (headers and
// body leave in one gathered write), else chunked, or for HTTP/1.0 up to the close. gzip on the
// way. Knows no sockets. One thread at a time.
//
//   const Outcome outcome = http::Respond(response, exchange, clock.wall(), outlet, scratch);
//   if (!outcome.keep_alive) ...

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/http/gzip.h"
#include "common/http/server.h"

namespace sidecar::http {

// Where the bytes go.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // Sends the parts in order; blocks until they are on their way. With `last`, what does not go at
  // once may be kept and sent later instead. kTimeout, kUnavailable: the peer is too slow or gone.
  virtual Result<> Send(std::span<const std::string_view> parts, bool last) = 0;
};

// What of the request matters for the response.
struct Exchange {
  bool http11 = true;
  bool keep_alive = true;
  bool head = false;
  bool gzip = false;
};

struct Outcome {
  int status = 0;  // as it was sent; 500 for a body that failed midway
  bool keep_alive = false;
  bool cut = false;  // to be closed with a reset: what the peer has must not pass for the whole
  std::optional<Error> peer, body;  // who failed
};

// Buffers that responses reuse.
struct Scratch {
  std::string head, out;
  Gzip gzip;
};

// The wall for exceptions of handlers and bodies. kInternal.
Result<Response> Call(const Router::Handler& handler, const Request& request);

Outcome Respond(const Response& response, const Exchange& exchange, Wall now, Outlet& outlet,
                Scratch& scratch);

}  // namespace sidecar::http
