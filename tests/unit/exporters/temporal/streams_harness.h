#pragma once
// Several namespaces of a simulated server behind the scripted transport: what the streams, their
// task and their collectors do over the real frontend code, in memory, on the test's clock.
//
//   StreamsHarness temporal({"a", "b"});
//   temporal.Closes("a", 1, kSecondUs);
//   temporal.Run(std::chrono::minutes(3));
//   EXPECT_THAT(temporal.Collect("workflows").text, ...);

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/document.h"
#include "common/metrics/encoder.h"
#include "exporters/temporal/streams.h"
#include "temporal/api/history/v1/message.pb.h"
#include "tests/support/simulated_visibility.h"
#include "tests/unit/exporters/temporal/frontend_harness.h"

namespace sidecar::temporal {

struct Collected {
  Result<> result;
  std::vector<Error> warnings;
  std::string text;
};

// One run of a collector of the table with its default options.
inline Collected CollectOnce(FrontendHarness& temporal, std::string_view name, Limits limits = {}) {
  auto document = Document::Load({.file = {}, .dir = {}, .environment = {}, .flags = {}});
  TableReader table = document->Root();
  std::unique_ptr<Collector> collector;
  for (const auto* spec : Collectors()) {
    if (spec->name == name) collector = std::move(*spec->make(temporal.env, table));
  }
  const auto batch = std::make_shared<Batch>();
  Sink sink(*batch, limits);
  Collected collected{
      .result = collector->Collect(temporal.Scrape(), sink), .warnings = {}, .text = {}};
  if (collected.result && batch->failure()) collected.result = Fail(*batch->failure());
  collected.warnings = batch->warnings();
  if (!collected.result) return collected;
  batch->Seal();
  EXPECT_TRUE(Encode({.parts = {batch}, .names = {}}, Format::kText,
                     [&](std::string_view piece) -> Result<> {
                       collected.text += piece;
                       return {};
                     }));
  return collected;
}

// The sum of a family's samples whose labels contain `labels`; -1: there is none.
inline double SumOf(const std::string& text, const std::string& family,
                    const std::string& labels = "") {
  double sum = 0;
  bool found = false;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    if (!line.starts_with(family + "{") || line.find(labels) == std::string::npos) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
    found = true;
  }
  return found ? sum : -1;
}

struct StreamsHarness : FrontendHarness {
  static constexpr std::int64_t kStart = 1'767'225'600 * kSecondUs;  // FakeClock's

  explicit StreamsHarness(const std::vector<std::string>& names, bool discovered = false,
                          TemporalOptions own = {})
      : FrontendHarness("1.32.0", {.names = discovered ? std::vector<std::string>() : names},
                        std::move(own)) {
    for (const std::string& name : names) AddNamespace(name);
    transport->On("ListWorkflowExecutions",
                  [this](const Request& request) { return List(request); });
    transport->On("CountWorkflowExecutions",
                  [this](const Request& request) { return Count(request); });
    ServeNames();
    transport->On("GetWorkflowExecutionHistoryReverse",
                  [](const Request&) { return OneActivity(); });
  }

  void ServeNames() {
    transport->On("ListNamespaces", [this](const Request&) { return ListOfNames(); });
  }
  void AddNamespace(const std::string& name) {
    servers[name] =
        std::make_unique<SimulatedVisibility>([this] { return Now(); }, Converter::kUnified);
  }
  std::int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(clock.wall().time_since_epoch())
        .count();
  }
  // A run that started 10 s before it closes, `at` after the start of the test.
  void Closes(const std::string& name, std::uint64_t id, std::int64_t at,
              const std::string& type = "Order", const std::string& queue = "orders") {
    SimulatedRun run;
    run.run_id = RunId(id);
    run.start = kStart + at - 10 * kSecondUs;
    run.close = kStart + at;
    run.type = type;
    run.queue = queue;
    servers.at(name)->Add(run);
  }
  Result<> Work(StateFile* state = nullptr) {
    return env->streams().Work(*env, options, state, Scrape(Millis(60'000)));
  }
  // As the task does, every 2 s; a scrape of `workflows` sees each value.
  void Run(Millis time, StateFile* state = nullptr) {
    for (Millis passed{0}; passed < time; passed += Millis(2'000)) {
      static_cast<void>(Work(state));
      static_cast<void>(CollectOnce(*this, "workflows", {.series = 10'000'000}));
      clock.Advance(Millis(2'000));
    }
  }

  // Whether a metric of the exporter's own names the namespace.
  bool Names(const std::string& name) const {
    for (const auto& family : self.Collect()) {
      for (const auto& metric : family.metric) {
        for (const auto& label : metric.label) {
          if (label.name == "temporal_namespace" && label.value == name) return true;
        }
      }
    }
    return false;
  }

  std::function<std::optional<Reply>(const Request&)> refused = [](const Request&) {
    return std::nullopt;
  };
  StreamOptions options;
  std::map<std::string, std::unique_ptr<SimulatedVisibility>> servers;

 private:
  static Reply OneActivity() {
    ws::GetWorkflowExecutionHistoryReverseResponse response;
    const auto add = [&](enums::EventType type, std::int64_t second) {
      auto* const event = response.mutable_history()->add_events();
      event->set_event_type(type);
      event->mutable_event_time()->set_seconds(1'767'225'600 + second);
      return event;
    };
    add(enums::EVENT_TYPE_ACTIVITY_TASK_COMPLETED, 3)
        ->mutable_activity_task_completed_event_attributes()
        ->set_scheduled_event_id(5);
    auto* const started = add(enums::EVENT_TYPE_ACTIVITY_TASK_STARTED, 2)
                              ->mutable_activity_task_started_event_attributes();
    started->set_scheduled_event_id(5);
    started->set_attempt(1);
    auto* const scheduled = add(enums::EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, 1);
    scheduled->set_event_id(5);
    auto* const attributes = scheduled->mutable_activity_task_scheduled_event_attributes();
    attributes->mutable_activity_type()->set_name("charge");
    attributes->mutable_task_queue()->set_name("cards");
    return Ok(response);
  }
  Reply ListOfNames() const {
    ws::ListNamespacesResponse response;
    for (const auto& [name, server] : servers) {
      auto* const info = response.add_namespaces()->mutable_namespace_info();
      info->set_name(name);
      info->set_state(enums::NAMESPACE_STATE_REGISTERED);
    }
    return Ok(response);
  }
  template <class Time>
  static void Set(std::int64_t ns, Time* time) {
    time->set_seconds(ns / 1'000'000'000);
    time->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
  }
  Reply List(const Request& request) {
    ws::ListWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    if (auto reply = refused(request)) return *reply;
    auto page = servers.at(asked.namespace_())
                    ->List(Scrape(), asked.query(), asked.page_size(), asked.next_page_token());
    if (!page) return {.code = Code::kInternal, .message = page.error().message};
    ws::ListWorkflowExecutionsResponse response;
    for (const Execution& run : page->rows) {
      auto* const row = response.add_executions();
      row->mutable_execution()->set_workflow_id(run.workflow_id);
      row->mutable_execution()->set_run_id(run.run_id);
      row->mutable_type()->set_name(run.type);
      row->set_task_queue(run.task_queue);
      row->set_status(static_cast<enums::WorkflowExecutionStatus>(run.status));
      Set(run.start_ns, row->mutable_start_time());
      Set(run.execution_ns, row->mutable_execution_time());
      if (run.close_ns != 0) Set(run.close_ns, row->mutable_close_time());
    }
    response.set_next_page_token(page->next_page_token);
    return Ok(response);
  }
  Reply Count(const Request& request) {
    ws::CountWorkflowExecutionsRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    if (auto reply = refused(request)) return *reply;
    auto count = servers.at(asked.namespace_())->Count(Scrape(), asked.query());
    if (!count) return {.code = Code::kInternal, .message = count.error().message};
    ws::CountWorkflowExecutionsResponse response;
    response.set_count(*count);
    return Ok(response);
  }
};

}  // namespace sidecar::temporal
