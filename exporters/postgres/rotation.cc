#include "exporters/postgres/rotation.h"

#include <algorithm>

#include "exporters/postgres/fair_share.h"

namespace sidecar::postgres {
namespace {

constexpr Millis kFirstPause{1'000}, kLongestPause{8'000};
// What timed out has a fifth of the time while others are due.
constexpr int kOthersTimes = 4;

// A tenth early, so that one login serves what is due about now.
constexpr Millis Soon(Millis interval) { return interval * 9 / 10; }

}  // namespace

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

Mono Rotation::NotBefore() const {
  if (failures_ > 0) return retry_at_;
  const auto discovered = databases_->discovered_at();
  if (!discovered) return Mono::min();
  Mono next = *discovered + discovery_;
  for (const std::string& database : databases_->names()) {
    for (const auto& member : members_) {
      if (!Wants(member->def, database)) continue;
      const auto tried = databases_->Tried(member->key(), database);
      next = std::min(next, tried ? *tried + member->schedule.interval : Mono::min());
    }
  }
  return next;
}

Result<> Rotation::Work(const Scrape& scrape) {
  const Clock& clock = scrape.clock();
  const Mono began = clock.mono();
  const auto discovered = databases_->discovered_at();
  server_answered_ = false;
  if (!discovered || began - *discovered >= Soon(discovery_)) {
    const std::unique_ptr<Session> session = open_({});
    if (auto found = List(*session, scrape); !found) return found;
    server_answered_ = true;
    const std::string here = session->facts().database;
    for (const Visit& visit : Due(clock.mono(), Pace::kPrompt)) {
      if (visit.database != here) continue;
      if (auto made = Make(visit, *session, scrape); !made) return made;
    }
  }
  for (;;) {
    const std::vector<Visit> visits = Next(clock.mono());
    if (visits.empty()) return {};
    for (const Visit& visit : visits) {
      if (scrape.stop().stop_requested() || clock.mono() - began >= kStretch) return {};
      const Mono put_off = put_off_until_;
      const std::unique_ptr<Session> session = open_(visit.database);
      if (auto made = Make(visit, *session, scrape); !made) return made;
      if (put_off_until_ != put_off) break;  // the visits to come are other ones now
    }
  }
}

Result<> Rotation::List(Session& session, const Scrape& scrape) {
  auto found = Discover(session, scrape, filter_);
  if (!found) return Fail(std::move(found.error()));
  const Mono now = scrape.clock().mono();
  databases_->Discovered(std::move(*found), now);
  for (const std::string& database : databases_->names()) {
    for (const auto& member : members_) {
      if (!Wants(member->def, database)) databases_->Unwanted(member->key(), database, now);
    }
  }
  return {};
}

// What is due everywhere; what timed out when nothing else is, or was put off for long, one
// database at a time.
std::vector<Rotation::Visit> Rotation::Next(Mono now) const {
  std::vector<Visit> visits = Due(now, Pace::kPrompt);
  if (!visits.empty() && now < put_off_until_) return visits;
  std::vector<Visit> late = Due(now, Pace::kLate);
  if (late.empty()) return visits;
  late.resize(1);
  return late;
}

bool Rotation::IsDue(const QueryMember& member, const std::string& database, Mono now) const {
  if (!Wants(member.def, database)) return false;
  const auto tried = databases_->Tried(member.key(), database);
  return !tried || now - *tried >= Soon(member.schedule.interval);
}

std::vector<Rotation::Visit> Rotation::Due(Mono now, Pace pace) const {
  std::vector<Visit> visits;
  for (const std::string& database : databases_->names()) {
    Visit visit{.database = database, .due = {}, .last = Mono::max()};
    for (const auto& member : members_) {
      if (!IsDue(*member, database, now)) continue;
      if (databases_->TimedOut(member->key(), database) != (pace == Pace::kLate)) continue;
      visit.due.push_back(member);
      visit.last =
          std::min(visit.last, databases_->Tried(member->key(), database).value_or(Mono::min()));
    }
    if (!visit.due.empty()) visits.push_back(std::move(visit));
  }
  std::ranges::stable_sort(visits, {}, &Visit::last);
  return visits;
}

// Fails with what is wrong with the server as a whole. One database that lets nobody in is its own
// affair, as long as that of the DSN does.
Result<> Rotation::Make(const Visit& visit, Session& session, const Scrape& scrape) {
  const Scrape part = scrape.Within(kVisit);
  if (auto ready = session.Ready(part); !ready) {
    databases_->Rediscover();
    if (ready.error().code == Errc::kNoData) {
      databases_->Forget(visit.database);
      return {};
    }
    if (ready.error().code == Errc::kLimit) return ready;  // ours: nothing was tried
    Result<> well;
    if (ready.error().code == Errc::kUnavailable) well = Answers(scrape);
    if (well || well.error().code == Errc::kLimit) {
      FailAll(visit, ready.error(), scrape.clock().mono());
    }
    return well;
  }
  for (const auto& member : visit.due) RunDue(*member, visit.database, session, part);
  return {};
}

Result<> Rotation::Answers(const Scrape& scrape) {
  if (server_answered_) return {};
  if (auto ready = open_({})->Ready(scrape.Within(kVisit)); !ready) return ready;
  server_answered_ = true;
  return {};
}

void Rotation::RunDue(const QueryMember& member, const std::string& database, Session& session,
                      const Scrape& scrape) {
  const std::shared_ptr<Batch> batch = member.batches->Take();
  // The members of a visit share its time; the limit of the rows is RunQuery's, the rest ours.
  const Limits limits = Limits::OfSeries(2 * member.schedule.limits.series);
  Sink sink(*batch, limits);
  const Scrape part = scrape.Within(member.schedule.timeout);
  const Mono began = scrape.clock().mono();
  auto outcome = RunMember(member, session, part, Share(member, database), sink);
  const Mono now = scrape.clock().mono();
  const std::string key = member.key();
  if (outcome && batch->failure()) outcome = Fail(*batch->failure());
  if (!outcome) {
    if (outcome.error().code == Errc::kTimeout) {
      put_off_until_ = now + kOthersTimes * (now - began);
    }
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
