// The strict parser shall survive anything. What it accepts is put into a batch as far as a batch
// can hold it, encoded, and parsed again: the series are the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/sink.h"
#include "tests/support/exposition_parser.h"

namespace sidecar {
namespace {

std::string EncodeAs(const Snapshot& snapshot, Format format) {
  std::string text;
  const auto encoded = Encode(snapshot, format, [&](std::string_view piece) {
    text += piece;
    return Result<>{};
  });
  if (!encoded) std::abort();
  return text;
}

// Every sample as a number of its own; le and quantile are labels like others.
void Fill(Sink& sink, const Exposition& exposition) {
  for (const ParsedFamily& family : exposition.families) {
    for (const ParsedSample& sample : family.samples) {
      const bool counter = family.type == "counter";
      const auto handle = sink.Declare(
          {sample.name, family.help, {}, counter ? Kind::kCounter : Kind::kUnknown, {}});
      if (!handle) continue;
      const std::vector<LabelPair> labels(sample.labels.begin(), sample.labels.end());
      sink.PutForeign(*handle, sample.value, labels);
    }
  }
}

void Check(std::string_view text, Format format) {
  const auto parsed = ParseExposition(text, format);
  if (!parsed) return;
  Batch batch;
  Sink sink(batch);
  Fill(sink, *parsed);
  batch.Seal();
  if (batch.failure()) return;  // a bound
  Snapshot snapshot;
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  const auto again = ParseExposition(EncodeAs(snapshot, Format::kText), Format::kText);
  const auto other =
      ParseExposition(EncodeAs(snapshot, Format::kOpenMetrics), Format::kOpenMetrics);
  if (!again || !other || again->Series() != other->Series()) std::abort();
  const auto before = parsed->Series();
  for (const std::string& series : again->Series()) {
    if (!before.contains(series)) std::abort();
  }
}

}  // namespace
}  // namespace sidecar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  sidecar::Check(text, sidecar::Format::kText);
  sidecar::Check(text, sidecar::Format::kOpenMetrics);
  return 0;
}
