#include "exporters/temporal/frontend.h"

#include <algorithm>

#include "exporters/temporal/decode.h"
#include "grpc/health/v1/health.pb.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"

namespace sidecar::temporal {
namespace {

namespace ws = ::temporal::api::workflowservice::v1;
namespace enums = ::temporal::api::enums::v1;

constexpr std::string_view kService = "temporal.api.workflowservice.v1.WorkflowService";
constexpr Millis kShort{5'000}, kLong{10'000};

constexpr Rpc kHealth{"grpc.health.v1.Health", "Check", Bucket::kTotal, false, kShort};
constexpr Rpc kSystemInfo{kService, "GetSystemInfo", Bucket::kTotal, true, kShort};
constexpr Rpc kClusterInfo{kService, "GetClusterInfo", Bucket::kTotal, true, kShort};
constexpr Rpc kListNamespaces{kService, "ListNamespaces", Bucket::kTotal, true, kLong};
constexpr Rpc kDescribeNamespace{kService, "DescribeNamespace", Bucket::kExecution, true, kShort};
constexpr Rpc kCount{kService, "CountWorkflowExecutions", Bucket::kVisibility, true, kShort};
constexpr Rpc kList{kService, "ListWorkflowExecutions", Bucket::kVisibility, true, kLong};
constexpr Rpc kHistory{kService, "GetWorkflowExecutionHistoryReverse", Bucket::kExecution, true,
                       kLong};
constexpr Rpc kDescribeQueue{kService, "DescribeTaskQueue", Bucket::kExecution, true, kShort};

constexpr Millis kServerMaxAge{60'000};
constexpr int kNamespacePage = 100, kHistoryPage = 256, kLargestPage = 1'000;
constexpr int kPagesUntilLarger = 100;

void AskForStats(ws::DescribeTaskQueueRequest& request, const ServerTraits& traits,
                 QueueType type) {
  const auto wire_type = static_cast<enums::TaskQueueType>(type);
  request.set_task_queue_type(wire_type);
  if (traits.version.empty() || traits.AtLeast(1, 28)) {
    request.set_report_stats(true);
  } else if (traits.AtLeast(1, 25)) {
    // Without a selection only the default build id is reported.
    request.set_api_mode(enums::DESCRIBE_TASK_QUEUE_MODE_ENHANCED);
    request.mutable_versions()->set_unversioned(true);
    request.mutable_versions()->set_all_active(true);
    request.add_task_queue_types(wire_type);
    request.set_report_stats(true);
    request.set_report_pollers(true);
  } else {
    request.set_include_task_queue_status(true);
  }
}

}  // namespace

Result<bool> Frontend::Serving(const Scrape& scrape, const std::string& service, Millis timeout) {
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  request.set_service(service);
  Rpc rpc = kHealth;
  rpc.timeout = timeout;
  if (auto called = Call(scrape, rpc, {}, request, response); !called) {
    return Fail(std::move(called.error()));
  }
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
}

Result<> Frontend::Answers(const Scrape& scrape, Millis timeout) {
  ws::GetSystemInfoResponse response;
  Rpc rpc = kSystemInfo;
  rpc.counted = false;
  rpc.timeout = timeout;
  return Call(scrape, rpc, {}, ws::GetSystemInfoRequest(), response);
}

Result<ServerInfo> Frontend::ReadServer(const Scrape& scrape, const ServerInfo* before,
                                        bool& complete) {
  ws::GetSystemInfoResponse system;
  if (auto called = Call(scrape, kSystemInfo, {}, ws::GetSystemInfoRequest(), system); !called) {
    return Fail(std::move(called.error()));
  }
  ws::GetClusterInfoResponse cluster;
  const auto known = Call(scrape, kClusterInfo, {}, ws::GetClusterInfoRequest(), cluster);
  ServerInfo read = Decode(system, known ? &cluster : nullptr);
  complete =
      known || known.error().code == Errc::kDenied || known.error().code == Errc::kUnsupported;
  if (complete || before == nullptr || !before->cluster_known) return read;
  read.cluster_known = true;
  read.cluster_name = before->cluster_name;
  read.cluster_id = before->cluster_id;
  read.persistence_store = before->persistence_store;
  read.visibility_store = before->visibility_store;
  read.history_shards = before->history_shards;
  read.recommended_version = before->recommended_version;
  read.alerts = before->alerts;
  return read;
}

Result<std::shared_ptr<const ServerInfo>> Frontend::Server(const Scrape& scrape) {
  std::shared_ptr<const ServerInfo> before;
  {
    const std::scoped_lock lock(mutex_);
    if (server_ && scrape.clock().mono() < server_valid_until_) return server_;
    before = server_;
  }
  bool complete = false;
  auto read = ReadServer(scrape, before.get(), complete);
  if (!read) return Fail(std::move(read.error()));
  const std::scoped_lock lock(mutex_);
  server_ = std::make_shared<const ServerInfo>(std::move(*read));
  server_valid_until_ = scrape.clock().mono() + (complete ? kServerMaxAge : Millis(0));
  return server_;
}

ServerTraits Frontend::traits() const {
  const std::scoped_lock lock(mutex_);
  return server_ ? TraitsOf(*server_) : ServerTraits{};
}

Result<NamespacePage> Frontend::ListNamespaces(const Scrape& scrape, const std::string& token) {
  ws::ListNamespacesRequest request;
  ws::ListNamespacesResponse response;
  request.set_page_size(kNamespacePage);
  request.set_next_page_token(token);
  if (auto called = Call(scrape, kListNamespaces, {}, request, response); !called) {
    return Fail(std::move(called.error()));
  }
  NamespacePage page{.namespaces = {}, .next_page_token = response.next_page_token()};
  for (const auto& one : response.namespaces()) page.namespaces.push_back(Decode(one));
  return page;
}

Result<Namespace> Frontend::DescribeNamespace(const Scrape& scrape, const std::string& name_space) {
  ws::DescribeNamespaceRequest request;
  ws::DescribeNamespaceResponse response;
  request.set_namespace_(name_space);
  if (auto called = Call(scrape, kDescribeNamespace, name_space, request, response); !called) {
    return Fail(std::move(called.error()));
  }
  return Decode(response);
}

Result<CountAnswer> Frontend::Count(const Scrape& scrape, const std::string& name_space,
                                    const std::string& query) {
  ws::CountWorkflowExecutionsRequest request;
  ws::CountWorkflowExecutionsResponse response;
  request.set_namespace_(name_space);
  request.set_query(query);
  if (auto called = Call(scrape, kCount, name_space, request, response); !called) {
    return Fail(std::move(called.error()));
  }
  return Decode(response);
}

int Frontend::LargestPage(const std::string& name_space) const {
  const std::scoped_lock lock(mutex_);
  const auto limit = page_limits_.find(name_space);
  return limit == page_limits_.end() ? kLargestPage : limit->second.rows;
}

// One row that was large once would have pages small for ever.
void Frontend::Passed(const std::string& name_space, int rows) {
  const std::scoped_lock lock(mutex_);
  const auto limit = page_limits_.find(name_space);
  if (limit == page_limits_.end() || rows < limit->second.rows) return;
  if (++limit->second.passed < kPagesUntilLarger) return;
  limit->second = {.rows = 2 * limit->second.rows};
  if (limit->second.rows >= kLargestPage) page_limits_.erase(limit);
}

void Frontend::Forget(const std::string& name_space) {
  budget_->Forget(name_space);
  metrics_->Forget(name_space);
  const std::scoped_lock lock(mutex_);
  page_limits_.erase(name_space);
}

Result<Page> Frontend::List(const Scrape& scrape, const std::string& name_space,
                            const std::string& query, int page_size, const std::string& token) {
  ws::ListWorkflowExecutionsRequest request;
  request.set_namespace_(name_space);
  request.set_query(query);
  request.set_next_page_token(token);
  int rows = std::clamp(page_size, 1, LargestPage(name_space));
  while (true) {
    ws::ListWorkflowExecutionsResponse response;
    request.set_page_size(rows);
    bool too_large = false;
    auto called = Call(scrape, kList, name_space, request, response, &too_large);
    if (called) {
      Passed(name_space, rows);
      return Decode(response);
    }
    if (!too_large || rows == 1) return Fail(std::move(called.error()));
    rows /= 2;
    const std::scoped_lock lock(mutex_);
    page_limits_[name_space] = {.rows = rows};
  }
}

Result<HistoryPage> Frontend::History(const Scrape& scrape, const std::string& name_space,
                                      const std::string& workflow_id, const std::string& run_id,
                                      const std::string& token) {
  // In reverse: the server serves it behind its other callers (priority 4 of 5, forward 2).
  ws::GetWorkflowExecutionHistoryReverseRequest request;
  ws::GetWorkflowExecutionHistoryReverseResponse response;
  request.set_namespace_(name_space);
  request.mutable_execution()->set_workflow_id(workflow_id);
  request.mutable_execution()->set_run_id(run_id);
  request.set_maximum_page_size(kHistoryPage);
  request.set_next_page_token(token);
  bool too_large = false;
  if (auto called = Call(scrape, kHistory, name_space, request, response, &too_large); !called) {
    if (too_large) called.error().code = Errc::kParse;  // it will be the next time too
    return Fail(std::move(called.error()));
  }
  return Decode(response);
}

Result<QueueAnswer> Frontend::DescribeQueue(const Scrape& scrape, const std::string& name_space,
                                            const std::string& queue, QueueType type) {
  ws::DescribeTaskQueueRequest request;
  ws::DescribeTaskQueueResponse response;
  request.set_namespace_(name_space);
  request.mutable_task_queue()->set_name(queue);
  request.mutable_task_queue()->set_kind(enums::TASK_QUEUE_KIND_NORMAL);
  AskForStats(request, traits(), type);
  if (auto called = Call(scrape, kDescribeQueue, name_space, request, response); !called) {
    return Fail(std::move(called.error()));
  }
  return Decode(response, type);
}

}  // namespace sidecar::temporal
