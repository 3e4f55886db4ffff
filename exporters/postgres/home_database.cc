#include "exporters/postgres/home_database.h"

#include <algorithm>

namespace sidecar::postgres {

HomeDatabase::HomeDatabase(Open open, std::shared_ptr<const DatabaseRunner> runner,
                           Millis discovery)
    : open_(std::move(open)), runner_(std::move(runner)), discovery_(discovery) {}

// What says how long it can wait for a login; the rest has the rotation's session to itself, and
// so has what keeps something between its runs, which no two of them may touch at once.
bool HomeDatabase::Ours(const QueryMember& member, const std::string& home) const {
  return member.def.login_interval > member.schedule.interval && !member.native &&
         Wants(member.def, home);
}

bool HomeDatabase::Fails(const std::string& home) const {
  return std::ranges::any_of(runner_->members(), [&](const auto& member) {
    return Ours(*member, home) && runner_->databases().LastFailed(member->key(), home);
  });
}

Result<> HomeDatabase::Run(const Scrape& scrape) {
  Databases& databases = runner_->databases();
  const Mono now = scrape.clock().mono();
  const auto discovered = databases.discovered_at();
  const std::string home = databases.home();
  if (!discovered || home.empty()) return {};  // the rotation begins
  const bool list = now - *discovered >= DatabaseRunner::Soon(discovery_);
  DatabaseRunner::Members due;
  const std::vector<std::string> names = databases.names();
  if (std::ranges::find(names, home) != names.end() && !Fails(home)) {
    for (const auto& member : runner_->members()) {
      if (!Ours(*member, home) || !databases.Tried(member->key(), home)) continue;
      if (runner_->IsDue(*member, home, now)) due.push_back(member);
    }
  }
  if (!list && due.empty()) return {};
  const std::unique_ptr<Session> session = open_();
  // Where it cannot be had, the rotation sees to all of it with a login, and says what is wrong.
  if (!session->Ready(scrape) || session->facts().database != home) return {};
  if (list && !runner_->List(*session, scrape)) return {};
  for (const auto& member : due) {
    if (!runner_->Run(*member, home, *session, scrape)) return {};
  }
  return {};
}

Mono HomeDatabase::NotBefore() const {
  const Databases& databases = runner_->databases();
  const auto discovered = databases.discovered_at();
  const std::string home = databases.home();
  if (!discovered || home.empty()) return Mono::min();
  Mono next = *discovered + discovery_;
  for (const auto& member : runner_->members()) {
    const auto tried = databases.Tried(member->key(), home);
    if (tried && Ours(*member, home)) next = std::min(next, *tried + member->schedule.interval);
  }
  return next;
}

}  // namespace sidecar::postgres
