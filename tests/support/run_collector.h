#pragma once
// Runs one collector of the host exporter over a folder that stands for a machine, as the engine
// would: options from TOML, a scrape, its batch, both formats. Time comes from a FakeClock. One
// thread; the collector and its environment live as long as the CollectorUnderTest, so that a
// second Run sees the state of the first.
//
//   CollectorUnderTest cpu("cpu", Fixture("vm"), "guest = false");
//   ExpectGolden(cpu.Run(), "cpu");

#include <cstdint>
#include <filesystem>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/batch.h"
#include "exporters/host/host_env.h"
#include "tests/support/fake_clock.h"

namespace sidecar::host {

struct CollectorRun {
  Result<> result;              // what Collect returned, or the bound that its batch passed
  std::vector<Error> warnings;  // parts that are missing
  std::size_t samples = 0;
  std::string text, openmetrics;  // of a run without failure, else empty
};

// That the run succeeded without warnings and its two texts are tests/golden/host/NAME.prom and
// NAME.om.
void ExpectGolden(const CollectorRun& run, const std::string& name,
                  std::source_location caller = std::source_location::current());

// tests/fixtures/host/NAME: its folders proc, sys, rootfs and udev are the roots.
std::filesystem::path Fixture(std::string_view name);

class CollectorUnderTest {
 public:
  // `options` is the text of the table [host.collectors.NAME]; faults in it fail every Run.
  CollectorUnderTest(std::string_view name, const std::filesystem::path& machine,
                     const std::string& options = {});
  ~CollectorUnderTest();
  CollectorUnderTest(const CollectorUnderTest&) = delete;
  CollectorUnderTest& operator=(const CollectorUnderTest&) = delete;

  CollectorRun Run();  // each is a scrape of its own, 5 s of fake time at most
  FakeClock& clock();  // its wall clock starts at 2026-01-01T00:00:00Z
  HostEnv& env();
  Batch& batch();  // of the last Run

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One run of a fresh collector.
CollectorRun RunCollector(std::string_view name, const std::filesystem::path& machine,
                          const std::string& options = {});

// A machine of a test's own: a temporary folder, removed at the end.
class ScratchMachine {
 public:
  ScratchMachine();
  // A copy of a fixture to change.
  explicit ScratchMachine(std::string_view fixture);
  ~ScratchMachine();
  ScratchMachine(const ScratchMachine&) = delete;
  ScratchMachine& operator=(const ScratchMachine&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void Write(std::string_view file, std::string_view text) const;  // "proc/stat"; in place
  void Remove(std::string_view file) const;                        // a file or a folder

 private:
  std::filesystem::path path_;
};

}  // namespace sidecar::host
