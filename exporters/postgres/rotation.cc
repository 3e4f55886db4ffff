#include "exporters/postgres/rotation.h"

#include <fnmatch.h>

#include <algorithm>

#include "common/base/parse.h"
#include "exporters/postgres/fair_share.h"

namespace sidecar::postgres {
namespace {

constexpr Millis kFirstPause{1'000}, kLongestPause{8'000};
constexpr Millis kDiscoveryTimeout{5'000};

// Templates and databases that were left half dropped (-2) have nothing to say.
constexpr std::string_view kDiscoverySql =
    "SELECT datname, pg_catalog.has_database_privilege(oid, 'CONNECT') FROM pg_catalog.pg_database"
    " WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 ORDER BY 1";

bool Matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::ranges::any_of(globs, [&](const std::string& glob) {
    return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

class FoundReader final : public RowReader {
 public:
  explicit FoundReader(const DatabaseFilter& filter) : filter_(filter) {}
  Result<> Begin(std::span<const Column> columns) override {
    if (columns.size() != 2) return Fail(Errc::kInternal, "discovery: not the columns asked for");
    return {};
  }
  Result<> Row(std::span<const Cell> cells) override {
    std::string name(cells[0].value_or(""));
    if (filter_.Has(name)) found.push_back({std::move(name), cells[1] == "t"});
    return {};
  }
  std::vector<Databases::Found> found;

 private:
  const DatabaseFilter& filter_;
};

bool Wants(const QueryMember& member, const std::string& database) {
  const auto& globs = member.def.databases;
  return globs.empty() || std::ranges::any_of(globs, [&](std::string_view glob) {
           return ::fnmatch(std::string(glob).c_str(), database.c_str(), 0) == 0;
         });
}

// It says something about the server, not about one database: the others would fare no better.
bool Blocks(Errc code) { return code == Errc::kUnavailable || code == Errc::kLimit; }

}  // namespace

bool DatabaseFilter::Has(const std::string& database) const {
  return (include.empty() || Matches(include, database)) && !Matches(exclude, database);
}

Rotation::Rotation(Open open, std::shared_ptr<Databases> databases, Members members,
                   DatabaseFilter filter, Millis discovery, CountCut count_cut)
    : open_(std::move(open)),
      databases_(std::move(databases)),
      members_(std::move(members)),
      filter_(std::move(filter)),
      discovery_(discovery),
      count_cut_(std::move(count_cut)) {
  for (const auto& member : members_) keys_.push_back(member->key());
}

Result<> Rotation::Run(const Scrape& scrape) {
  const Mono now = scrape.clock().mono();
  if (now < retry_at_) return {};
  databases_->KeepOnly(keys_);
  auto worked = Work(scrape);
  if (worked) {
    failures_ = 0;
    databases_->Blocked(std::nullopt);
    return {};
  }
  const int doublings = std::min(failures_++, 10);
  retry_at_ = scrape.clock().mono() + std::min(kFirstPause * (1 << doublings), kLongestPause);
  databases_->Blocked(worked.error());
  return {};  // said by the collectors, each with its own success
}

Result<> Rotation::Work(const Scrape& scrape) {
  const Clock& clock = scrape.clock();
  const Mono began = clock.mono();
  const auto discovered = databases_->discovered_at();
  if (!discovered || began - *discovered >= discovery_) {
    const std::unique_ptr<Session> session = open_({});
    if (auto found = Discover(*session, scrape); !found) return found;
    const std::string here = session->facts().database;
    for (const Visit& visit : Due(clock.mono())) {
      if (visit.database != here) continue;
      if (auto made = Make(visit, *session, scrape); !made) return made;
    }
  }
  for (const Visit& visit : Due(clock.mono())) {
    if (scrape.stop().stop_requested() || clock.mono() - began >= kStretch) break;
    const std::unique_ptr<Session> session = open_(visit.database);
    if (auto made = Make(visit, *session, scrape); !made) return made;
  }
  return {};
}

Result<> Rotation::Discover(Session& session, const Scrape& scrape) {
  if (auto ready = session.Ready(scrape); !ready) return ready;
  FoundReader reader(filter_);
  const Statement statement{
      .name = "discovery", .sql = kDiscoverySql, .timeout = kDiscoveryTimeout};
  if (auto read = session.Query(scrape, statement, reader); !read) return read;
  const Mono now = scrape.clock().mono();
  databases_->Discovered(std::move(reader.found), now);
  for (const std::string& database : databases_->names()) {
    for (const auto& member : members_) {
      if (!Wants(*member, database)) databases_->Store(member->key(), database, nullptr, 0, now);
    }
  }
  return {};
}

// A tenth of the interval early, so that one login serves what is due about now.
bool Rotation::IsDue(const QueryMember& member, const std::string& database, Mono now) const {
  if (!Wants(member, database)) return false;
  const auto tried = databases_->Tried(member.key(), database);
  return !tried || now - *tried >= member.schedule.interval * 9 / 10;
}

std::vector<Rotation::Visit> Rotation::Due(Mono now) const {
  std::vector<Visit> visits;
  for (const std::string& database : databases_->names()) {
    Visit visit{.database = database, .due = {}, .last = Mono::max()};
    for (const auto& member : members_) {
      if (!IsDue(*member, database, now)) continue;
      visit.due.push_back(member);
      visit.last =
          std::min(visit.last, databases_->Tried(member->key(), database).value_or(Mono::min()));
    }
    if (!visit.due.empty()) visits.push_back(std::move(visit));
  }
  std::ranges::stable_sort(visits, {}, &Visit::last);
  return visits;
}

Result<> Rotation::Make(const Visit& visit, Session& session, const Scrape& scrape) {
  const Scrape part = scrape.Within(kVisit);
  if (auto ready = session.Ready(part); !ready) {
    databases_->Rediscover();
    if (ready.error().code == Errc::kNoData) {
      databases_->Forget(visit.database);
      return {};
    }
    if (Blocks(ready.error().code)) return ready;
    FailAll(visit, ready.error(), scrape.clock().mono());
    return {};
  }
  for (const auto& member : visit.due) RunDue(*member, visit.database, session, part);
  return {};
}

void Rotation::RunDue(const QueryMember& member, const std::string& database, Session& session,
                      const Scrape& scrape) {
  const std::shared_ptr<Batch> batch = member.batches->Take();
  // The members of a visit share its time; the limit of the rows is RunQuery's, the rest ours.
  Limits limits = member.schedule.limits;
  limits.series *= 2;
  Sink sink(*batch, limits);
  const Scrape part = scrape.Within(member.schedule.timeout);
  auto outcome = RunMember(member, session, part, Share(member, database), sink);
  const Mono now = scrape.clock().mono();
  const std::string key = member.key();
  if (outcome && batch->failure()) outcome = Fail(*batch->failure());
  if (!outcome) {
    databases_->Failed(key, database, std::move(outcome.error()), now);
    databases_->Rediscover();
    return;
  }
  if (outcome->disabled) {
    databases_->Disabled(key, database, std::move(*outcome->disabled), now);
    return;
  }
  if (outcome->cut > 0) count_cut_(member.def.name, outcome->cut);
  batch->Seal();
  const std::size_t series = std::max(outcome->series, batch->samples()) + outcome->cut;
  std::vector<Error> warnings = batch->warnings();
  databases_->Store(key, database, batch, series, now);
  if (!warnings.empty()) databases_->Failed(key, database, std::move(warnings.front()), now);
}

// All databases share one limit.
QueryLimits Rotation::Share(const QueryMember& member, const std::string& database) const {
  const std::vector<std::string> names = databases_->names();
  const auto index = std::ranges::find(names, database) - names.begin();
  return {.series = FairShare(static_cast<std::int64_t>(member.schedule.limits.series),
                              databases_->Wants(member.key()), static_cast<std::size_t>(index))};
}

void Rotation::FailAll(const Visit& visit, const Error& error, Mono now) {
  for (const auto& member : visit.due) {
    databases_->Failed(member->key(), visit.database, error, now);
  }
}

}  // namespace sidecar::postgres
