#pragma once
// A definition with what the configuration says of it, and how it is run on a session. Immutable
// but for what its C++ part keeps; run by one thread at a time.
//
//   auto outcome = RunMember(member, session, scrape, {}, sink);
//   if (outcome && outcome->disabled) ...   // does not apply to this server, and why

#include <memory>
#include <optional>
#include <string>

#include "common/collect/batch_pool.h"
#include "common/collect/collector.h"
#include "exporters/postgres/load_queries.h"
#include "exporters/postgres/native.h"
#include "exporters/postgres/run_query.h"

namespace sidecar::postgres {

struct QueryMember {
  QueryDef def;  // with the timeout and the series limit of `schedule`
  std::shared_ptr<const OwnedQueryDef> storage{};  // none: built in
  std::shared_ptr<Native> native{};                // none: RunQuery reads the rows
  Schedule schedule{};
  std::string fingerprint{};
  std::shared_ptr<BatchPool> batches = std::make_shared<BatchPool>();

  // Equal if nothing about it changed over a reload.
  std::string key() const { return std::string(def.name) + '\n' + fingerprint; }
};

struct MemberOutcome {
  std::optional<Error> disabled{};  // why it does not apply; no privilege is an error instead
  std::size_t series = 0, cut = 0;
  bool same = false;  // as in the run before: nothing was given to the sink
};

// `last`: RunQuery's; a native's state.
Result<MemberOutcome> RunMember(const QueryMember& member, Session& session, const Scrape& scrape,
                                const QueryLimits& limits, Sink& sink, LastRows* last = nullptr);

}  // namespace sidecar::postgres
