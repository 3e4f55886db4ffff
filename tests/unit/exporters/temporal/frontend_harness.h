#pragma once
// A frontend over a scripted transport, with a budget that never waits and a clock of the test's.
//
//   FrontendHarness temporal("1.32.0");
//   auto count = temporal.frontend->Count(temporal.Scrape(), "default", "");

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "common/base/pool.h"
#include "common/log/log.h"
#include "exporters/temporal/temporal_env.h"
#include "tests/unit/exporters/temporal/scripted_transport.h"

namespace sidecar::temporal {

struct FrontendHarness {
  explicit FrontendHarness(const std::string& version, NamespaceOptions namespaces = {},
                           TemporalOptions options = {}) {
    Answer(*transport, version);
    env = std::make_shared<TemporalEnv>(
        std::move(options), frontend, std::make_shared<Namespaces>(frontend, std::move(namespaces)),
        Runtime{.clock = clock, .log = log, .pool = pool, .self = self});
  }
  sidecar::Scrape Scrape(Millis time = Millis(20'000)) {
    return {clock, clock.mono() + time, stop.get_token(), ++scrapes};
  }

  FakeClock clock;
  std::string logged;
  Log log{clock, {}, [this](std::string_view line) { logged += line; }};
  Pool pool{1};
  prometheus::Registry self;
  std::stop_source stop;
  std::uint64_t scrapes = 0;
  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>();
  std::shared_ptr<RpcMetrics> metrics = std::make_shared<RpcMetrics>(self);
  std::shared_ptr<CallBudget> budget = std::make_shared<CallBudget>(
      BudgetOptions{.visibility = {1e6, 1e6}, .execution = {1e6, 1e6}, .total = {1e6, 1e6}},
      metrics);
  std::shared_ptr<Frontend> frontend = std::make_shared<Frontend>(transport, budget, metrics);
  std::shared_ptr<TemporalEnv> env;
};

}  // namespace sidecar::temporal
