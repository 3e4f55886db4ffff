#pragma once
// For fuzz targets: an error about foreign bytes is one short line of printable ASCII. Ends the
// process otherwise.
//
//   CheckError(ParseMeminfo(line));

#include <cstdlib>

#include "common/base/result.h"

namespace sidecar {

template <class T>
void CheckError(const Result<T>& result) {
  if (result) return;
  const std::string& message = result.error().message;
  if (message.empty() || message.size() > 500) std::abort();
  for (const char c : message) {
    if (c < ' ' || c >= 0x7f) std::abort();
  }
}

}  // namespace sidecar
