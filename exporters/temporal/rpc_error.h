#pragma once
// What a failed call means: gRPC's code and Temporal's details as an error of ours. Pure.
//
//   const Failure failure = Explain(reply);
//   if (failure.throttled) budget.Throttled(...);
//   return Fail(failure.error);

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "exporters/temporal/transport.h"

namespace sidecar::temporal {

struct Failure {
  Error error;
  // The server limits calls; not: one busy workflow, or a message too large for the client.
  bool throttled = false;
  bool throttles_all = false;  // the whole server, not this namespace
  bool too_large = false;      // the answer, for us or for something on its way
  bool retry = false;          // once, soon: a connection that ended under the call
  bool unauthenticated = false;
  std::string_view cause = "unspecified", scope = "unspecified";  // labels
};
Failure Explain(const Reply& reply);

}  // namespace sidecar::temporal
