#pragma once
// Temporal's frontend, call by call, as plain values: under the call budget, counted, one retry for
// a connection that ended under a call. Protobuf stays behind it. Thread-safe; kept over a reload.
// Errors are those of visibility.h.
//
//   Frontend frontend(MakeChannel(options), budget, runtime);
//   const auto count = frontend.Count(scrape, "default", "GROUP BY ExecutionStatus");

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/runtime.h"
#include "exporters/temporal/call_budget.h"
#include "exporters/temporal/namespaces.h"
#include "exporters/temporal/rpc_metrics.h"
#include "exporters/temporal/transport.h"
#include "exporters/temporal/visibility.h"

namespace google::protobuf {
class MessageLite;
}

namespace sidecar::temporal {

struct ServerInfo {
  std::string version;
  std::vector<std::string> capabilities;
  // Of GetClusterInfo, which not everybody may call.
  bool cluster_known = false;
  std::string cluster_name{}, cluster_id{}, persistence_store{}, visibility_store{};
  std::int32_t history_shards = 0;
  std::string recommended_version{};  // empty unless the server looks for one
  std::vector<std::string> alerts{};  // a severity each: "high"
};
struct CountAnswer {
  std::int64_t count = 0;
  std::map<std::string, std::int64_t> groups{};  // by value: "Running"
};
struct NamespacePage {
  NamespaceList namespaces;
  std::string next_page_token;
};

enum class QueueType : std::int32_t { kWorkflow = 1, kActivity = 2 };
struct Poller {
  std::int64_t last_access_ns = 0;
  std::string deployment{}, build_id{};
  bool versioned = false;
};
struct QueueStats {
  std::int64_t backlog = 0;
  double backlog_age_seconds = 0, add_rate = 0, dispatch_rate = 0;
  bool rate_limited = false;
};
struct QueueAnswer {
  std::vector<Poller> pollers{};
  std::optional<QueueStats> stats{};           // 1.25 and later
  std::optional<std::int64_t> backlog_hint{};  // what older servers say instead
};

struct Rpc {
  std::string_view service, method;
  Bucket bucket;
  bool counted;  // takes a turn of the budget
  Millis timeout;
};

class Frontend {
 public:
  Frontend(std::shared_ptr<Transport> transport, std::shared_ptr<CallBudget> budget,
           std::shared_ptr<RpcMetrics> metrics);

  // Whether a service serves ("" is the whole server). No turn of the budget is taken.
  Result<bool> Serving(const Scrape& scrape, const std::string& service, Millis timeout);
  // Whether it answers at all: GetSystemInfo, asked now. No turn of the budget is taken.
  Result<> Answers(const Scrape& scrape, Millis timeout);
  // Asked at most once a minute; what failed then is asked again at the next call. What the cluster
  // told before stays while it does not answer: which store it has decides how queries are made.
  Result<std::shared_ptr<const ServerInfo>> Server(const Scrape& scrape);
  ServerTraits traits() const;  // of the last Server
  // The last call that needed credentials was refused for want of them.
  bool unauthenticated() const;

  void Forget(const std::string& name_space);  // its budget, its page size, its metrics

  Result<NamespacePage> ListNamespaces(const Scrape& scrape, const std::string& token);
  Result<Namespace> DescribeNamespace(const Scrape& scrape, const std::string& name_space);
  Result<CountAnswer> Count(const Scrape& scrape, const std::string& name_space,
                            const std::string& query);
  // A page too large for a message is asked for again in halves, and those that follow too; after
  // 100 that passed, twice as many are tried again.
  Result<Page> List(const Scrape& scrape, const std::string& name_space, const std::string& query,
                    int page_size, const std::string& token);
  Result<HistoryPage> History(const Scrape& scrape, const std::string& name_space,
                              const std::string& workflow_id, const std::string& run_id,
                              const std::string& token);
  Result<QueueAnswer> DescribeQueue(const Scrape& scrape, const std::string& name_space,
                                    const std::string& queue, QueueType type);

 private:
  using Message = google::protobuf::MessageLite;
  Result<> Call(const Scrape& scrape, const Rpc& rpc, const std::string& name_space,
                const Message& request, Message& response, bool* too_large = nullptr);
  // What an answer teaches: the budget, whether we are let in, the metrics.
  void Learn(const Rpc& rpc, const std::string& name_space, const Reply& reply, Mono now);
  Result<ServerInfo> ReadServer(const Scrape& scrape, const ServerInfo* before, bool& complete);
  int LargestPage(const std::string& name_space) const;
  void Passed(const std::string& name_space, int rows);

  const std::shared_ptr<Transport> transport_;
  const std::shared_ptr<CallBudget> budget_;
  const std::shared_ptr<RpcMetrics> metrics_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const ServerInfo> server_;
  Mono server_valid_until_{};
  bool unauthenticated_ = false;
  struct PageLimit {
    int rows;
    int passed = 0;  // pages of that size since
  };
  std::map<std::string, PageLimit> page_limits_;  // of namespaces whose pages were too large
};

// `versions` as the server says them: "1.32.0", "1.29.1-148.3".
ServerTraits TraitsOf(const ServerInfo& server);

}  // namespace sidecar::temporal
