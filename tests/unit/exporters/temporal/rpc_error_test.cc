#include "exporters/temporal/rpc_error.h"

#include <gtest/gtest.h>

#include "tests/unit/exporters/temporal/scripted_transport.h"

namespace sidecar::temporal {
namespace {

TEST(RpcError, CodesBecomeReasons) {
  const std::pair<Code, Errc> all[] = {
      {Code::kUnimplemented, Errc::kUnsupported}, {Code::kInvalidArgument, Errc::kUnsupported},
      {Code::kPermissionDenied, Errc::kDenied},   {Code::kUnauthenticated, Errc::kUnavailable},
      {Code::kDeadlineExceeded, Errc::kTimeout},  {Code::kCancelled, Errc::kTimeout},
      {Code::kNotFound, Errc::kNoData},           {Code::kResourceExhausted, Errc::kLimit},
      {Code::kUnavailable, Errc::kUnavailable},   {Code::kUnknown, Errc::kUnavailable},
      {static_cast<Code>(99), Errc::kUnavailable}};
  for (const auto& [code, reason] : all) {
    EXPECT_EQ(Explain({.code = code}).error.code, reason) << Name(code);
  }
}

TEST(RpcError, DetailsTellWhoseLimitItIs) {
  const Failure own = Explain(Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
                                        enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE));
  EXPECT_TRUE(own.throttled);
  EXPECT_FALSE(own.throttles_all);
  EXPECT_EQ(own.cause, "rps_limit");
  EXPECT_EQ(own.scope, "namespace");
  const Failure all = Explain(Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED,
                                        enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM));
  EXPECT_TRUE(all.throttles_all);
  EXPECT_EQ(all.scope, "system");
}

// One that is in trouble itself shows rows late when that is over, as after an outage.
TEST(RpcError, ServerThatIsInTroubleIsSlowedAndUnavailable) {
  for (const auto cause : {enums::RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED,
                           enums::RESOURCE_EXHAUSTED_CAUSE_PERSISTENCE_LIMIT,
                           enums::RESOURCE_EXHAUSTED_CAUSE_PERSISTENCE_STORAGE_LIMIT,
                           enums::RESOURCE_EXHAUSTED_CAUSE_CIRCUIT_BREAKER_OPEN,
                           static_cast<enums::ResourceExhaustedCause>(11)}) {
    const Failure failure = Explain(Exhausted(cause, enums::RESOURCE_EXHAUSTED_SCOPE_SYSTEM));
    EXPECT_EQ(failure.error.code, Errc::kUnavailable) << failure.cause;
    EXPECT_TRUE(failure.throttled) << failure.cause;
  }
  for (const auto cause :
       {enums::RESOURCE_EXHAUSTED_CAUSE_UNSPECIFIED, enums::RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
        enums::RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, enums::RESOURCE_EXHAUSTED_CAUSE_APS_LIMIT,
        enums::RESOURCE_EXHAUSTED_CAUSE_OPS_LIMIT,
        enums::RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS,
        enums::RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW}) {
    const Failure failure = Explain(Exhausted(cause, enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE));
    EXPECT_EQ(failure.error.code, Errc::kLimit) << failure.cause;
  }
}

TEST(RpcError, OneBusyWorkflowIsNoThrottling) {
  EXPECT_FALSE(Explain(Exhausted(enums::RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
                                 enums::RESOURCE_EXHAUSTED_SCOPE_NAMESPACE))
                   .throttled);
}

TEST(RpcError, MessageThatIsTooLargeIsNoThrottling) {
  const Failure failure =
      Explain({.code = Code::kResourceExhausted,
               .message = "Received message larger than max (5242880 vs. 4194304)"});
  EXPECT_TRUE(failure.too_large);
  EXPECT_FALSE(failure.throttled);
}

TEST(RpcError, LimitWithoutDetailsIsThrottling) {
  EXPECT_TRUE(Explain({.code = Code::kResourceExhausted, .message = "slow down"}).throttled);
}

TEST(RpcError, HostileDetailsAreNoDetails) {
  Reply reply{.code = Code::kResourceExhausted, .message = "x"};
  for (const char* bytes : {"\xff\xff\xff\xff", "\x1a\x02\x08", "not a status"}) {
    reply.details = bytes;
    EXPECT_TRUE(Explain(reply).throttled);
    EXPECT_EQ(Explain(reply).cause, "unspecified");
  }
  EXPECT_EQ(Explain(Exhausted(static_cast<enums::ResourceExhaustedCause>(-5),
                              static_cast<enums::ResourceExhaustedScope>(77)))
                .cause,
            "unknown");
}

TEST(RpcError, MessageIsCut) {
  EXPECT_LT(
      Explain({.code = Code::kUnknown, .message = std::string(1 << 20, 'x')}).error.message.size(),
      600U);
}

}  // namespace
}  // namespace sidecar::temporal
