#pragma once
// An engine on a clock that stands, with collectors made of functions. One test thread moves the
// clock; helpers wait until other threads have got somewhere, never for a time.
//
//   EngineHarness h;
//   Gate gate;
//   h.Swap({Collects("slow", [&](const Scrape&, Sink&) { gate.Pass(); return Result<>(); })});
//   auto answer = h.GatherLater({.timeout = Millis(500)});
//   gate.AwaitEntered(1);

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/pool.h"
#include "common/collect/engine.h"
#include "common/collect/scheduler.h"
#include "common/log/log.h"
#include "tests/support/fake_clock.h"

namespace sidecar {

// Whoever passes waits until it is open.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++entered_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void Open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Shut() {
    const std::scoped_lock lock(mutex_);
    open_ = false;
  }
  void AwaitEntered(int times) {
    std::unique_lock lock(mutex_);
    const bool came =
        changed_.wait_for(lock, std::chrono::seconds(30), [&] { return entered_ >= times; });
    ASSERT_TRUE(came) << entered_ << " of " << times << " came";
  }
  int entered() {
    const std::scoped_lock lock(mutex_);
    return entered_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int entered_ = 0;
  bool open_ = false;
};

using CollectFn = std::function<Result<>(const Scrape&, Sink&)>;
using RunFn = std::function<Result<>(const Scrape&)>;

struct FnCollector final : Collector {
  explicit FnCollector(CollectFn f, std::function<void()> d = {})
      : fn(std::move(f)), destroyed(std::move(d)) {}
  ~FnCollector() override {
    if (destroyed) destroyed();
  }
  Result<> Collect(const Scrape& scrape, Sink& sink) override { return fn(scrape, sink); }
  CollectFn fn;
  std::function<void()> destroyed;
};
struct FnTask final : Task {
  explicit FnTask(RunFn f, std::function<Mono()> n = nullptr, std::function<Mono()> p = nullptr)
      : fn(std::move(f)), not_before(std::move(n)), put_off(std::move(p)) {}
  Result<> Run(const Scrape& scrape) override { return fn(scrape); }
  Mono NotBefore() const override { return not_before ? not_before() : Mono::min(); }
  Mono PutOff() const override { return put_off ? put_off() : Mono::min(); }
  RunFn fn;
  std::function<Mono()> not_before, put_off;
};

inline Member<Collector> Collects(std::string name, CollectFn fn, Schedule schedule = {},
                                  std::string fingerprint = {}) {
  return {std::move(name), std::move(schedule), std::make_unique<FnCollector>(std::move(fn)),
          std::move(fingerprint)};
}

// One row, of the family "<name>_value".
inline void PutValue(Sink& sink, const std::string& name, double value) {
  auto rows = sink.Declare({name + "_value", "A value.", "", Kind::kGauge, {}});
  ASSERT_TRUE(rows);
  sink.Put(*rows, value, {});
}
inline CollectFn Gives(const std::string& name, double value) {
  return [name, value](const Scrape&, Sink& sink) {
    PutValue(sink, name, value);
    return Result<>();
  };
}

// Polls what no notification tells: the end of a thread, a state.
inline void AwaitTrue(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "it never came true";
    std::this_thread::yield();
  }
}

class EngineHarness {
 public:
  FakeClock clock;

 private:
  std::mutex mutex_;
  std::string log_text_;
  Log log_{clock, {.level = Level::kDebug}, [this](std::string_view line) {
             const std::scoped_lock lock(mutex_);
             log_text_ += line;
           }};
  Pool pool_{1};

 public:
  prometheus::Registry registry;
  std::optional<Engine> engine{std::in_place, Identity{"host", "node", 9100},
                               Runtime{clock, log_, pool_, registry}};

  std::string log() {
    const std::scoped_lock lock(mutex_);
    return log_text_;
  }

  // Lines come after the answer: the log may block, an answer may not.
  void AwaitLogLines(int lines) {
    AwaitTrue([&] {
      const std::string text = log();
      return std::count(text.begin(), text.end(), '\n') >= lines;
    });
  }

  template <class... M>
  static Plan PlanOf(M... members) {
    Plan plan;
    (plan.collectors.push_back(std::move(members)), ...);
    return plan;
  }
  template <class... M>
  void Swap(M... members) {
    engine->Swap(PlanOf(std::move(members)...));
  }

  std::string Gather(const Query& query = {}) {
    auto snapshot = engine->Gather(query);
    if (!snapshot) return "error: " + snapshot.error().message;
    std::string text;
    auto encoded = Encode(*snapshot, Format::kText, [&](std::string_view piece) {
      text += piece;
      return Result<>();
    });
    EXPECT_TRUE(encoded);
    return text;
  }
  std::future<std::string> GatherLater(const Query& query = {}) {
    return std::async(std::launch::async, [this, query] { return Gather(query); });
  }

  // sidecar_collector_<name>_total of a collector and a reason; 0 if there is none.
  double Counted(const std::string& name, const std::string& collector,
                 const std::string& reason) const {
    for (const auto& family : registry.Collect()) {
      if (family.name != "sidecar_collector_" + name + "_total") continue;
      for (const auto& metric : family.metric) {
        std::map<std::string, std::string> labels;
        for (const auto& label : metric.label) labels[label.name] = label.value;
        if (labels["collector"] == collector && labels["reason"] == reason &&
            labels["exporter"] == "host") {
          return metric.counter.value;
        }
      }
    }
    return 0;
  }
  double Errors(const std::string& collector, const std::string& reason) const {
    return Counted("errors", collector, reason);
  }

  MemberStatus StatusOf(const std::string& name) const {
    for (const MemberStatus& status : engine->Status()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no member " << name;
    return {};
  }
  void AwaitState(const std::string& name, const std::string& state) const {
    AwaitTrue([&] { return StatusOf(name).state == state; });
  }
};

// "node_scrape_collector_success{collector="cpu"} 1"
inline std::string Success(const std::string& name, bool success) {
  return "node_scrape_collector_success{collector=\"" + name + "\"} " + (success ? "1\n" : "0\n");
}
inline std::string Value(const std::string& name, const std::string& value) {
  return "\n" + name + "_value " + value + "\n";
}

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

}  // namespace sidecar
