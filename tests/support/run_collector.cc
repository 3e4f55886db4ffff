#include "tests/support/run_collector.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <stdlib.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

#include "common/base/pool.h"
#include "common/config/document.h"
#include "common/log/log.h"
#include "common/metrics/encoder.h"
#include "tests/support/golden.h"

namespace sidecar::host {
namespace {

namespace fs = std::filesystem;

std::string Encoded(const std::shared_ptr<const Batch>& batch, Format format) {
  std::string text;
  const auto written =
      Encode({.parts = {batch}, .names = {}}, format, [&](std::string_view piece) -> Result<> {
        text += piece;
        return {};
      });
  return written ? text : "encode: " + written.error().message;
}

Result<std::unique_ptr<Collector>> Make(std::string_view name, const std::shared_ptr<HostEnv>& env,
                                        const std::string& options, const ScratchMachine& scratch) {
  scratch.Write("options.toml", options);
  auto document = Document::Load(
      {.file = scratch.path() / "options.toml", .dir = {}, .environment = {}, .flags = {}});
  if (!document) return Fail(std::move(document.error()));
  TableReader table = document->Root();
  for (const CollectorSpec<HostEnv>* spec : Collectors()) {
    if (spec->name != name) continue;
    auto collector = spec->make(env, table);
    if (!collector) return Fail(std::move(collector.error()));
    if (auto read = table.Finish(); !read) return Fail(std::move(read.error()));
    return collector;
  }
  return Fail(Errc::kConfig, "no collector of the name " + std::string(name));
}

}  // namespace

struct CollectorUnderTest::Impl {
  explicit Impl(const fs::path& machine)
      : env(std::make_shared<HostEnv>(
            Roots{.procfs = machine / "proc",
                  .sysfs = machine / "sys",
                  .rootfs = machine / "rootfs",
                  .udev_data = machine / "udev"},
            Runtime{.clock = clock, .log = log, .pool = pool, .self = self})) {}

  FakeClock clock;
  Log log{clock, {}, [](std::string_view) {}};
  Pool pool{2};
  prometheus::Registry self;
  ScratchMachine scratch;
  std::shared_ptr<HostEnv> env;
  std::unique_ptr<Collector> collector;
  std::optional<Error> faults;  // of the options
  std::shared_ptr<Batch> batch = std::make_shared<Batch>();
  std::uint64_t scrapes = 0;
};

CollectorUnderTest::CollectorUnderTest(std::string_view name, const fs::path& machine,
                                       const std::string& options)
    : impl_(std::make_unique<Impl>(machine)) {
  auto made = Make(name, impl_->env, options, impl_->scratch);
  if (made) {
    impl_->collector = std::move(*made);
  } else {
    impl_->faults = std::move(made.error());
  }
}
CollectorUnderTest::~CollectorUnderTest() = default;

CollectorRun CollectorUnderTest::Run() {
  CollectorRun run;
  impl_->batch->Clear();
  if (impl_->faults) {
    run.result = Fail(*impl_->faults);
    return run;
  }
  const Scrape scrape(impl_->clock, impl_->clock.mono() + std::chrono::seconds(5), {},
                      ++impl_->scrapes);
  Sink sink(*impl_->batch);
  run.result = impl_->collector->Collect(scrape, sink);
  if (run.result && impl_->batch->failure()) run.result = Fail(*impl_->batch->failure());
  if (!run.result) return run;
  impl_->batch->Seal();
  run.warnings = impl_->batch->warnings();
  run.samples = impl_->batch->samples();
  run.text = Encoded(impl_->batch, Format::kText);
  run.openmetrics = Encoded(impl_->batch, Format::kOpenMetrics);
  return run;
}

FakeClock& CollectorUnderTest::clock() { return impl_->clock; }
HostEnv& CollectorUnderTest::env() { return *impl_->env; }
Batch& CollectorUnderTest::batch() { return *impl_->batch; }

CollectorRun RunCollector(std::string_view name, const fs::path& machine,
                          const std::string& options) {
  return CollectorUnderTest(name, machine, options).Run();
}

void ExpectGolden(const CollectorRun& run, const std::string& name, std::source_location caller) {
  ASSERT_TRUE(run.result) << name << ": " << run.result.error().message;
  for (const Error& warning : run.warnings) ADD_FAILURE() << name << ": " << warning.message;
  sidecar::ExpectGolden(run.text, "host/" + name + ".prom", caller);
  sidecar::ExpectGolden(run.openmetrics, "host/" + name + ".om", caller);
}

fs::path Fixture(std::string_view name) {
  return fs::path(SIDECAR_TESTS_DIR) / "fixtures" / "host" / name;
}

ScratchMachine::ScratchMachine() {
  std::string name = fs::temp_directory_path() / "sidecar-machine-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  path_ = name;
}
ScratchMachine::ScratchMachine(std::string_view fixture) : ScratchMachine() {
  fs::copy(Fixture(fixture), path_, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
}
ScratchMachine::~ScratchMachine() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void ScratchMachine::Write(std::string_view file, std::string_view text) const {
  const fs::path target = path_ / file;
  fs::create_directories(target.parent_path());
  std::ofstream out(target, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush()) throw std::runtime_error("write " + target.string());
}

void ScratchMachine::Remove(std::string_view file) const { fs::remove_all(path_ / file); }

}  // namespace sidecar::host
