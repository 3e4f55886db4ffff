#pragma once
// What the connection counts about itself, in the exporter's own registry: calls by method and
// code, what the server throttled, what the budget allowed. Thread-safe.
//
//   metrics.Called("ListWorkflowExecutions", "OK", 0.004);

#include <memory>
#include <string>
#include <string_view>

namespace prometheus {
class Registry;
}

namespace sidecar::temporal {

class RpcMetrics {
 public:
  explicit RpcMetrics(prometheus::Registry& registry);
  ~RpcMetrics();
  RpcMetrics(const RpcMetrics&) = delete;
  RpcMetrics& operator=(const RpcMetrics&) = delete;

  void Called(std::string_view method, std::string_view code, double seconds);
  void Throttled(std::string_view method, const std::string& name_space, std::string_view cause,
                 std::string_view scope);
  // `bucket` is "visibility", "execution" or "total".
  void Used(std::string_view bucket, const std::string& name_space, double waited_seconds);
  void Refused(std::string_view bucket, const std::string& name_space);
  void Forget(const std::string& name_space);  // the series that name it
  void Rate(std::string_view bucket, const std::string& name_space, double calls_per_second);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar::temporal
