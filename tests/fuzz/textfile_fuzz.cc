// Any bytes as a file for textfile: what is accepted goes into a batch without failure, and both
// formats of it pass the strict parser.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_set>

#include "common/metrics/encoder.h"
#include "exporters/host/exposition_reader.h"
#include "tests/support/exposition_parser.h"

namespace {

using namespace sidecar;

void Check(const std::shared_ptr<const Batch>& batch, Format format) {
  std::string text;
  const auto encoded =
      Encode({.parts = {batch}, .names = {}}, format, [&](std::string_view piece) -> Result<> {
        text += piece;
        return {};
      });
  if (!encoded) std::abort();
  const auto parsed = ParseExposition(text, format);
  if (parsed) return;
  std::fprintf(stderr, "%s\n%s\n", parsed.error().message.c_str(), text.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto metrics = host::ReadExposition(std::string(reinterpret_cast<const char*>(data), size));
  if (!metrics) return 0;
  const auto batch = std::make_shared<Batch>();
  Sink sink(*batch);
  std::unordered_set<std::string> seen;
  for (const host::ForeignFamily& family : (*metrics)->families) {
    std::vector<std::uint32_t> without;
    for (std::uint32_t i = 0; i < family.rows.size(); ++i) {
      if (!seen.insert((*metrics)->Identity(family, family.rows[i])).second) without.push_back(i);
    }
    if (!(*metrics)->Put(family, family.help.value_or("none"), without, sink)) std::abort();
  }
  if (batch->failure()) {
    std::fprintf(stderr, "%s\n", batch->failure()->message.c_str());
    std::abort();
  }
  if (batch->Seal() != 0) std::abort();
  Check(batch, Format::kText);
  Check(batch, Format::kOpenMetrics);
  return 0;
}
