// Any Accept header gets one of our content types, and the one of its format.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/metrics/encoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sidecar::Negotiated answer =
      sidecar::Negotiate({reinterpret_cast<const char*>(data), size});
  const bool text = answer.content_type == "text/plain; version=0.0.4; charset=utf-8";
  const bool open_metrics =
      answer.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8" ||
      answer.content_type == "application/openmetrics-text; version=0.0.1; charset=utf-8";
  const bool matches = answer.format == sidecar::Format::kText ? text : open_metrics;
  if (!matches) std::abort();
  return 0;
}
