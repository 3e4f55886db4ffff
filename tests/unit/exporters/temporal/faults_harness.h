#pragma once
// The streams of one namespace over a real gRPC connection to a fake frontend that serves a
// simulated store, as their task runs them: gates, budget and all. The clock is the test's, and who
// sleeps takes it along, so that a pause of the budget costs no time. One thread, besides gRPC's.
//
//   FaultsHarness temporal("1.31.2");
//   temporal.Add(100);
//   temporal.server->On("ListWorkflowExecutions", [&](const auto& call) -> Reply { ... });
//   temporal.Run(600);
//   temporal.ExpectExact();

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/pool.h"
#include "common/log/log.h"
#include "exporters/temporal/channel.h"
#include "exporters/temporal/streams.h"
#include "exporters/temporal/temporal_env.h"
#include "tests/support/fake_frontend.h"
#include "tests/support/simulated_visibility.h"
#include "tests/unit/exporters/temporal/scripted_transport.h"

namespace sidecar::temporal {

class TakenAlongClock final : public Clock {
 public:
  Mono mono() const override { return fake_.mono(); }
  Wall wall() const override { return fake_.wall(); }
  bool SleepUntil(Mono at, std::stop_token stop) const override {
    if (at > mono()) fake_.Advance(std::chrono::ceil<Millis>(at - mono()));
    return !stop.stop_requested();
  }
  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 Mono at) const override {
    return fake_.WaitUntil(lock, changed, at);
  }
  void Advance(Millis by) { fake_.Advance(by); }

 private:
  mutable FakeClock fake_;
};

// A frontend of some version with one namespace, "default", whose runs are `runs`'.
class FakeStore {
 public:
  using Row = ::temporal::api::workflow::v1::WorkflowExecutionInfo;
  using List = ws::ListWorkflowExecutionsResponse;

  FakeStore(FakeFrontend& server, const std::string& version, std::function<std::int64_t()> now)
      : runs(std::move(now), version >= "1.32" ? Converter::kUnified : Converter::kLegacy) {
    AnswerAs(server, version);
    server.On("ListWorkflowExecutions", [this](const auto& call) { return Answer(call); });
    server.On("CountWorkflowExecutions", [this](const FakeFrontend::Call& call) {
      ws::CountWorkflowExecutionsRequest request;
      EXPECT_TRUE(request.ParseFromString(call.body));
      const auto count = runs.Count(kNoScrape(), request.query());
      if (!count) return Refused(count.error());
      ws::CountWorkflowExecutionsResponse response;
      response.set_count(*count);
      return Ok(response);
    });
    server.On("GetWorkflowExecutionHistoryReverse", [](const FakeFrontend::Call&) {
      return Ok(ws::GetWorkflowExecutionHistoryReverseResponse());
    });
  }

  // The store's answer to a List, whatever else the test's own handler does with it.
  Reply Answer(const FakeFrontend::Call& call) {
    ws::ListWorkflowExecutionsRequest request;
    EXPECT_TRUE(request.ParseFromString(call.body));
    const auto page =
        runs.List(kNoScrape(), request.query(), request.page_size(), request.next_page_token());
    if (!page) return Refused(page.error());
    List response;
    for (const Execution& run : page->rows) Fill(*response.add_executions(), run);
    response.set_next_page_token(page->next_page_token);
    each_page(request.page_size(), response);
    return Ok(response);
  }

  SimulatedVisibility runs;
  std::function<void(Row&)> each_row = [](Row&) {};
  std::function<void(int asked, List&)> each_page = [](int, List&) {};

 private:
  static const Scrape& kNoScrape() {
    static const FakeClock clock;
    static const Scrape scrape(clock, clock.mono(), {}, 1);
    return scrape;
  }
  static Reply Refused(const Error& error) {
    const bool query = error.code == Errc::kUnsupported;
    return {.code = query ? Code::kInvalidArgument : Code::kUnknown, .message = error.message};
  }
  static void AnswerAs(FakeFrontend& server, const std::string& version) {
    ws::GetSystemInfoResponse system;
    system.set_server_version(version);
    system.mutable_capabilities()->set_count_group_by_execution_status(true);
    server.On("GetSystemInfo", [reply = Ok(system)](const auto&) { return reply; });
    ws::GetClusterInfoResponse cluster;
    cluster.set_visibility_store("postgres12");
    server.On("GetClusterInfo", [reply = Ok(cluster)](const auto&) { return reply; });
    ws::DescribeNamespaceResponse described;
    described.mutable_namespace_info()->set_name("default");
    server.On("DescribeNamespace", [reply = Ok(described)](const auto&) { return reply; });
  }
  void Fill(Row& row, const Execution& run) const {
    const auto set = [](auto* stamp, std::int64_t ns) {
      stamp->set_seconds(ns / 1'000'000'000);
      stamp->set_nanos(static_cast<int>(ns % 1'000'000'000));
    };
    row.mutable_execution()->set_workflow_id(run.workflow_id);
    row.mutable_execution()->set_run_id(run.run_id);
    row.mutable_type()->set_name(run.type);
    row.set_task_queue(run.task_queue);
    row.set_status(static_cast<enums::WorkflowExecutionStatus>(run.status));
    set(row.mutable_start_time(), run.start_ns);
    set(row.mutable_execution_time(), run.execution_ns);
    if (run.close_ns != 0) set(row.mutable_close_time(), run.close_ns);
    each_row(row);
  }
};

struct FaultsHarness {
  explicit FaultsHarness(const std::string& version = "1.32.0",
                         std::unique_ptr<FakeFrontend> with = std::make_unique<FakeFrontend>())
      : server(std::move(with)), store(*server, version, [this] { return NowUs(); }) {
    options.late_window = Millis(30'000);
    options.page_size = 7;
    Connect({.address = server->address()});
  }

  void Connect(const ConnectionOptions& connection) {
    const auto frontend = std::make_shared<Frontend>(
        MakeChannel(connection), std::make_shared<CallBudget>(BudgetOptions{}, metrics), metrics);
    env = std::make_shared<TemporalEnv>(
        TemporalOptions{}, frontend,
        std::make_shared<Namespaces>(frontend, NamespaceOptions{.names = {"default"}}),
        Runtime{.clock = clock, .log = log, .pool = pool, .self = self});
  }
  std::int64_t NowUs() const {
    using std::chrono::duration_cast, std::chrono::microseconds;
    return duration_cast<microseconds>(clock.wall().time_since_epoch()).count();
  }
  // Runs from now on, one every `step`; each tenth stays open, the others close in every way.
  void Add(int count, Millis step = Millis(700)) {
    for (int i = 1; i <= count; ++i) {
      const auto number = store.runs.runs.size() + 1;
      SimulatedRun run{.run_id = RunId(number),
                       .start = NowUs() + i * step.count() * 1'000,
                       .status = kOutcomes[number % kOutcomes.size()]};
      if (number % 10 != 0) run.close = run.start + 3 * kSecondUs;
      store.runs.Add(std::move(run));
    }
  }
  // One run of the streams' task.
  Result<> Work() {
    const Scrape scrape(clock, clock.mono() + Millis(60'000), stop.get_token(), ++scrapes);
    Result<> worked = env->streams().Work(*env, options, nullptr, scrape);
    clock.Advance(Millis(2'000));
    return worked;
  }
  // The last error of so many seconds.
  std::optional<Error> Run(int seconds) {
    std::optional<Error> failure;
    const Mono end = clock.mono() + std::chrono::seconds(seconds);
    while (clock.mono() < end) {
      if (auto worked = Work(); !worked) failure = std::move(worked.error());
    }
    return failure;
  }
  NamespaceSnapshot Snapshot() const {
    const auto all = env->streams().snapshots();
    return all.empty() ? NamespaceSnapshot{} : *all.front().second;
  }
  WorkflowCounts Counted() const {
    WorkflowCounts sum;
    for (const auto& row : *Snapshot().workflows.counts) {
      sum.started += row->cell.started;
      for (std::size_t i = 0; i < sum.closed.size(); ++i) sum.closed[i] += row->cell.closed[i];
    }
    return sum;
  }
  // Every run of the store once, nothing given up, and nothing missed that an audit would find.
  void ExpectExact() const {
    WorkflowCounts want;
    for (const SimulatedRun& run : store.runs.runs) {
      ++want.started;
      const auto outcome = std::ranges::find(kOutcomes, run.status);
      if (run.close != 0) ++want.closed.at(static_cast<std::size_t>(outcome - kOutcomes.begin()));
    }
    const WorkflowCounts counted = Counted();
    EXPECT_EQ(counted.started, want.started);
    EXPECT_EQ(counted.closed, want.closed);
    const NamespaceSnapshot snapshot = Snapshot();
    for (const StreamStats& stream : {snapshot.started, snapshot.closed}) {
      EXPECT_EQ(stream.missing + stream.extra + stream.dropped_window, 0U);
      EXPECT_EQ(stream.gap_seconds, 0);
      EXPECT_GT(stream.audited, 0U);
    }
  }
  // Of the exporter's own counter `name`, the rows that have these labels.
  double Own(const std::string& name, const std::map<std::string, std::string>& labels) const {
    double sum = 0;
    for (const auto& family : self.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        const auto has = [&metric](const auto& wanted) {
          return std::ranges::any_of(metric.label, [&wanted](const auto& label) {
            return label.name == wanted.first && label.value == wanted.second;
          });
        };
        if (std::ranges::all_of(labels, has)) sum += metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }
  std::vector<std::string> Shut() const {
    std::vector<std::string> names;
    for (const auto& gate : env->gates().shut()) names.push_back(gate.collector);
    return names;
  }

  TakenAlongClock clock;
  std::string logged;
  Log log{clock, {}, [this](std::string_view line) { logged += line; }};
  Pool pool{1};
  prometheus::Registry self;
  std::stop_source stop;
  std::uint64_t scrapes = 0;
  std::shared_ptr<RpcMetrics> metrics = std::make_shared<RpcMetrics>(self);
  StreamOptions options;
  std::unique_ptr<FakeFrontend> server;
  FakeStore store;
  std::shared_ptr<TemporalEnv> env;
};

}  // namespace sidecar::temporal
