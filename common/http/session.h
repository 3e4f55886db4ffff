#pragma once
// What one connection's bytes mean: requests out of them, handlers run, answers written; in order,
// one at a time. Knows no event loop: the server does what Next says and calls back. Between kRun
// and Finish only the thread that runs Work touches it.
//
//   Next next = session.Received(recv(fd, room.data(), room.size()));
//   if (next == Next::kRun) ...  // Work() on the pool, then Finish() here

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/http/http_metrics.h"
#include "common/http/request_parser.h"
#include "common/http/server.h"
#include "common/http/socket_writer.h"
#include "common/http/target.h"

namespace sidecar::http {

// What all sessions of a server share. Thread-safe.
class Service {
 public:
  Service(const ServerOptions& o, Router r, Runtime t, const std::string& exporter)
      : options(o), router(std::move(r)), runtime(t), metrics(t.self, exporter) {}

  // Buffers are kept between responses, so that a scrape allocates none.
  std::unique_ptr<Scratch> TakeScratch();
  void GiveScratch(std::unique_ptr<Scratch> scratch);

  const ServerOptions options;
  const Router router;
  const Runtime runtime;
  HttpMetrics metrics;
  std::atomic<bool> draining = false;  // every answer is its connection's last

 private:
  std::mutex mutex_;  // guards scratch_
  std::vector<std::unique_ptr<Scratch>> scratch_;
};

// Answers a connection there is no place for with 503, without blocking. The caller closes it.
void TurnAway(int fd);

enum class Next : std::uint8_t {
  kIdle,         // receive: a request may come
  kReceive,      // receive: a part of a request is here
  kReceiveNext,  // the same, of a request behind those just answered: its time begins
  kRun,          // Work on another thread
  kSendRest,     // rest() by rest_deadline(), then Sent
  kLinger,       // the answer is out; drop what still comes for a while, then close
  kClose,
  kCut,  // close with a reset
};

class Session {
 public:
  Session(Service& service, int fd)
      : service_(service), writer_(fd, service.options.write_timeout) {}

  std::span<char> Room();  // for the next bytes; valid until Received
  Next Received(std::size_t bytes);
  void Forget() { begin_ = end_ = 0; }  // what Room got is not wanted

  bool open_access() const { return route_->access == Access::kOpen; }
  void Work();
  Next Finish();

  std::string& rest() { return writer_.rest(); }
  std::chrono::steady_clock::time_point rest_deadline() const { return writer_.deadline(); }
  Next Sent();

  Next Busy();  // 503: no thread for Work

 private:
  Next Process(bool answered);
  void Serve();
  std::optional<Next> Parse();
  std::optional<Next> Route();
  std::optional<Next> Answer(int status, std::string text, bool keep, std::string allow = {});
  std::optional<Next> AfterAnswer();
  std::optional<Next> AfterSending();

  Service& service_;
  SocketWriter writer_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what buffer_ holds
  std::optional<RequestParser> parser_;
  Target target_;
  const Router::Route* route_ = nullptr;
  const Router::Handler* handler_ = nullptr;
  bool refused_ = false;  // bytes of the request may still come
  Outcome outcome_;
};

}  // namespace sidecar::http
