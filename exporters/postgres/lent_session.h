#pragma once
// A lane's session in other hands for a moment, on the lane's own thread. A backend keeps what it
// knows of every table that it has looked at (77 MB for 5,000): one that has seen many is closed
// with it, and the lane logs in anew.
//
//   const std::unique_ptr<Session> session = Lend(*server, kSlowLane);

#include <memory>
#include <string>

#include "exporters/postgres/server.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

std::unique_ptr<Session> Lend(Server& server, const std::string& lane);

}  // namespace sidecar::postgres
