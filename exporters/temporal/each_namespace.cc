#include "exporters/temporal/each_namespace.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/collect/reason.h"
#include "common/log/log.h"

namespace sidecar::temporal {

namespace {

// Of what is left to do when time or budget end, where the next run begins. One that hangs by
// itself is not the first twice.
void NoteUndone(NamespaceRound& round, const Namespace& one, std::size_t place, Errc code) {
  const bool undone = code == Errc::kLimit || code == Errc::kTimeout;
  if (undone && place > 0 && round.first.empty()) round.first = one.name;
}

}  // namespace

Result<> EachNamespace(TemporalEnv& env, NamespaceRound& round, const Scrape& scrape, Sink& sink,
                       const std::function<Result<>(const Namespace&)>& work) {
  auto known = env.namespaces().Get(scrape);
  if (!known) return Fail(std::move(known.error()));
  std::size_t done = 0;
  std::vector<Error> failures;
  const NamespaceList& watched = (*known)->watched;
  const auto first =
      std::ranges::lower_bound(watched, std::exchange(round.first, {}), {}, &Namespace::name);
  const auto skipped = static_cast<std::size_t>(first - watched.begin());
  for (std::size_t place = 0; place < watched.size(); ++place) {
    const Namespace& one = watched[(skipped + place) % watched.size()];
    if (!env.gates().Open(round.collector, one.name, scrape.clock().mono())) continue;
    auto result = work(one);
    const std::optional<Errc> code = result ? std::nullopt : std::optional(result.error().code);
    if (env.gates().Record(round.collector, one.name, code, scrape.clock().mono())) {
      env.runtime().log.Warn("collector is off in a namespace", {{"collector", round.collector},
                                                                 {"temporal_namespace", one.name},
                                                                 {"reason", Reason(*code)},
                                                                 {"err", result.error().message}});
    }
    if (result) {
      ++done;
    } else {
      NoteUndone(round, one, place, *code);
      failures.push_back(std::move(result.error()).Wrap("namespace " + one.name));
    }
  }
  if (done == 0 && failures.empty()) return Fail(Errc::kNoData, "no namespace offers it");
  if (done == 0) return Fail(std::move(failures.front()));
  for (Error& failure : failures) sink.Warn(std::move(failure));
  return {};
}

}  // namespace sidecar::temporal
