#include "exporters/temporal/each_namespace.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/collect/reason.h"
#include "common/log/log.h"

namespace sidecar::temporal {

Result<> EachNamespace(TemporalEnv& env, const std::string& collector, const Scrape& scrape,
                       Sink& sink, const std::function<Result<>(const Namespace&)>& work) {
  auto known = env.namespaces().Get(scrape);
  if (!known) return Fail(std::move(known.error()));
  std::size_t done = 0;
  std::vector<Error> failures;
  for (const Namespace& one : (*known)->watched) {
    if (!env.gates().Open(collector, one.name, scrape.clock().mono())) continue;
    auto result = work(one);
    const std::optional<Errc> code = result ? std::nullopt : std::optional(result.error().code);
    if (env.gates().Record(collector, one.name, code, scrape.clock().mono())) {
      env.runtime().log.Warn("collector is off in a namespace", {{"collector", collector},
                                                                 {"temporal_namespace", one.name},
                                                                 {"reason", Reason(*code)},
                                                                 {"err", result.error().message}});
    }
    if (result) {
      ++done;
    } else {
      failures.push_back(std::move(result.error()).Wrap("namespace " + one.name));
    }
  }
  if (done == 0 && failures.empty()) return Fail(Errc::kNoData, "no namespace offers it");
  if (done == 0) return Fail(std::move(failures.front()));
  for (Error& failure : failures) sink.Warn(std::move(failure));
  return {};
}

}  // namespace sidecar::temporal
