#pragma once
// What a server shows of itself, in the runtime's registry (prometheus-cpp, which stays in the
// .cc). Thread-safe; the registry outlives it. Labels are bounded: codes and the reasons below.
//
//   metrics.Answered(200);

#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace sidecar::http {

enum class Refused { kLimit, kDescriptors };
enum class Closed { kEvicted, kIdle, kHeaderTimeout, kWriteTimeout };

class HttpMetrics {
 public:
  HttpMetrics(prometheus::Registry& registry, const std::string& exporter);
  ~HttpMetrics();

  void Answered(int status);
  void Opened();
  void Gone();
  void Count(Refused reason);
  void Count(Closed reason);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar::http
