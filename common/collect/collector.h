#pragma once
// The plugin: what a collector is, how it describes itself, and what a configuration becomes.

#include <memory>
#include <string>
#include <vector>

#include "common/collect/scrape.h"
#include "common/config/table_reader.h"
#include "common/metrics/sink.h"

namespace sidecar {

// Never entered twice at once, generations of one name included; kept alive until its last run has
// returned. What it shares with its lane (a session, a buffer) is leased for the run; when stop is
// asked the lease retires it, so that a thread left behind owns its wreck alone.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual Result<> Collect(const Scrape& scrape, Sink& sink) = 0;
};

// Work on its own clock (streams, discovery, sampling). Collectors emit from the state it keeps and
// do no I/O of their own.
class Task {
 public:
  virtual ~Task() = default;
  virtual Result<> Run(const Scrape& scrape) = 0;
  // Until then there is nothing to do, whatever the interval: for a task that mostly looks whether
  // something is due, its wake-ups are its cost. Asked by the run's thread after each run that
  // succeeded.
  virtual Mono NotBefore() const { return Mono::min(); }
  // Asked when that time has come, before a thread is woken: others may have moved it. Under the
  // engine's lock, so it takes no longer than to look at a few numbers. Never during a run.
  virtual Mono PutOff() const { return Mono::min(); }
};

// Keys that the engine reads in every collector's table.
struct Schedule {
  Millis interval{0};  // 0: in the scrape; more: in the background, served with its age
  Millis timeout{5'000};
  Millis max_age{0};  // older results are not served; 0: three intervals
  std::string lane = "main";
  bool leads = false;  // before the others of its lane, whatever they take: is it there at all?
  // Reads memory and waits for nothing, unless Scrape::waits(): the scrape's own thread runs it
  // while the lanes work. No deadline holds for it.
  bool in_memory = false;
  Limits limits{};

  void Read(TableReader& table);  // interval, timeout, max_age, series_limit
};

// `constinit` in the collector's .cc; the build makes a table of them. Env is what the exporter
// lends (roots, session, streams), shared because a run left behind may outlive its generation.
// `make` reads the options (the caller calls Finish) and does no I/O.
template <class Env>
struct CollectorSpec {
  std::string_view name, summary;
  bool on_by_default;
  std::span<const FamilyInfo> families;
  void (*describe)(TableReader&);
  Result<std::unique_ptr<Collector>> (*make)(const std::shared_ptr<Env>&, TableReader&);
  // Of the schedule, where the configuration says nothing.
  Millis interval{0}, timeout{5'000};
};

template <class T>
struct Member {
  std::string name;
  Schedule schedule;
  std::unique_ptr<T> work;
  // What its configuration says, as text: a background member whose name and fingerprint are
  // unchanged keeps its last batch over a reload.
  std::string fingerprint{};
};
// Switched on but not able to run here: shown as sidecar_collector_disabled.
struct DisabledMember {
  std::string name;
  Errc reason;
};
struct Plan {  // one generation
  std::vector<Member<Collector>> collectors;
  std::vector<Member<Task>> tasks;
  std::vector<DisabledMember> disabled{};
};

// A plan from a table of specs: [<exporter>.collectors.<name>] holds `enabled`, the schedule and
// the collector's own options; --collector.NAME and --no-collector.NAME are flags for `enabled`,
// and
// --collector.disable-defaults (disable_defaults in [<exporter>.collectors]) switches off what was
// not named. Over a describing table it makes nothing.
template <class Env>
Result<std::vector<Member<Collector>>> ReadCollectors(
    std::span<const CollectorSpec<Env>* const> specs, const std::shared_ptr<Env>& env,
    TableReader& exporter) {
  std::vector<Member<Collector>> members;
  TableReader all = exporter.Table("collectors");
  bool disable_defaults = false;
  all.Field("disable_defaults", disable_defaults, "Only collectors enabled by name.")
      .Flag("collector.disable-defaults");
  for (const CollectorSpec<Env>* spec : specs) {
    TableReader table = all.Table(spec->name);
    bool enabled = spec->on_by_default && !disable_defaults;
    table.Field("enabled", enabled, spec->summary).Flag("collector." + std::string(spec->name));
    Schedule schedule{.interval = spec->interval, .timeout = spec->timeout};
    schedule.Read(table);
    if (!enabled || table.describing()) {
      spec->describe(table);
      continue;
    }
    auto work = spec->make(env, table);
    if (!work) {
      table.Reject({}, work.error().message);
      continue;
    }
    members.push_back({std::string(spec->name), schedule, std::move(*work), table.Fingerprint()});
  }
  return members;
}

}  // namespace sidecar
