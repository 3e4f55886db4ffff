#pragma once
// The same work in every namespace that is watched, one after another: who is off there is left
// out, who fails is reported, the others go on.
//
//   return EachNamespace(*env, round_, scrape, sink, [&](const Namespace& one) { ... });

#include <functional>
#include <string>

#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {

// Kept by the collector. When there is no time or budget for all, the next run begins with those
// that this one did not come to.
struct NamespaceRound {
  std::string collector;
  std::string first{};  // by name; empty: from the beginning
};

// `work` puts its rows into the sink only once it has all of a namespace. kNoData: no namespace is
// watched, or none offers this. If all failed, that is the error; if some did, each is a warning.
Result<> EachNamespace(TemporalEnv& env, NamespaceRound& round, const Scrape& scrape, Sink& sink,
                       const std::function<Result<>(const Namespace&)>& work);

}  // namespace sidecar::temporal
