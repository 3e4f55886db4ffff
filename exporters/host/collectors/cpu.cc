// CPU time from /proc/stat (proc(5)), throttling and states from sysfs, under node_exporter's
// names.

#include <re2/re2.h>

#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "exporters/host/cpu_topology.h"
#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kSeconds =
    Counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "cpu", "mode");
constexpr auto kGuest =
    Counter("node_cpu_guest_seconds_total",
            "Seconds the CPUs spent in guests; contained in user and nice.", "cpu", "mode");
constexpr auto kCoreThrottles =
    Counter("node_cpu_core_throttles_total", "How often the core was throttled because of heat.",
            "package", "core");
constexpr auto kPackageThrottles =
    Counter("node_cpu_package_throttles_total",
            "How often the package was throttled because of heat.", "package");
constexpr auto kOnline =
    Gauge("node_cpu_online", "Whether the CPU is online; absent where none can be offline.", "cpu");
constexpr auto kIsolated =
    Gauge("node_cpu_isolated", "A CPU that the scheduler leaves alone; always 1.", "cpu");
constexpr auto kInfo =
    Gauge("node_cpu_info", "The CPU as /proc/cpuinfo has it; always 1.", "package", "core", "cpu",
          "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize");
constexpr auto kFlag =
    Gauge("node_cpu_flag_info", "A flag of the first CPU in /proc/cpuinfo; always 1.", "flag");
constexpr auto kBug =
    Gauge("node_cpu_bug_info", "A bug of the first CPU in /proc/cpuinfo; always 1.", "bug");
constexpr auto kFrequency =
    Gauge("node_cpu_frequency_hertz", "The CPU's present frequency.", "package", "core", "cpu");
constexpr FamilyInfo kFamilies[] = {
    kSeconds.info(), kGuest.info(),    kCoreThrottles.info(), kPackageThrottles.info(),
    kOnline.info(),  kIsolated.info(), kInfo.info(),          kFlag.info(),
    kBug.info(),     kFrequency.info()};

constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                    "iowait", "irq",  "softirq", "steal"};
static_assert(kModes.size() == CpuTicks::kGuest);
constexpr double kTicksPerSecond = 100;  // USER_HZ is 100 on every Linux

struct Options {
  bool guest = true, info = false;
  std::string flags_include, bugs_include;
  void Read(TableReader& table) {
    table.Field("guest", guest, "Adds node_cpu_guest_seconds_total.").Flag("collector.cpu.guest");
    table.Field("info", info, "Adds node_cpu_info and the frequency, from /proc/cpuinfo.")
        .Flag("collector.cpu.info");
    table
        .Field("info_flags_include", flags_include,
               "Adds node_cpu_flag_info of matching flags: a regular expression; implies info.")
        .Flag("collector.cpu.info.flags-include");
    table
        .Field("info_bugs_include", bugs_include,
               "Adds node_cpu_bug_info of matching bugs: a regular expression; implies info.")
        .Flag("collector.cpu.info.bugs-include");
    info |= !flags_include.empty() || !bugs_include.empty();
  }
};

// What the counters showed, so that they do not go back: iowait and idle of a CPU are estimates
// that the kernel takes back by some ticks (node_exporter #1686).
class Ratchet {
 public:
  // Lifts `rows` to what was shown before. True when CPUs came or went.
  bool Apply(std::vector<CpuTicks>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (const CpuTicks* before = Find(rows[i].cpu, i)) Lift(rows[i], *before);
    }
    const bool changed = !std::ranges::equal(rows, shown_, {}, &CpuTicks::cpu, &CpuTicks::cpu);
    shown_ = rows;
    return changed;
  }

 private:
  static constexpr std::uint64_t kReset = 300;  // ticks: 3 s

  const CpuTicks* Find(std::uint32_t cpu, std::size_t likely) const {
    if (likely < shown_.size() && shown_[likely].cpu == cpu) return &shown_[likely];
    const auto found = std::ranges::find(shown_, cpu, &CpuTicks::cpu);
    return found == shown_.end() ? nullptr : &*found;
  }
  static void Lift(CpuTicks& row, const CpuTicks& before) {
    // Idle far back is a CPU that was away and counts from zero.
    const std::uint64_t idle = row.ticks[CpuTicks::kIdle];
    const std::uint64_t idle_before = before.ticks[CpuTicks::kIdle];
    if (idle_before > idle && idle_before - idle >= kReset) return;
    for (std::size_t i = 0; i < row.ticks.size(); ++i) {
      row.ticks[i] = std::max(row.ticks[i], before.ticks[i]);
    }
  }

  std::vector<CpuTicks> shown_;
};

// /proc/cpuinfo. Off by default: on large x86 machines a read costs milliseconds.
class Cpuinfo {
 public:
  using Filter = std::unique_ptr<const RE2>;  // none: nothing
  Cpuinfo(const HostEnv& env, Filter flags, Filter bugs)
      : file_(env.Proc("cpuinfo"), {.records = true}),
        flags_(std::move(flags)),
        bugs_(std::move(bugs)) {}

  Result<> Add(Sink& sink) {
    const auto text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    std::string_view rest = *text;
    bool first = true;
    while (const auto cpu = NextCpuInfo(rest)) {
      sink.Add(kInfo, 1, cpu->package, cpu->core, cpu->processor, cpu->vendor, cpu->family,
               cpu->model, cpu->model_name, cpu->microcode, cpu->stepping, cpu->cache_size);
      if (const auto mhz = ParseNumber<double>(cpu->mhz); mhz && std::isfinite(*mhz)) {
        sink.Add(kFrequency, *mhz * 1e6, cpu->package, cpu->core, cpu->processor);
      }
      if (std::exchange(first, false)) {
        AddWords(kFlag, cpu->flags, flags_, sink);
        AddWords(kBug, cpu->bugs, bugs_, sink);
      }
    }
    return {};
  }

 private:
  template <class F>
  static void AddWords(const F& family, std::string_view words, const Filter& filter, Sink& sink) {
    if (!filter) return;
    for (auto word = NextField(words); !word.empty(); word = NextField(words)) {
      if (RE2::PartialMatch(re2::StringPiece(word.data(), word.size()), *filter)) {
        sink.Add(family, 1, word);
      }
    }
  }

  KeptFile file_;
  Filter flags_, bugs_;
};

class Cpu final : public Collector {
 public:
  Cpu(std::shared_ptr<HostEnv> env, bool guest, std::optional<Cpuinfo> info)
      : env_(std::move(env)),
        guest_(guest),
        path_(env_->Proc("stat")),
        topology_(env_->Sys("devices/system/cpu")),
        info_(std::move(info)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    const auto shared = env_->Stat(scrape);
    if (!shared) return Fail(shared.error());
    if (auto parsed = ParseRows(**shared); !parsed) return parsed;
    scan_ |= ratchet_.Apply(rows_);
    if (std::exchange(scan_, false)) topology_.Scan();
    for (const CpuTicks& row : rows_) AddRow(row, sink);
    AddTopology(sink);
    if (!info_) return {};
    if (auto added = info_->Add(sink); !added) sink.Warn(std::move(added.error()));
    return {};
  }

 private:
  Result<> ParseRows(std::string_view stat) {
    const auto text = Whole(path_, stat);
    if (!text) return Fail(text.error());
    rows_.clear();
    for (std::string_view rest = *text; rest.starts_with("cpu");) {
      auto row = ParseCpuTicks(*NextLine(rest));
      if (!row) return Fail(std::move(row.error()).Wrap(path_));
      if (*row) rows_.push_back(**row);
    }
    if (rows_.empty()) return Fail(Errc::kParse, path_ + ": no line of a CPU");
    return {};
  }

  // One row feeds two families; the batch keeps them apart.
  void AddRow(const CpuTicks& row, Sink& sink) const {
    const auto seconds = [&](std::size_t column) {
      return static_cast<double>(row.ticks[column]) / kTicksPerSecond;
    };
    const std::string cpu = std::to_string(row.cpu);  // within the string's own 15 bytes
    for (std::size_t i = 0; i < kModes.size(); ++i) sink.Add(kSeconds, seconds(i), cpu, kModes[i]);
    if (!guest_) return;
    sink.Add(kGuest, seconds(CpuTicks::kGuest), cpu, "user");
    sink.Add(kGuest, seconds(CpuTicks::kGuestNice), cpu, "nice");
  }

  void AddTopology(Sink& sink) {
    for (CpuTopology::Throttle& throttle : topology_.throttles()) {
      const auto text = throttle.file.Read();
      const auto count =
          text ? ParseNumber<std::uint64_t>(text->substr(0, text->find('\n'))) : std::nullopt;
      if (!count) {
        scan_ = true;  // its CPU has left: ask another of the core in the next scrape
      } else if (throttle.core.empty()) {
        sink.Add(kPackageThrottles, *count, throttle.package);
      } else {
        sink.Add(kCoreThrottles, *count, throttle.package, throttle.core);
      }
    }
    if (auto states = topology_.Online()) {
      for (const auto& [cpu, online] : *states) sink.Add(kOnline, online, std::to_string(cpu));
    } else if (states.error().code != Errc::kNoData) {
      sink.Warn(std::move(states.error()));
    }
    for (const std::uint32_t cpu : topology_.isolated()) {
      sink.Add(kIsolated, 1, std::to_string(cpu));
    }
  }

  std::shared_ptr<HostEnv> env_;  // a run left behind may outlive the generation
  bool guest_;
  std::string path_;
  std::vector<CpuTicks> rows_;
  Ratchet ratchet_;
  CpuTopology topology_;
  bool scan_ = true;
  std::optional<Cpuinfo> info_;
};

Cpuinfo::Filter ReadFilter(std::string_view key, const std::string& pattern, TableReader& table) {
  if (pattern.empty()) return nullptr;
  auto filter = std::make_unique<const RE2>(pattern, RE2::Quiet);
  if (!filter->ok()) table.Reject(key, "not a regular expression: " + filter->error());
  return filter;
}

}  // namespace

extern constinit const CollectorSpec<HostEnv> cpu_collector{
    .name = "cpu",
    .summary = "CPU time by mode, throttling, online and isolated CPUs.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader& table) { Options{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      Options options;
      options.Read(table);
      auto flags = ReadFilter("info_flags_include", options.flags_include, table);
      auto bugs = ReadFilter("info_bugs_include", options.bugs_include, table);
      std::optional<Cpuinfo> info;
      if (options.info) info.emplace(*env, std::move(flags), std::move(bugs));
      return std::make_unique<Cpu>(env, options.guest, std::move(info));
    }};

}  // namespace sidecar::host
