#pragma once
// A strict parser of both text formats, written from their specifications and not from our encoder,
// so that it finds what the encoder does wrong. It refuses what a lenient peer lets pass: families
// that are not contiguous or have no TYPE, repeated HELP, TYPE or series, samples that do not
// belong to their family's type, buckets that fall, bytes that are not UTF-8, a missing # EOF.
// Stateless.
//
//   auto parsed = ParseExposition(body, Format::kOpenMetrics);
//   ASSERT_TRUE(parsed) << parsed.error().message;      // "line 7: ..."

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/metrics/encoder.h"
#include "tests/support/exposition_lexer.h"

namespace sidecar {

struct ParsedExemplar {
  ParsedLabels labels;
  double value = 0;
  std::optional<std::int64_t> time_ms;
};
struct ParsedSample {
  std::string name;
  ParsedLabels labels;  // as they stand
  double value = 0;
  std::optional<ParsedExemplar> exemplar;
};
struct ParsedFamily {
  std::string name, type, help, unit;  // as the format spells them
  std::vector<ParsedSample> samples;
};
struct Exposition {
  std::vector<ParsedFamily> families;

  const ParsedFamily* Find(std::string_view family) const;
  // Every sample as name{label="value",...}, labels sorted: what Prometheus calls a series.
  std::set<std::string> Series() const;
};

Result<Exposition> ParseExposition(std::string_view text, Format format);

}  // namespace sidecar
