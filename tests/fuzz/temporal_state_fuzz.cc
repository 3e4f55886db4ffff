// A state file is what another version, another program or a failing disk made of it: it is used
// whole or not at all. What can be read is written back and read again.

#include <cstdlib>
#include <memory>
#include <string_view>

#include "exporters/temporal/activity_counters.h"
#include "exporters/temporal/history_sampler.h"
#include "exporters/temporal/state_file.h"
#include "exporters/temporal/stream.h"
#include "exporters/temporal/workflow_counters.h"
#include "tests/support/printable.h"

namespace {

using namespace sidecar;            // NOLINT(google-build-using-namespace)
using namespace sidecar::temporal;  // NOLINT(google-build-using-namespace)

void Require(bool condition) {
  if (!condition) std::abort();
}

template <class Part>
void ReadBack(std::string_view bytes, Part part, Part again) {
  StateReader in(bytes);
  if (!part.Decode(in)) return;
  StateWriter out;
  part.Encode(out);
  StateReader second(out.bytes());
  Require(again.Decode(second) && second.empty());
}

void ReadParts(std::string_view bytes) {
  const auto budget = std::make_shared<SeriesBudget>(45'000);
  ReadBack(bytes, Stream(StreamKind::kStarted), Stream(StreamKind::kStarted));
  ReadBack(bytes, WorkflowCounters(budget), WorkflowCounters(budget));
  ReadBack(bytes, ActivityCounters(budget), ActivityCounters(budget));
  ReadBack(bytes, HistorySampler(), HistorySampler());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto sections = DecodeState(bytes, "127.0.0.1:7233");
  CheckError(sections);
  if (sections) {
    for (const auto& [name, section] : *sections) ReadParts(section->bytes);
  }
  ReadParts(bytes);
  return 0;
}
