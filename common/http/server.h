#pragma once
// All the project knows of HTTP; Asio and Beast stay each in one .cc. Handlers run on the runtime's
// pool, never on the I/O thread; kOpen ones on a thread of the server's own, so that health answers
// while every other thread is busy.
//
//   router.Get("/-/healthy", Access::kOpen, [](const Request&) { return Text(200, "ok\n"); });
//   auto server = Server::Start({":9100"}, options, std::move(router), runtime, "host");

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/runtime.h"
#include "common/config/table_reader.h"
#include "common/metrics/encoder.h"

namespace sidecar {

// Its views live until the response's body has been written.
struct Request {
  std::string_view path;  // decoded, without the query
  // Values of one key in order, decoded; a malformed escape stays as it is.
  std::function<std::vector<std::string>(std::string_view)> query;
  // Empty when absent; of repeated ones all, with commas. The name in any case.
  std::function<std::string_view(std::string_view)> header;
  std::string_view method = "GET";  // also "HEAD" (the server leaves the body out) and "POST"
};
// The body is written in pieces while it is made, so that it is never held whole. Write blocks
// while the peer is slow (kTimeout) and fails when it has gone (kUnavailable). A body that fails or
// throws before its first 64 KiB is answered with 500; later, the connection is cut.
struct Response {
  int status = 200;
  std::string content_type;
  std::function<Result<>(const Write&)> body;
  std::vector<std::pair<std::string, std::string>> headers{};
};
Response Text(int status, std::string text);

// kOpen: health, for a kubelet without credentials. It answers at once: one thread serves them all.
enum class Access : std::uint8_t { kOpen, kProtected };

class Router {  // exact paths; Get answers HEAD too; another method is 405 with Allow
 public:
  using Handler = std::function<Response(const Request&)>;
  void Get(std::string path, Access access, Handler handler);
  void Post(std::string path, Access access, Handler handler);

  struct Route {
    std::string path;
    Access access;
    Handler get, post;
  };
  const Route* Find(std::string_view path) const;

 private:
  Route& Add(std::string path, Access access);
  std::vector<Route> routes_;
};

// Limits of every listener: [web]. What they count is shown as sidecar_http_*. Real time, not the
// runtime's clock.
struct ServerOptions {
  std::int64_t max_connections = 64;  // past it the longest idle one is closed
  std::int64_t max_header_bytes = 16 << 10;
  std::int64_t max_body_bytes = 64 << 10;  // of a request; what it holds is not kept
  Millis header_timeout{5'000};            // from the first byte of a request to its last
  Millis idle_timeout{60'000};             // a connection without a request
  Millis write_timeout{30'000};            // a whole response: a reader slower than that is dropped
  void Read(TableReader& table);
  bool operator==(const ServerOptions&) const = default;
};

// Thread-safe. The destructor closes every connection at once and does not wait for handlers on the
// pool: what they use must live until the pool is destroyed, which waits for them.
class Server {
 public:
  // `listen`: ":9100" (IPv6 and IPv4), "127.0.0.1:9100", "[::1]:9100"; port 0 is a free one.
  // kUnavailable: one clear line, e.g. "listen :9100: Address already in use". `exporter` is the
  // label of the server's own metrics; empty: none.
  static Result<std::unique_ptr<Server>> Start(const std::vector<std::string>& listen,
                                               const ServerOptions& options, Router router,
                                               Runtime runtime, const std::string& exporter = {});
  virtual ~Server() = default;
  virtual int port() const = 0;  // of the first listener
  // Accepts no more, closes idle connections, lets requests in progress finish for `grace` (of the
  // runtime's clock) at most, then closes. Returns when no connection is left or grace is over.
  virtual void Drain(Millis grace) = 0;
};

}  // namespace sidecar
