#include "exporters/postgres/query_member.h"

namespace sidecar::postgres {
namespace {

// Only what spares a run: where it cannot be told (a right that was taken away, a clone without the
// function), the run says what is wrong, if anything is.
Result<std::string> StateOf(const QueryMember& member, Session& session, const Scrape& scrape) {
  auto state = member.native->State(member.def, session, scrape);
  if (state) return state;
  const Errc code = state.error().code;
  if (code == Errc::kTimeout || code == Errc::kUnavailable || code == Errc::kLimit) return state;
  return std::string();
}

}  // namespace

Result<MemberOutcome> RunMember(const QueryMember& member, Session& session, const Scrape& scrape,
                                const QueryLimits& limits, Sink& sink, LastRows* last) {
  if (auto ready = session.Ready(scrape); !ready) return Fail(std::move(ready.error()));
  if (auto variant = Choose(member.def, session.facts()); !variant) {
    if (variant.error().code == Errc::kDenied) return Fail(std::move(variant.error()));
    return MemberOutcome{.disabled = std::move(variant.error())};
  }
  if (member.native) {
    auto state = last != nullptr ? StateOf(member, session, scrape) : std::string();
    if (!state) return Fail(std::move(state.error()));
    if (last != nullptr && last->AreOf(*state)) return MemberOutcome{.same = true};
    auto done = member.native->Run(member.def, session, scrape, sink);
    if (!done) return Fail(std::move(done.error()));
    if (last != nullptr) last->Know(std::move(*state));
    return MemberOutcome{};
  }
  auto report = RunQuery(member.def, session, scrape, limits, sink, last);
  if (!report) return Fail(std::move(report.error()));
  return MemberOutcome{.series = report->series, .cut = report->cut, .same = report->same};
}

}  // namespace sidecar::postgres
