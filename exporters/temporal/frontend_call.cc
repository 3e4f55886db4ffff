// One call: the budget's turn, the bytes, the retry, what the answer teaches.

#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <chrono>

#include "exporters/temporal/frontend.h"
#include "exporters/temporal/rpc_error.h"

namespace sidecar::temporal {
namespace {

constexpr Millis kRetryAfter{200};

}  // namespace

Frontend::Frontend(std::shared_ptr<Transport> transport, std::shared_ptr<CallBudget> budget,
                   std::shared_ptr<RpcMetrics> metrics)
    : transport_(std::move(transport)), budget_(std::move(budget)), metrics_(std::move(metrics)) {
  // It writes to stderr what a failed parse says already.
  google::protobuf::SetLogHandler(nullptr);
}

Result<> Frontend::Call(const Scrape& scrape, const Rpc& rpc, const std::string& name_space,
                        const Message& request, Message& response, bool* too_large) {
  const std::string path = "/" + std::string(rpc.service) + "/" + std::string(rpc.method);
  const Request sent{.path = path,
                     .name_space = name_space,
                     .body = request.SerializeAsString(),
                     .timeout = rpc.timeout};
  for (int attempt = 0;; ++attempt) {
    if (rpc.counted) {
      if (auto turn = budget_->Take(scrape, rpc.bucket, name_space); !turn) {
        return Fail(std::move(turn.error()).Wrap(std::string(rpc.method)));
      }
    }
    const Mono began = scrape.clock().mono();
    const Reply reply = transport_->Call(scrape, sent);
    const Mono ended = scrape.clock().mono();
    metrics_->Called(rpc.method, Name(reply.code),
                     std::chrono::duration<double>(ended - began).count());
    Learn(rpc, name_space, reply, ended);
    if (reply.code == Code::kOk) {
      if (response.ParseFromString(reply.body)) return {};
      return Fail(Errc::kParse, std::string(rpc.method) + ": the answer is not its message");
    }
    Failure failure = Explain(reply);
    const bool again =
        rpc.counted && attempt == 0 && failure.retry && Millis(scrape.LeftMs()) > 2 * kRetryAfter;
    if (again && scrape.clock().SleepUntil(ended + kRetryAfter, scrape.stop())) continue;
    if (too_large != nullptr) *too_large = failure.too_large;
    return Fail(std::move(failure.error).Wrap(std::string(rpc.method)));
  }
}

void Frontend::Learn(const Rpc& rpc, const std::string& name_space, const Reply& reply, Mono now) {
  if (reply.code == Code::kOk) {
    if (!rpc.counted) return;
    budget_->Answered(rpc.bucket, name_space);
    if (rpc.bucket != Bucket::kTotal) budget_->Answered(Bucket::kTotal, {});
    const std::scoped_lock lock(mutex_);
    unauthenticated_ = false;
    return;
  }
  const Failure failure = Explain(reply);
  if (failure.throttled) {
    metrics_->Throttled(rpc.method, name_space, failure.cause, failure.scope);
    budget_->Throttled(failure.throttles_all ? Bucket::kTotal : rpc.bucket, name_space, now);
  } else if (reply.code == Code::kDeadlineExceeded && rpc.counted) {
    budget_->Throttled(rpc.bucket, name_space, now);
  }
  if (failure.unauthenticated) {
    const std::scoped_lock lock(mutex_);
    unauthenticated_ = true;
  }
}

bool Frontend::unauthenticated() const {
  const std::scoped_lock lock(mutex_);
  return unauthenticated_;
}

}  // namespace sidecar::temporal
