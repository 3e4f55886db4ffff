#pragma once
// Text compared with a file of tests/golden; a difference is shown line by line. With
// UPDATE_GOLDEN=1 in the environment the file is written instead, for a reviewer to read.
//
//   ExpectGolden(text, "host/loadavg.prom");

#include <source_location>
#include <string_view>

namespace sidecar {

void ExpectGolden(std::string_view text, std::string_view path,
                  std::source_location caller = std::source_location::current());

}  // namespace sidecar
