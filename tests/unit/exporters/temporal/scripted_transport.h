#pragma once
// A transport that answers by functions of the test, in memory: the frontend's logic without gRPC.
// Not thread-safe but for what one call at a time needs.
//
//   ScriptedTransport transport;
//   transport.On("GetSystemInfo", [](const Request&) { return Ok(message); });

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/base/runtime.h"
#include "exporters/temporal/call_budget.h"
#include "exporters/temporal/frontend.h"
#include "exporters/temporal/transport.h"
#include "google/rpc/status.pb.h"
#include "temporal/api/errordetails/v1/message.pb.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"
#include "tests/support/fake_clock.h"

namespace prometheus {
class Registry;
}

namespace sidecar::temporal {

namespace ws = ::temporal::api::workflowservice::v1;
namespace enums = ::temporal::api::enums::v1;

template <class Message>
Reply Ok(const Message& message) {
  return {.body = message.SerializeAsString()};
}
// As a server says that it limits calls.
inline Reply Exhausted(enums::ResourceExhaustedCause cause, enums::ResourceExhaustedScope scope) {
  ::temporal::api::errordetails::v1::ResourceExhaustedFailure failure;
  failure.set_cause(cause);
  failure.set_scope(scope);
  google::rpc::Status status;
  status.set_code(static_cast<int>(Code::kResourceExhausted));
  auto* const detail = status.add_details();
  detail->set_type_url("type.googleapis.com/temporal.api.errordetails.v1.ResourceExhaustedFailure");
  detail->set_value(failure.SerializeAsString());
  return {.code = Code::kResourceExhausted,
          .message = "namespace rate limit exceeded",
          .details = status.SerializeAsString()};
}

class ScriptedTransport final : public Transport {
 public:
  using Handler = std::function<Reply(const Request&)>;

  void On(const std::string& method, Handler handler) {
    const std::scoped_lock lock(mutex_);
    handlers_[method] = std::move(handler);
  }
  template <class Message>
  void Answer(const std::string& method, const Message& message) {
    On(method, [reply = Ok(message)](const Request&) { return reply; });
  }
  Reply Call(const Scrape&, const Request& request) override {
    const std::string method(request.path.substr(request.path.rfind('/') + 1));
    Handler handler;
    {
      const std::scoped_lock lock(mutex_);
      calls_.push_back(method);
      if (const auto found = handlers_.find(method); found != handlers_.end()) {
        handler = found->second;
      }
    }
    if (handler) return handler(request);
    return {.code = Code::kUnimplemented, .message = "unknown method " + method};
  }
  std::vector<std::string> calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Handler> handlers_;
  std::vector<std::string> calls_;
};

// A server of some version on SQLite, with one namespace.
inline void Answer(ScriptedTransport& transport, const std::string& version) {
  ws::GetSystemInfoResponse system;
  system.set_server_version(version);
  system.mutable_capabilities()->set_count_group_by_execution_status(true);
  transport.Answer("GetSystemInfo", system);
  ws::GetClusterInfoResponse cluster;
  cluster.set_cluster_name("active");
  cluster.set_cluster_id("c-1");
  cluster.set_history_shard_count(4);
  cluster.set_persistence_store("sqlite");
  cluster.set_visibility_store("sqlite");
  transport.Answer("GetClusterInfo", cluster);
  ws::ListNamespacesResponse list;
  auto* const one = list.add_namespaces();
  one->mutable_namespace_info()->set_name("default");
  one->mutable_namespace_info()->set_id("n-1");
  one->mutable_namespace_info()->set_state(enums::NAMESPACE_STATE_REGISTERED);
  one->mutable_namespace_info()->mutable_capabilities()->set_worker_heartbeats(true);
  one->mutable_config()->mutable_workflow_execution_retention_ttl()->set_seconds(86'400);
  transport.Answer("ListNamespaces", list);
}

}  // namespace sidecar::temporal
