#include "exporters/postgres/check_members.h"

#include "common/collect/reason.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

std::string Because(const char* what, const Error& error) {
  return std::string(what) + " (" + std::string(Reason(error.code)) + "): " + error.message;
}

std::string Verdict(const QueryMember& member, Session& session, const Scrape& scrape) {
  Batch batch;
  Sink sink(batch, member.schedule.limits);
  const auto outcome = RunMember(member, session, scrape.Within(member.schedule.timeout), {}, sink);
  if (!outcome) return Because("fails", outcome.error());
  if (outcome->disabled) return Because("does not apply", *outcome->disabled);
  if (batch.failure()) return Because("fails", *batch.failure());
  batch.Seal();
  if (!batch.warnings().empty()) return Because("runs in part", batch.warnings().front());
  std::string text = "runs, " + std::to_string(batch.samples()) + " series";
  if (member.def.scope == QueryScope::kDatabase) {
    text += " in database " + session.facts().database;
  }
  return text;
}

// Which session a member is run on. One at a time: a running exporter leaves one place of its
// role's CONNECTION LIMIT.
class Places {
 public:
  Places(Server& server, ServerSession& own, const DatabaseFilter& filter)
      : server_(server), own_(own), filter_(filter) {}

  // Of a member that runs in the DSN's database, or nowhere.
  std::optional<std::string> CheckHere(const QueryMember& member, const Scrape& scrape) {
    if (member.def.scope == QueryScope::kCluster) return Verdict(member, own_, scrape);
    if (!found_) found_ = Discover(own_, scrape, filter_);
    if (!*found_) return Because("fails", found_->error());
    const std::string* const database = Choose(member.def, **found_, own_.facts().database);
    if (database == nullptr) return "no database matches";
    if (*database == own_.facts().database) return Verdict(member, own_, scrape);
    return std::nullopt;
  }
  // Of another, once all were asked for here.
  std::string CheckThere(const QueryMember& member, const Scrape& scrape) {
    own_.Close();
    const std::string& database = *Choose(member.def, **found_, own_.facts().database);
    if (!other_ || database != where_) {
      other_.reset();
      other_ = server_.Open(database);
      where_ = database;
    }
    return Verdict(member, *other_, scrape);
  }

 private:
  // The DSN's where it is one of them.
  static const std::string* Choose(const QueryDef& def, const std::vector<Databases::Found>& found,
                                   const std::string& own) {
    const std::string* first = nullptr;
    for (const Databases::Found& database : found) {
      if (!database.may_connect || !Wants(def, database.name)) continue;
      if (first == nullptr || database.name == own) first = &database.name;
    }
    return first;
  }

  Server& server_;
  ServerSession& own_;
  const DatabaseFilter& filter_;
  std::optional<Result<std::vector<Databases::Found>>> found_;
  std::unique_ptr<ServerSession> other_;
  std::string where_;  // other_ is
};

}  // namespace

std::string CheckMembers(Server& server,
                         const std::vector<std::shared_ptr<const QueryMember>>& members,
                         const DatabaseFilter& filter, Millis patience) {
  constexpr std::uint64_t kNoScrape = 0;
  constexpr std::size_t kColumn = 28;
  const Clock& clock = server.clock();
  const Scrape scrape(clock, clock.mono() + patience, {}, kNoScrape, true);  // it waits for a login
  const auto lease = server.Take(kMainLane);
  if (auto ready = (*lease)->Ready(scrape); !ready) {
    return "postgres: the server cannot be asked, so no collector was run: " +
           ready.error().message + "\n";
  }
  const Facts& facts = (*lease)->facts();
  std::string text = "postgres: " + facts.server + ", PostgreSQL " + facts.short_version +
                     ", database " + facts.database + (facts.in_recovery ? ", a standby" : "") +
                     "\n";
  Places places(server, **lease, filter);
  std::vector<std::optional<std::string>> verdicts;
  verdicts.reserve(members.size());
  for (const auto& member : members) verdicts.push_back(places.CheckHere(*member, scrape));
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::string name(members[i]->def.name);
    name.resize(std::max(name.size() + 1, kColumn), ' ');
    if (!verdicts[i]) verdicts[i] = places.CheckThere(*members[i], scrape);
    text.append("  ").append(name).append(*verdicts[i]).append("\n");
  }
  return text;
}

}  // namespace sidecar::postgres
