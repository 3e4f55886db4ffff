#include "exporters/postgres/database_runner.h"

#include <algorithm>

#include "exporters/postgres/fair_share.h"

namespace sidecar::postgres {

DatabaseRunner::DatabaseRunner(std::shared_ptr<Databases> databases, Members members,
                               DatabaseFilter filter, CountCut count_cut)
    : databases_(std::move(databases)),
      members_(std::move(members)),
      filter_(std::move(filter)),
      count_cut_(std::move(count_cut)) {}

bool DatabaseRunner::Stopped(const Scrape& scrape) {
  return scrape.stop().stop_requested() && scrape.LeftMs() > 0;
}

Result<> DatabaseRunner::List(Session& session, const Scrape& scrape) const {
  auto found = Discover(session, scrape, filter_);
  if (!found) return Fail(std::move(found.error()));
  const Mono now = scrape.clock().mono();
  databases_->Discovered(std::move(*found), now);
  databases_->SetHome(session.facts().database);
  for (const std::string& database : databases_->names()) {
    for (const auto& member : members_) {
      if (!Wants(member->def, database)) databases_->Unwanted(member->key(), database, now);
    }
  }
  return {};
}

bool DatabaseRunner::IsDue(const QueryMember& member, const std::string& database, Mono now) const {
  if (!Wants(member.def, database)) return false;
  const auto tried = databases_->Tried(member.key(), database);
  return !tried || now - *tried >= Soon(member.schedule.interval);
}

Result<> DatabaseRunner::Run(const QueryMember& member, const std::string& database,
                             Session& session, const Scrape& scrape) const {
  const std::shared_ptr<Batch> batch = member.batches->Take();
  // The members of a visit share its time; the limit of the rows is RunQuery's, the rest ours.
  const Limits limits = Limits::OfSeries(2 * member.schedule.limits.series);
  Sink sink(*batch, limits);
  const Scrape part = scrape.Within(member.schedule.timeout);
  auto outcome = RunMember(member, session, part, Share(member, database), sink);
  const Mono now = scrape.clock().mono();
  const std::string key = member.key();
  if (outcome && batch->failure()) outcome = Fail(*batch->failure());
  if (!outcome && Stopped(part)) return Fail(std::move(outcome.error()));
  if (!outcome) {
    databases_->Failed(key, database, outcome.error(), now);
    databases_->Rediscover();
    return Fail(std::move(outcome.error()));
  }
  if (outcome->disabled) {
    databases_->Disabled(key, database, std::move(*outcome->disabled), now);
    return {};
  }
  if (outcome->cut > 0) count_cut_(member.def.name, outcome->cut);
  batch->Seal();
  const std::size_t series = std::max(outcome->series, batch->samples()) + outcome->cut;
  std::vector<Error> warnings = batch->warnings();
  databases_->Store(key, database, batch, series, now);
  if (!warnings.empty()) databases_->Failed(key, database, std::move(warnings.front()), now);
  return {};
}

// All databases share one limit.
QueryLimits DatabaseRunner::Share(const QueryMember& member, const std::string& database) const {
  const std::vector<std::string> names = databases_->names();
  const auto index = std::ranges::find(names, database) - names.begin();
  return {.series = FairShare(static_cast<std::int64_t>(member.schedule.limits.series),
                              databases_->Wants(member.key()), static_cast<std::size_t>(index))};
}

}  // namespace sidecar::postgres
