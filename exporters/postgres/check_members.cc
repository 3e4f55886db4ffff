#include "exporters/postgres/check_members.h"

#include "common/collect/reason.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

std::string Verdict(const QueryMember& member, Session& session, const Scrape& scrape) {
  Batch batch;
  Sink sink(batch, member.schedule.limits);
  const auto outcome = RunMember(member, session, scrape.Within(member.schedule.timeout), {}, sink);
  const auto because = [](const char* what, const Error& error) {
    return std::string(what) + " (" + std::string(Reason(error.code)) + "): " + error.message;
  };
  if (!outcome) return because("fails", outcome.error());
  if (outcome->disabled) return because("does not apply", *outcome->disabled);
  if (batch.failure()) return because("fails", *batch.failure());
  batch.Seal();
  if (!batch.warnings().empty()) return because("runs in part", batch.warnings().front());
  std::string text = "runs, " + std::to_string(batch.samples()) + " series";
  if (member.def.scope == QueryScope::kDatabase) {
    text += " in database " + session.facts().database;
  }
  return text;
}

}  // namespace

std::string CheckMembers(Server& server,
                         const std::vector<std::shared_ptr<const QueryMember>>& members,
                         Millis patience) {
  constexpr std::uint64_t kNoScrape = 0;
  constexpr std::size_t kColumn = 28;
  const Clock& clock = server.clock();
  const Scrape scrape(clock, clock.mono() + patience, {}, kNoScrape);
  const auto lease = server.Take(kMainLane);
  if (auto ready = (*lease)->Ready(scrape); !ready) {
    return "postgres: the server cannot be asked, so no collector was run: " +
           ready.error().message + "\n";
  }
  const Facts& facts = (*lease)->facts();
  std::string text = "postgres: " + facts.server + ", PostgreSQL " + facts.short_version +
                     ", database " + facts.database + (facts.in_recovery ? ", a standby" : "") +
                     "\n";
  for (const auto& member : members) {
    std::string name(member->def.name);
    name.resize(std::max(name.size() + 1, kColumn), ' ');
    text.append("  ").append(name).append(Verdict(*member, **lease, scrape)).append("\n");
  }
  return text;
}

}  // namespace sidecar::postgres
