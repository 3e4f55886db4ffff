#pragma once
// An error's code as the label `reason` has it. Pure.
//
//   counter.Add({{"reason", std::string(Reason(error.code))}});

#include <string_view>

#include "common/base/result.h"

namespace sidecar {

constexpr std::string_view Reason(Errc code) {
  switch (code) {
    case Errc::kNoData:
      return "no_data";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kDenied:
      return "denied";
    case Errc::kParse:
      return "parse";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kLimit:
      return "limit";
    case Errc::kConfig:
      return "config";
    case Errc::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace sidecar
