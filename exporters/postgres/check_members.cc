#include "exporters/postgres/check_members.h"

#include <algorithm>
#include <optional>
#include <span>

#include "common/collect/reason.h"
#include "common/metrics/encoder.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

std::string Because(const char* what, const Error& error) {
  return std::string(what) + " (" + std::string(Reason(error.code)) + "): " + error.message;
}

struct Verdict {
  std::string text{};
  std::shared_ptr<const Batch> batch{};  // where it runs
};

Verdict Run(const QueryMember& member, Session& session, const Scrape& scrape) {
  const Millis own = member.schedule.timeout;
  const Millis left(scrape.LeftMs());
  if (left == Millis(0)) return {"was not run: others have taken the time of this check"};
  const auto batch = std::make_shared<Batch>();
  Sink sink(*batch, member.schedule.limits);
  const auto outcome = RunMember(member, session, scrape.Within(own), {}, sink);
  if (!outcome) {
    Verdict verdict{Because("fails", outcome.error())};
    if (outcome.error().code == Errc::kTimeout && left < own) {
      verdict.text += " (others had left it " + std::to_string(left.count()) + " ms of its " +
                      std::to_string(own.count()) + ")";
    }
    return verdict;
  }
  if (outcome->disabled) return {Because("does not apply", *outcome->disabled)};
  if (batch->failure()) return {Because("fails", *batch->failure())};
  batch->Seal();
  Verdict verdict{{}, batch};
  if (!batch->warnings().empty()) {
    verdict.text = Because("runs in part", batch->warnings().front());
    return verdict;
  }
  verdict.text = "runs, " + std::to_string(batch->samples()) + " series";
  if (member.def.scope == QueryScope::kDatabase) {
    verdict.text += " in database " + session.facts().database;
  }
  return verdict;
}

// As a scrape would: what two have is the first one's.
void FindOverlaps(std::span<Verdict> verdicts) {
  Snapshot snapshot;
  std::vector<Verdict*> of;
  for (Verdict& verdict : verdicts) {
    if (!verdict.batch) continue;
    snapshot.parts.push_back(verdict.batch);
    of.push_back(&verdict);
  }
  const std::vector<std::size_t> lost = DropDuplicates(snapshot);
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (lost[i] == 0) continue;
    of[i]->text =
        Because("runs in part",
                {Errc::kConfig, "another collector has " + std::to_string(lost[i]) + " of its " +
                                    std::to_string(of[i]->batch->samples()) + " series too"});
  }
}

// Which session a member is run on. One at a time: a running exporter leaves one place of its
// role's CONNECTION LIMIT.
class Places {
 public:
  Places(Server& server, ServerSession& own, const DatabaseFilter& filter)
      : server_(server), own_(own), filter_(filter) {}

  // Of a member that runs in the DSN's database, or nowhere.
  std::optional<Verdict> CheckHere(const QueryMember& member, const Scrape& scrape) {
    if (member.def.scope == QueryScope::kCluster) return Run(member, own_, scrape);
    if (!found_) found_ = Discover(own_, scrape, filter_);
    if (!*found_) return Verdict{Because("fails", found_->error())};
    const std::string* const database = Choose(member.def, **found_, own_.facts().database);
    if (database == nullptr) return Verdict{"no database matches"};
    if (*database == own_.facts().database) return Run(member, own_, scrape);
    return std::nullopt;
  }
  // Of another, once all were asked for here.
  Verdict CheckThere(const QueryMember& member, const Scrape& scrape) {
    own_.Close();
    const std::string& database = *Choose(member.def, **found_, own_.facts().database);
    if (!other_ || database != where_) {
      other_.reset();
      other_ = server_.Open(database);
      where_ = database;
    }
    return Run(member, *other_, scrape);
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
  Millis longest{0};
  for (const auto& member : members) longest = std::max(longest, member->schedule.timeout);
  // It waits for a login.
  const Scrape scrape(clock, clock.mono() + patience + longest, {}, kNoScrape, true);
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
  std::vector<std::optional<Verdict>> here;
  here.reserve(members.size());
  for (const auto& member : members) here.push_back(places.CheckHere(*member, scrape));
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < members.size(); ++i) {
    verdicts.push_back(here[i] ? std::move(*here[i]) : places.CheckThere(*members[i], scrape));
  }
  FindOverlaps(verdicts);
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::string name(members[i]->def.name);
    name.resize(std::max(name.size() + 1, kColumn), ' ');
    text.append("  ").append(name).append(verdicts[i].text).append("\n");
  }
  return text;
}

}  // namespace sidecar::postgres
