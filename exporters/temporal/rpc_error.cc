#include "exporters/temporal/rpc_error.h"

#include <array>
#include <optional>
#include <utility>

#include "google/rpc/status.pb.h"
#include "temporal/api/errordetails/v1/message.pb.h"

namespace sidecar::temporal {
namespace {

namespace details = ::temporal::api::errordetails::v1;
namespace enums = ::temporal::api::enums::v1;

constexpr std::size_t kLongestMessage = 512;

// The first detail of that type, if there is one.
template <class T>
std::optional<T> Detail(const Reply& reply, std::string_view type) {
  google::rpc::Status status;
  if (reply.details.empty() || !status.ParseFromString(reply.details)) return std::nullopt;
  for (const auto& any : status.details()) {
    const std::string_view url = any.type_url();
    T detail;
    if (url.ends_with(type) && detail.ParseFromString(any.value())) return detail;
  }
  return std::nullopt;
}

std::string_view CauseName(int cause) {
  constexpr std::array<std::string_view, 11> kNames{"unspecified",
                                                    "rps_limit",
                                                    "concurrent_limit",
                                                    "system_overloaded",
                                                    "persistence_limit",
                                                    "busy_workflow",
                                                    "aps_limit",
                                                    "persistence_storage_limit",
                                                    "circuit_breaker_open",
                                                    "ops_limit",
                                                    "worker_deployment_limits"};
  const auto index = static_cast<std::size_t>(cause);
  return index < kNames.size() ? kNames[index] : "unknown";
}

// Of a limit that a client or a proxy on the way has, and that halving the page satisfies.
bool AboutSize(std::string_view message) {
  return message.find("larger than max") != std::string_view::npos ||
         message.find("message size") != std::string_view::npos ||
         message.find("too large") != std::string_view::npos;
}

// Whose limit is it? One of those for clients leaves the server as it is. Of its own trouble, and
// of what we do not know, Errc::kUnavailable is said: rows may appear late when it is over.
bool OfClients(int cause) {
  switch (cause) {
    case enums::RESOURCE_EXHAUSTED_CAUSE_UNSPECIFIED:
    case enums::RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT:
    case enums::RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT:
    case enums::RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW:
    case enums::RESOURCE_EXHAUSTED_CAUSE_APS_LIMIT:
    case enums::RESOURCE_EXHAUSTED_CAUSE_OPS_LIMIT:
    case enums::RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS:
      return true;
    default:
      return false;
  }
}

void ExplainExhausted(const Reply& reply, Failure& failure) {
  failure.error.code = Errc::kLimit;
  const auto detail =
      Detail<details::ResourceExhaustedFailure>(reply, ".errordetails.v1.ResourceExhaustedFailure");
  if (!detail) {
    failure.too_large = AboutSize(reply.message);
    failure.throttled = !failure.too_large;
    return;
  }
  failure.cause = CauseName(detail->cause());
  if (!OfClients(detail->cause())) failure.error.code = Errc::kUnavailable;
  if (detail->scope() == enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE) failure.scope = "namespace";
  if (detail->scope() == enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM) failure.scope = "system";
  failure.throttled = detail->cause() != enums::RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW;
  failure.throttles_all = detail->scope() == enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM;
}

Errc ErrcOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:  // of a query: this server does not know what it asks for
    case Code::kUnimplemented:
      return Errc::kUnsupported;
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
      return Errc::kTimeout;
    case Code::kNotFound:
      return Errc::kNoData;
    case Code::kPermissionDenied:
      return Errc::kDenied;
    case Code::kResourceExhausted:
      return Errc::kLimit;
    default:
      // UNKNOWN is "something went wrong, please retry" (1.32). UNAUTHENTICATED is no refusal of
      // one collector in one namespace: a key that is being rotated lets nobody in, for a moment.
      return Errc::kUnavailable;
  }
}

}  // namespace

std::string_view Name(Code code) {
  constexpr std::array<std::string_view, 17> kNames{"OK",
                                                    "CANCELLED",
                                                    "UNKNOWN",
                                                    "INVALID_ARGUMENT",
                                                    "DEADLINE_EXCEEDED",
                                                    "NOT_FOUND",
                                                    "ALREADY_EXISTS",
                                                    "PERMISSION_DENIED",
                                                    "RESOURCE_EXHAUSTED",
                                                    "FAILED_PRECONDITION",
                                                    "ABORTED",
                                                    "OUT_OF_RANGE",
                                                    "UNIMPLEMENTED",
                                                    "INTERNAL",
                                                    "UNAVAILABLE",
                                                    "DATA_LOSS",
                                                    "UNAUTHENTICATED"};
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "other";
}

Failure Explain(const Reply& reply) {
  std::string message(Name(reply.code));
  if (!reply.message.empty()) message += ": " + reply.message.substr(0, kLongestMessage);
  Failure failure{.error = Error{ErrcOf(reply.code), std::move(message)}};
  switch (reply.code) {
    case Code::kResourceExhausted:
      ExplainExhausted(reply, failure);
      break;
    case Code::kUnavailable:
      failure.retry = true;
      break;
    case Code::kUnauthenticated:
      failure.unauthenticated = true;
      break;
    case Code::kPermissionDenied:
      if (const auto denied = Detail<details::PermissionDeniedFailure>(
              reply, ".errordetails.v1.PermissionDeniedFailure");
          denied && !denied->reason().empty()) {
        failure.error.message += " (" + denied->reason().substr(0, kLongestMessage) + ")";
      }
      break;
    default:
      break;
  }
  return failure;
}

}  // namespace sidecar::temporal
