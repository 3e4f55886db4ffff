#pragma once
// One call of the frontend, as bytes: what is between the typed calls (frontend.h) and gRPC
// (channel.h). Thread-safe.
//
//   const Reply reply = transport.Call(scrape, {.path = "/grpc.health.v1.Health/Check"});
//   if (reply.code != kOk) return Fail(ToError(reply));

#include <cstdint>
#include <string>
#include <string_view>

#include "common/collect/scrape.h"

namespace sidecar::temporal {

// gRPC's codes (grpc/status.h), without its headers.
enum class Code : std::int32_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
std::string_view Name(Code code);  // "RESOURCE_EXHAUSTED"

struct Request {
  std::string_view path;
  std::string name_space{};  // sent as metadata too: Temporal Cloud routes by it
  std::string body{};        // a serialized message
  Millis timeout{5'000};     // at most; the scrape's deadline counts too
};
struct Reply {
  Code code = Code::kOk;
  std::string message{};
  std::string details{};  // grpc-status-details-bin: a serialized google.rpc.Status
  std::string body{};
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Ends at the deadline, and soon after the scrape's stop was asked.
  virtual Reply Call(const Scrape& scrape, const Request& request) = 0;
};

}  // namespace sidecar::temporal
