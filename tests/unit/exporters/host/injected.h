#pragma once
// Runs a collector that a test made by itself, with what it needs injected, over a folder that
// stands for a machine. As CollectorUnderTest otherwise, and it keeps what is logged. One thread.
//
//   Injected filesystem(Fixture("vm"), [](const auto& env) { return MakeFilesystem(env, ...); });
//   const CollectorRun run = filesystem.Run();

#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/base/pool.h"
#include "common/log/log.h"
#include "common/metrics/encoder.h"
#include "tests/support/run_collector.h"

namespace sidecar::host {

class Injected {
 public:
  using Maker = std::function<std::unique_ptr<Collector>(const std::shared_ptr<HostEnv>&)>;

  Injected(const std::filesystem::path& machine, const Maker& make, std::string rootfs = "/")
      : env_(std::make_shared<HostEnv>(
            Roots{.procfs = machine / "proc",
                  .sysfs = machine / "sys",
                  .rootfs = std::move(rootfs),
                  .udev_data = machine / "udev"},
            Runtime{.clock = clock_, .log = log_, .pool = pool_, .self = self_})),
        collector_(make(env_)) {}

  CollectorRun Run(Millis timeout = Millis(5'000)) {
    CollectorRun run;
    const auto batch = std::make_shared<Batch>();
    Sink sink(*batch);
    const Scrape scrape(clock_, clock_.mono() + timeout, {}, ++scrapes_);
    run.result = collector_->Collect(scrape, sink);
    if (run.result && batch->failure()) run.result = Fail(*batch->failure());
    if (!run.result) return run;
    batch->Seal();
    run.warnings = batch->warnings();
    run.samples = batch->samples();
    run.text = Encoded(batch, Format::kText);
    run.openmetrics = Encoded(batch, Format::kOpenMetrics);
    return run;
  }

  FakeClock& clock() { return clock_; }
  const std::string& logged() const { return logged_; }

 private:
  static std::string Encoded(const std::shared_ptr<Batch>& batch, Format format) {
    std::string text;
    const auto written =
        Encode({.parts = {batch}, .names = {}}, format, [&](std::string_view piece) -> Result<> {
          text += piece;
          return {};
        });
    return written ? text : "encode: " + written.error().message;
  }

  FakeClock clock_;
  std::string logged_;
  Log log_{clock_, {}, [this](std::string_view line) { logged_ += line; }};
  Pool pool_{2};
  prometheus::Registry self_;
  std::shared_ptr<HostEnv> env_;
  std::unique_ptr<Collector> collector_;
  std::uint64_t scrapes_ = 0;
};

}  // namespace sidecar::host
