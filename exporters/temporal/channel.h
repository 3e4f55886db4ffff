#pragma once
// The connection, by gRPC: one channel that reconnects by itself, within 5 s of the server's
// return. TLS files are looked at before a call, at most every 10 s: changed ones make a new
// channel, running calls end on the old. API key and secret headers are read for each call.
// Thread-safe; kept over a reload.
//
//   auto channel = MakeChannel(options, clock);
//   const Reply reply = channel->Call(scrape, request);

#include <memory>

#include "exporters/temporal/connection_options.h"
#include "exporters/temporal/transport.h"

namespace sidecar::temporal {

// No I/O: the first call connects. A call whose secret cannot be read answers UNAUTHENTICATED
// without having been made.
std::shared_ptr<Transport> MakeChannel(const ConnectionOptions& options);

}  // namespace sidecar::temporal
