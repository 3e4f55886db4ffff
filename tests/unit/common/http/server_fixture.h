#pragma once
// A server on a free port of 127.0.0.1 with the routes that the tests of this folder use.

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <latch>
#include <optional>
#include <thread>

#include "common/base/pool.h"
#include "common/http/server.h"
#include "common/log/log.h"
#include "tests/support/http_client.h"

namespace sidecar {

// Holds whoever waits, until the test opens it.
class Gate {
 public:
  void Pass() {
    entered_.count_down();
    open_.wait();
  }
  void AwaitEntered() { entered_.wait(); }
  void Open() { open_.count_down(); }

 private:
  std::latch entered_{1}, open_{1};
};

struct ServerTest : ::testing::Test {
  ~ServerTest() override { server.reset(); }

  // Lines of digits, different everywhere, so that a lost or doubled piece shows.
  static std::string Body(std::size_t bytes) {
    std::string text;
    text.reserve(bytes + 16);
    for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i * 7919) + "\n";
    text.resize(bytes);
    return text;
  }

  static Response Stream(std::size_t bytes) {
    return {200, "text/plain", [bytes](const Write& write) -> Result<> {
              const std::string text = Body(bytes);
              for (std::size_t at = 0; at < bytes; at += 50'000) {
                if (auto done = write(std::string_view(text).substr(at, 50'000)); !done)
                  return done;
              }
              return {};
            }};
  }

  Router Routes() {
    Router router;
    router.Get("/ok", Access::kProtected, [](const Request&) { return Text(200, "ok\n"); });
    router.Get("/-/healthy", Access::kOpen, [](const Request&) { return Text(200, "healthy\n"); });
    router.Post("/-/reload", Access::kProtected,
                [](const Request&) { return Text(200, "done\n"); });
    router.Get("/echo", Access::kProtected, [](const Request& request) {
      std::string text = std::string(request.method) + " " + std::string(request.header("x-test"));
      for (const std::string& value : request.query("collect[]")) text += "," + value;
      return Text(200, text);
    });
    router.Get("/60k", Access::kProtected, [](const Request&) { return Stream(60'000); });
    router.Get("/20m", Access::kProtected, [](const Request&) { return Stream(20'000'000); });
    router.Get("/wait", Access::kProtected, [this](const Request&) {
      gate.Pass();
      return Text(200, "waited\n");
    });
    return router;
  }

  void Start(Router router, const Clock* other = nullptr) {
    const Clock& used = other == nullptr ? *clock : *other;
    auto started = Server::Start({"127.0.0.1:0"}, options, std::move(router),
                                 Runtime{used, log, *pool, registry}, "test");
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  void Start() { Start(Routes()); }

  HttpClient Connect() const { return HttpClient(server->port()); }

  // The value of a counter or gauge, of the series whose label `value` is given; else the sum.
  double Metric(const std::string& name, const std::string& value = {}) const {
    double sum = 0;
    for (const auto& family : registry.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        bool wanted = value.empty();
        for (const auto& label : metric.label) wanted = wanted || label.value == value;
        if (wanted) sum += metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }
  // For what follows an event that the test has seen. False after 30 s.
  bool Await(const std::function<bool()>& condition) const {
    const Mono until = clock->mono() + Millis(30'000);
    while (!condition()) {
      if (clock->mono() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  Gate gate;
  ServerOptions options;
  const std::unique_ptr<Clock> clock = MakeSystemClock();
  std::string lines;  // of the log; to be read when the server is gone
  Log log{*clock, {}, [this](std::string_view line) { lines += line; }};
  prometheus::Registry registry;
  std::optional<Pool> pool{4};
  std::unique_ptr<Server> server;
};

}  // namespace sidecar
