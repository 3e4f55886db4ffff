#pragma once
// The same work in every namespace that is watched, one after another: who is off there is left
// out, who fails is reported, the others go on.
//
//   return EachNamespace(*env, "task_queues", scrape, sink, [&](const Namespace& one) { ... });

#include <functional>
#include <string>

#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {

// `work` puts its rows into the sink only once it has all of a namespace. kNoData: no namespace is
// watched, or none offers this. If all failed, that is the error; if some did, each is a warning.
Result<> EachNamespace(TemporalEnv& env, const std::string& collector, const Scrape& scrape,
                       Sink& sink, const std::function<Result<>(const Namespace&)>& work);

}  // namespace sidecar::temporal
