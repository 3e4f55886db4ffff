#include "exporters/temporal/decode.h"

#include <algorithm>
#include <limits>

#include "common/base/parse.h"
#include "exporters/temporal/decode_time.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"

namespace sidecar::temporal {
namespace {

namespace ws = ::temporal::api::workflowservice::v1;
namespace wf = ::temporal::api::workflow::v1;
namespace tq = ::temporal::api::taskqueue::v1;
namespace enums = ::temporal::api::enums::v1;

std::vector<std::string> CapabilitiesOf(const ws::GetSystemInfoResponse::Capabilities& has) {
  std::vector<std::string> names;
  const std::pair<bool, const char*> all[] = {
      {has.signal_and_query_header(), "signal_and_query_header"},
      {has.internal_error_differentiation(), "internal_error_differentiation"},
      {has.activity_failure_include_heartbeat(), "activity_failure_include_heartbeat"},
      {has.supports_schedules(), "supports_schedules"},
      {has.encoded_failure_attributes(), "encoded_failure_attributes"},
      {has.build_id_based_versioning(), "build_id_based_versioning"},
      {has.upsert_memo(), "upsert_memo"},
      {has.eager_workflow_start(), "eager_workflow_start"},
      {has.sdk_metadata(), "sdk_metadata"},
      {has.count_group_by_execution_status(), "count_group_by_execution_status"},
      {has.nexus(), "nexus"}};
  for (const auto& [on, name] : all) {
    if (on) names.emplace_back(name);
  }
  return names;
}

std::string_view SeverityName(int severity) {
  constexpr std::string_view kNames[] = {"unspecified", "high", "medium", "low"};
  const auto index = static_cast<std::size_t>(severity);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

// A keyword as a payload has it: JSON, "Running". Names of statuses need no escapes.
std::string Keyword(const std::string& json) {
  if (json.size() >= 2 && json.starts_with('"') && json.ends_with('"')) {
    return json.substr(1, json.size() - 2);
  }
  return json;
}

// A number of things: not negative, and few enough for sums and for a double to hold.
std::int64_t Many(std::int64_t count) {
  return std::clamp<std::int64_t>(count, 0, std::int64_t{1} << 53U);
}

Execution Decode(const wf::WorkflowExecutionInfo& row) {
  Execution run;
  run.workflow_id = row.execution().workflow_id();
  run.run_id = row.execution().run_id();
  run.type = row.type().name();
  run.task_queue = row.task_queue();
  run.status = static_cast<Status>(row.status());
  if (row.has_start_time()) run.start_ns = UnixNanos(row.start_time());
  if (row.has_execution_time()) run.execution_ns = UnixNanos(row.execution_time());
  if (row.has_close_time()) run.close_ns = UnixNanos(row.close_time());
  // Open runs of 1.24 to 1.32 have none, and no other field of a row is larger than it says.
  if (row.has_execution_duration()) {
    run.duration_ns = std::max<std::int64_t>(0, Nanos(row.execution_duration()));
  }
  run.history_length = Many(row.history_length());
  run.history_size_bytes = Many(row.history_size_bytes());
  run.state_transitions = Many(row.state_transition_count());
  run.child = !row.parent_execution().workflow_id().empty();
  return run;
}

QueueStats Decode(const tq::TaskQueueStats& stats) {
  const auto rate = [](float value) { return value > 0 ? static_cast<double>(value) : 0.0; };
  return {.backlog = Many(stats.approximate_backlog_count()),
          .backlog_age_seconds =
              std::max(0.0, static_cast<double>(Nanos(stats.approximate_backlog_age())) / 1e9),
          .add_rate = rate(stats.tasks_add_rate()),
          .dispatch_rate = rate(stats.tasks_dispatch_rate()),
          .rate_limited = stats.rate_limiting_active()};
}

Poller Decode(const tq::PollerInfo& info) {
  Poller poller;
  if (info.has_last_access_time()) poller.last_access_ns = UnixNanos(info.last_access_time());
  const auto& options = info.deployment_options();
  poller.deployment = options.deployment_name();
  poller.versioned = options.worker_versioning_mode() == enums::WORKER_VERSIONING_MODE_VERSIONED;
  // An unversioned worker's is a hash of its code (1.32): a series for every build of it.
  if (poller.versioned) poller.build_id = options.build_id();
  return poller;
}

// What ENHANCED says of each build id, as one number for the queue.
void Merge(const QueueStats& part, QueueStats& whole) {
  whole.backlog = Many(whole.backlog + part.backlog);
  whole.backlog_age_seconds = std::max(whole.backlog_age_seconds, part.backlog_age_seconds);
  whole.add_rate += part.add_rate;
  whole.dispatch_rate += part.dispatch_rate;
  whole.rate_limited = whole.rate_limited || part.rate_limited;
}

}  // namespace

ServerInfo Decode(const ws::GetSystemInfoResponse& system,
                  const ws::GetClusterInfoResponse* cluster) {
  ServerInfo server{.version = system.server_version(),
                    .capabilities = CapabilitiesOf(system.capabilities())};
  if (cluster == nullptr) return server;
  server.cluster_known = true;
  if (server.version.empty()) server.version = cluster->server_version();
  server.cluster_name = cluster->cluster_name();
  server.cluster_id = cluster->cluster_id();
  server.persistence_store = cluster->persistence_store();
  server.visibility_store = cluster->visibility_store();
  server.history_shards = cluster->history_shard_count();
  server.recommended_version = cluster->version_info().recommended().version();
  for (const auto& alert : cluster->version_info().alerts()) {
    server.alerts.emplace_back(SeverityName(alert.severity()));
  }
  return server;
}

Namespace Decode(const ws::DescribeNamespaceResponse& message) {
  const auto& info = message.namespace_info();
  const auto& config = message.config();
  const auto& has = info.capabilities();
  Namespace one{.name = info.name(), .described = true, .id = info.id()};
  one.state = static_cast<NamespaceState>(info.state());
  one.retention_seconds =
      std::max(0.0, static_cast<double>(Nanos(config.workflow_execution_retention_ttl())) / 1e9);
  one.history_archival = config.history_archival_state() == enums::ARCHIVAL_STATE_ENABLED;
  one.visibility_archival = config.visibility_archival_state() == enums::ARCHIVAL_STATE_ENABLED;
  one.global = message.is_global_namespace();
  one.active_cluster = message.replication_config().active_cluster_name();
  one.replication_state = message.replication_config().state();
  one.failover_version = message.failover_version();
  const std::pair<bool, const char*> all[] = {
      {has.eager_workflow_start(), "eager_workflow_start"},
      {has.sync_update(), "sync_update"},
      {has.async_update(), "async_update"},
      {has.worker_heartbeats(), "worker_heartbeats"},
      {has.reported_problems_search_attribute(), "reported_problems_search_attribute"},
      {has.workflow_pause(), "workflow_pause"},
      {has.standalone_activities(), "standalone_activities"}};
  for (const auto& [on, name] : all) {
    if (on) one.capabilities.emplace_back(name);
  }
  return one;
}

CountAnswer Decode(const ws::CountWorkflowExecutionsResponse& message) {
  CountAnswer answer{.count = Many(message.count())};
  for (const auto& group : message.groups()) {
    if (group.group_values_size() != 1) continue;
    std::int64_t& count = answer.groups[Keyword(group.group_values(0).data())];
    count = Many(count + Many(group.count()));
  }
  return answer;
}

Page Decode(const ws::ListWorkflowExecutionsResponse& message) {
  Page page{.rows = {}, .next_page_token = message.next_page_token()};
  page.rows.reserve(static_cast<std::size_t>(message.executions_size()));
  for (const auto& row : message.executions()) page.rows.push_back(Decode(row));
  return page;
}

QueueAnswer Decode(const ws::DescribeTaskQueueResponse& message, QueueType type) {
  QueueAnswer answer;
  for (const auto& poller : message.pollers()) answer.pollers.push_back(Decode(poller));
  if (message.has_stats()) answer.stats = Decode(message.stats());
  for (const auto& [version, info] : message.versions_info()) {
    const auto found = info.types_info().find(static_cast<int>(type));
    if (found == info.types_info().end()) continue;
    if (!answer.stats) answer.stats.emplace();
    Merge(Decode(found->second.stats()), *answer.stats);
    for (const auto& poller : found->second.pollers()) answer.pollers.push_back(Decode(poller));
  }
  if (message.has_task_queue_status()) {
    answer.backlog_hint = Many(message.task_queue_status().backlog_count_hint());
  }
  return answer;
}

ServerTraits TraitsOf(const ServerInfo& server) {
  ServerTraits traits{.version = server.version};
  std::string_view rest = server.version;
  const auto part = [&rest] {
    const auto length = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const int number = ParseNumber<int>(rest.substr(0, length)).value_or(0);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    return number;
  };
  traits.major = part();
  traits.minor = part();
  // Several stores are named with commas while one is replaced by another.
  const std::string& store = server.visibility_store;
  const auto names = [&store](std::string_view one) { return store.find(one) != store.npos; };
  traits.sqlite = names("sqlite");
  traits.sql = !names("elasticsearch") && !names("opensearch") &&
               (traits.sqlite || names("postgres") || names("mysql"));
  traits.unified_converter = traits.AtLeast(1, 32);
  traits.paused_status = traits.AtLeast(1, 30);
  traits.count_by_status =
      std::ranges::find(server.capabilities, "count_group_by_execution_status") !=
      server.capabilities.end();
  return traits;
}

}  // namespace sidecar::temporal
