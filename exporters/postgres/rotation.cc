#include "exporters/postgres/rotation.h"

#include <algorithm>

namespace sidecar::postgres {
namespace {

constexpr Millis kFirstPause{1'000}, kLongestPause{8'000};
// What timed out has a fifth of the time while others are due.
constexpr int kOthersTimes = 4;

}  // namespace

Rotation::Rotation(Open open, std::shared_ptr<const DatabaseRunner> runner, Millis discovery,
                   NextLogin next_login)
    : open_(std::move(open)),
      runner_(std::move(runner)),
      members_(runner_->members()),
      databases_(runner_->databases()),
      discovery_(discovery),
      next_login_(std::move(next_login)) {
  for (const auto& member : members_) keys_.push_back(member->key());
}

Result<> Rotation::Run(const Scrape& scrape) {
  const Mono now = scrape.clock().mono();
  if (now < retry_at_) return {};
  databases_.KeepOnly(keys_);
  databases_.LookFor(runner_->filter().Text());
  auto worked = Work(scrape);
  if (worked) {
    failures_ = 0;
    databases_.Blocked(std::nullopt);
    return {};
  }
  const int doublings = std::min(failures_++, 10);
  retry_at_ = scrape.clock().mono() + std::min(kFirstPause * (1 << doublings), kLongestPause);
  databases_.Blocked(worked.error());
  return {};  // said by the collectors, each with its own success
}

Mono Rotation::NotBefore() const {
  if (failures_ > 0) return retry_at_;
  const auto discovered = databases_.discovered_at();
  if (!discovered) return Mono::min();
  Mono next = *discovered + discovery_;
  const std::optional<Mono> login = next_login_();
  for (const std::string& database : databases_.names()) {
    for (const auto& member : members_) {
      if (!Wants(member->def, database)) continue;
      const auto tried = databases_.Tried(member->key(), database);
      if (!tried) return Mono::min();
      next =
          std::min(next, *tried + std::max(member->schedule.interval, Patience(*member, database)));
      if (login) next = std::min(next, std::max(*tried + member->schedule.interval, *login));
    }
  }
  return next;
}

Result<> Rotation::Work(const Scrape& scrape) {
  const Clock& clock = scrape.clock();
  const Mono began = clock.mono();
  const auto discovered = databases_.discovered_at();
  server_answered_ = false;
  if (failures_ > 0) {
    if (auto well = Answers(scrape); !well) return well;  // one login, where the whole was refused
  }
  if (!discovered || began - *discovered >= DatabaseRunner::Soon(discovery_)) {
    const std::unique_ptr<Session> session = open_({});
    if (auto listed = runner_->List(*session, scrape); !listed) return listed;
    server_answered_ = true;
    const std::vector<std::string> names = databases_.names();
    std::erase_if(gone_, [&](const auto& name) { return !std::ranges::count(names, name); });
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

// What is worth a login everywhere; else, for a login that is wanted, where it was longest ago.
// What timed out when nothing else is due, or was put off for long, one database at a time.
std::vector<Rotation::Visit> Rotation::Next(Mono now) const {
  std::vector<Visit> visits = Due(now, Pace::kPrompt);
  const auto can_wait = [](const Visit& visit) { return !visit.overdue; };
  if (std::ranges::all_of(visits, can_wait)) {
    const std::optional<Mono> login = next_login_();
    visits.resize(login && *login <= now ? std::min<std::size_t>(visits.size(), 1) : 0);
  } else {
    std::erase_if(visits, can_wait);
  }
  if (!visits.empty() && now < put_off_until_) return visits;
  std::vector<Visit> late = Due(now, Pace::kLate);
  std::erase_if(late, can_wait);
  if (late.empty()) return visits;
  late.resize(1);
  return late;
}

// How long after its last run it is worth a login. What failed is tried again at its interval.
Millis Rotation::Patience(const QueryMember& member, const std::string& database) const {
  const Millis login_interval = member.def.login_interval;
  const Millis interval = DatabaseRunner::Soon(member.schedule.interval);
  const bool can_wait =
      login_interval > member.schedule.interval && !databases_.LastFailed(member.key(), database);
  return can_wait ? login_interval : interval;
}

std::vector<Rotation::Visit> Rotation::Due(Mono now, Pace pace) const {
  std::vector<Visit> visits;
  for (const std::string& database : databases_.names()) {
    Visit visit{.database = database, .due = {}, .last = Mono::max()};
    for (const auto& member : members_) {
      if (!runner_->IsDue(*member, database, now)) continue;
      if (databases_.TimedOut(member->key(), database) != (pace == Pace::kLate)) continue;
      visit.due.push_back(member);
      const auto tried = databases_.Tried(member->key(), database);
      visit.last = std::min(visit.last, tried.value_or(Mono::min()));
      visit.overdue = visit.overdue || !tried || now - *tried >= Patience(*member, database);
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
    if (DatabaseRunner::Stopped(part)) return {};
    databases_.Rediscover();
    if (ready.error().code == Errc::kNoData) {
      Missing(visit, std::move(ready.error()), scrape.clock().mono());
      return {};
    }
    if (ready.error().code == Errc::kLimit) return ready;  // ours: nothing was tried
    Result<> well;
    const Errc code = ready.error().code;
    // A role that may not log in any more is refused everywhere, and each try might lock it out.
    if (code == Errc::kUnavailable || code == Errc::kDenied) well = Answers(scrape);
    if (well || well.error().code == Errc::kLimit) {
      FailAll(visit, ready.error(), scrape.clock().mono());
    }
    return well;
  }
  gone_.erase(visit.database);
  for (const auto& member : visit.due) RunDue(*member, visit.database, session, part);
  return {};
}

// It was dropped, which the next list says. What the list has all the same (its directory is gone,
// a pooler or the second of two hosts does not know it) is tried like any other that refuses.
void Rotation::Missing(const Visit& visit, Error error, Mono now) {
  if (gone_.insert(visit.database).second) {
    databases_.Forget(visit.database);
    return;
  }
  error.code = Errc::kUnavailable;
  FailAll(visit, error, now);
}

Result<> Rotation::Answers(const Scrape& scrape) {
  if (server_answered_) return {};
  if (auto ready = open_({})->Ready(scrape.Within(kVisit)); !ready) return ready;
  server_answered_ = true;
  return {};
}

void Rotation::RunDue(const QueryMember& member, const std::string& database, Session& session,
                      const Scrape& scrape) {
  const Mono began = scrape.clock().mono();
  auto done = runner_->Run(member, database, session, scrape);
  if (done || done.error().code != Errc::kTimeout) return;
  const Mono now = scrape.clock().mono();
  put_off_until_ = now + kOthersTimes * (now - began);
}

void Rotation::FailAll(const Visit& visit, const Error& error, Mono now) {
  for (const auto& member : visit.due) {
    databases_.Failed(member->key(), visit.database, error, now);
  }
}

}  // namespace sidecar::postgres
