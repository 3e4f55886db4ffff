// Time lost to a lack of CPU, memory or I/O from /proc/pressure (Documentation/accounting/psi.rst),
// under node_exporter's names. The cpu file's full line is not exported, as there.

#include <optional>
#include <utility>

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kCpuWaiting = Counter("node_pressure_cpu_waiting_seconds_total",
                                     "Seconds in which some task waited for a CPU.");
constexpr auto kIoWaiting =
    Counter("node_pressure_io_waiting_seconds_total", "Seconds in which some task waited for I/O.");
constexpr auto kIoStalled = Counter("node_pressure_io_stalled_seconds_total",
                                    "Seconds in which every task waited for I/O.");
constexpr auto kMemoryWaiting = Counter("node_pressure_memory_waiting_seconds_total",
                                        "Seconds in which some task waited for memory.");
constexpr auto kMemoryStalled = Counter("node_pressure_memory_stalled_seconds_total",
                                        "Seconds in which every task waited for memory.");
constexpr auto kIrqStalled = Counter("node_pressure_irq_stalled_seconds_total",
                                     "Seconds in which interrupts kept every task waiting.");
constexpr FamilyInfo kFamilies[] = {kCpuWaiting.info(),    kIoWaiting.info(),
                                    kIoStalled.info(),     kMemoryWaiting.info(),
                                    kMemoryStalled.info(), kIrqStalled.info()};

// Divided twice as node_exporter does: the last bit of the quotient agrees.
double Seconds(std::uint64_t micros) { return static_cast<double>(micros) / 1000 / 1000; }

class PressureCollector final : public Collector {
 public:
  explicit PressureCollector(const HostEnv& env)
      : cpu_(env.Proc("pressure/cpu"), kOptions),
        io_(env.Proc("pressure/io"), kOptions),
        memory_(env.Proc("pressure/memory"), kOptions),
        irq_(std::in_place, env.Proc("pressure/irq"), kOptions) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    // Absent are all (no CONFIG_PSI; with psi=0 a read is EOPNOTSUPP) or irq alone (before 6.1).
    bool any = false;
    const auto add = [&](KeptFile& file, const auto* waiting, const auto* stalled) -> Result<> {
      const auto text = Whole(file.path(), file.Read());
      if (!text && text.error().code == Errc::kNoData) return {};
      if (!text) return Fail(text.error());
      auto pressure = ParsePressure(*text);
      if (!pressure) return Fail(std::move(pressure.error()).Wrap(file.path()));
      any = true;
      if (waiting && pressure->some) sink.Add(*waiting, Seconds(*pressure->some));
      if (stalled && pressure->full) sink.Add(*stalled, Seconds(*pressure->full));
      return {};
    };
    constexpr const decltype(kCpuWaiting)* kNone = nullptr;
    if (auto added = add(cpu_, &kCpuWaiting, kNone); !added) return added;
    if (auto added = add(io_, &kIoWaiting, &kIoStalled); !added) return added;
    if (auto added = add(memory_, &kMemoryWaiting, &kMemoryStalled); !added) return added;
    if (irq_) {
      const bool others = std::exchange(any, false);
      if (auto added = add(*irq_, kNone, &kIrqStalled); !added) return added;
      if (others && !any) irq_.reset();  // a kernel before 6.1 or without it: ask no more
      any |= others;
    }
    if (!any) return Fail(Errc::kNoData, cpu_.path() + ": no pressure stall information");
    return {};
  }

 private:
  static constexpr FileOptions kOptions{.max_bytes = 4096, .optional = true};

  KeptFile cpu_, io_, memory_;
  std::optional<KeptFile> irq_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> pressure_collector{
    .name = "pressure",
    .summary = "Pressure stall information: time lost to a lack of CPU, memory, I/O.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader&) -> Result<std::unique_ptr<Collector>> {
      return std::make_unique<PressureCollector>(*env);
    }};

}  // namespace sidecar::host
