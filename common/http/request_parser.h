#pragma once
// One HTTP/1 request, parsed from bytes as they arrive (by Beast, which stays in the .cc). Bounded
// in bytes and fields whatever comes. Owns what it parsed; one thread at a time.
//
//   http::RequestParser parser(max_header_bytes, max_body_bytes);
//   const auto step = parser.Put(bytes);   // drop step.used bytes, keep the rest for the next call
//   if (step.status != 0) ...              // no request: answer with it and close

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sidecar::http {

struct RequestHead {
  std::string method, target;
  bool http11 = false;
  bool keep_alive = false;
  std::vector<std::pair<std::string, std::string>> fields;  // no name twice

  std::string_view Find(std::string_view name) const;  // in any case; empty when absent
};

class RequestParser {
 public:
  RequestParser(std::size_t max_header_bytes, std::size_t max_body_bytes);
  ~RequestParser();

  struct Step {
    std::size_t used = 0;
    int status = 0;         // 400, 411, 413, 417, 431, 505
    bool done = false;      // the whole request; its body has been dropped
    bool ask_body = false;  // once: the peer waits for 100 Continue
  };
  Step Put(std::string_view bytes);
  const RequestHead& head() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar::http
