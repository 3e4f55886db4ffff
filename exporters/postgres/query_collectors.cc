#include "exporters/postgres/query_collectors.h"

#include <algorithm>
#include <utility>

#include "common/collect/reason.h"
#include "common/metrics/utf8.h"
#include "exporters/postgres/discovery.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

// As the engine shows collectors that its plan has disabled.
constexpr auto kDisabled =
    Gauge("sidecar_collector_disabled", "1 for a collector that cannot run here, with the reason.",
          "exporter", "collector", "reason");
constexpr auto kAge =
    Gauge("pg_scrape_collector_database_age_seconds",
          "Age of what the collector serves of a database.", "collector", "datname");
// What is left of a run for its last rows to be handed on.
constexpr Millis kMargin{50};
// A result that is given up on costs its connection, whose place is free only once the backend has
// gone. Such a query has a turn a minute, or its neighbours would find no place in every scrape.
constexpr Millis kFloodPause{60'000};

class ClusterCollector final : public Collector {
 public:
  ClusterCollector(Watched watched, std::shared_ptr<const QueryMember> member,
                   std::shared_ptr<QueryPast> past)
      : watched_(std::move(watched)), member_(std::move(member)), past_(std::move(past)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    const bool in_scrape = member_->schedule.interval == Millis(0);
    if (in_scrape) watched_.tally->Begin(scrape.id(), scrape.clock().mono());
    auto collected = Run(scrape, sink);
    if (in_scrape) {
      watched_.tally->End(scrape.id(), scrape.clock().mono(), !collected);
    }
    return collected;
  }

 private:
  Result<> Run(const Scrape& scrape, Sink& sink) {
    if (past_->flood && scrape.clock().mono() < past_->flood_until) return Fail(*past_->flood);
    past_->flood.reset();
    // Another turn would leave another behind.
    if (past_->left != 0 && watched_.server->budget().There(past_->left)) {
      return Fail(Errc::kTimeout, "its last statement had no answer and its backend runs on");
    }
    past_->left = 0;
    const Kept kept = std::exchange(kept_, {});  // no longer, unless this run gets to its end
    if (!kept.part) last_rows_.Forget();
    const auto lease = watched_.server->Take(member_->schedule.lane);
    const Limits& limits = member_->schedule.limits;
    const std::shared_ptr<Batch> part = spare_ ? std::move(spare_) : member_->batches->Take();
    Sink rows(*part, limits);
    auto outcome =
        RunMember(*member_, **lease, scrape, {.series = static_cast<std::int64_t>(limits.series)},
                  rows, &last_rows_);
    if (!outcome) {
      past_->left = (*lease)->left();
      if ((*lease)->flooded()) {
        past_->flood = outcome.error();
        past_->flood_until = scrape.clock().mono() + kFloodPause;
      }
      return Fail(std::move(outcome.error()));
    }
    if (outcome->disabled) {
      sink.Add(kDisabled, 1, "postgres", member_->def.name, Reason(outcome->disabled->code));
      return {};
    }
    if (outcome->same) {
      spare_ = part;
      Share(kept, sink);
      return {};
    }
    const std::size_t dropped = part->Seal();
    // Other rows may say the same, and so may what C++ reads.
    const bool same = kept.part && part->SameAs(*kept.part);
    Share({same ? kept.part : part, dropped, outcome->cut}, sink);
    return {};
  }

  // What the last rows became.
  struct Kept {
    std::shared_ptr<const Batch> part{};
    std::size_t dropped = 0, cut = 0;
  };
  void Share(const Kept& made, Sink& sink) {
    sink.Share(made.part, made.dropped);
    if (made.cut > 0) watched_.cuts->Add(member_->def.name, made.cut);
    if (made.part->small() && !made.part->failure()) kept_ = made;
  }

  const Watched watched_;
  const std::shared_ptr<const QueryMember> member_;
  const std::shared_ptr<QueryPast> past_;
  LastRows last_rows_;
  std::shared_ptr<Batch> spare_{};  // empty: rows that were as before did not need it
  Kept kept_{};
};

class DatabaseCollector final : public Collector {
 public:
  DatabaseCollector(Watched watched, std::shared_ptr<const QueryMember> member, Limits limits)
      : watched_(std::move(watched)),
        member_(std::move(member)),
        limits_(limits),
        key_(member_->key()),
        max_age_(member_->schedule.max_age > Millis(0) ? member_->schedule.max_age
                                                       : 3 * member_->def.login_interval) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    const Clock& clock = scrape.clock();
    if (scrape.waits()) {
      watched_.databases->AwaitFirst(key_, clock, clock.mono() + Millis(scrape.LeftMs()) - kMargin);
    }
    const auto results = watched_.databases->Results(key_);
    if (const auto blocked = watched_.databases->blocked()) {
      sink.Warn(Error(*blocked).Wrap("rotation"));
    } else if (results.empty()) {
      ShareAll({}, sink);
      return NoneYet();
    }
    const Mono now = clock.mono();
    std::size_t disabled = 0;
    std::vector<std::shared_ptr<const Batch>> parts;
    for (const Databases::Result& result : results) {
      if (result.disabled) ++disabled;
      if (Emit(result, now, sink)) parts.push_back(result.rows);
    }
    ShareAll(std::move(parts), sink);
    if (disabled > 0 && disabled == results.size()) {
      sink.Add(kDisabled, 1, "postgres", member_->def.name, Reason(results.front().disabled->code));
    }
    return {};
  }

 private:
  Result<> NoneYet() const {
    const std::vector<std::string> names = watched_.databases->names();
    const auto wants = [&](const std::string& name) { return Wants(member_->def, name); };
    const bool listed = watched_.databases->discovered_at().has_value();
    if ((names.empty() && !listed) || std::ranges::any_of(names, wants)) {
      return Fail(Errc::kNoData, "no database that it is for was visited yet");
    }
    return Fail(Errc::kUnsupported, "no database matches");
  }

  // Whether its rows are served.
  bool Emit(const Databases::Result& result, Mono now, Sink& sink) const {
    if (result.error) sink.Warn(Error(*result.error).Wrap("database " + result.database));
    if (!result.rows) return false;
    if (now - result.at > max_age_) {
      if (!result.error) {
        sink.Warn({Errc::kTimeout, "database " + result.database + ": its last rows are too old"});
      }
      return false;
    }
    sink.Add(kAge, std::chrono::duration<double>(now - result.at).count(), member_->def.name,
             EscapeInvalid(result.database));
    return true;
  }

  // As one batch, made again when a database was visited.
  void ShareAll(std::vector<std::shared_ptr<const Batch>> parts, Sink& sink) {
    if (parts.empty()) {
      all_.reset();
      parts_.clear();
      return;
    }
    if (!all_ || parts != parts_) {
      const std::shared_ptr<Batch> all = member_->batches->Take();
      Sink rows(*all, limits_);
      for (const auto& part : parts) rows.Append(*part);
      dropped_ = all->Seal();
      all_ = all;
      parts_ = std::move(parts);
    }
    sink.Share(all_, dropped_);
    if (all_->small() && !all_->failure()) return;
    all_.reset();
    parts_.clear();
  }

  const Watched watched_;
  const std::shared_ptr<const QueryMember> member_;
  const Limits limits_;
  const std::string key_;
  const Mono::duration max_age_;
  std::vector<std::shared_ptr<const Batch>> parts_{};  // what all_ was made of
  std::shared_ptr<const Batch> all_{};
  std::size_t dropped_ = 0;
};

}  // namespace

std::unique_ptr<Collector> MakeClusterCollector(Watched watched,
                                                std::shared_ptr<const QueryMember> member,
                                                std::shared_ptr<QueryPast> past) {
  return std::make_unique<ClusterCollector>(std::move(watched), std::move(member), std::move(past));
}

std::unique_ptr<Collector> MakeDatabaseCollector(Watched watched,
                                                 std::shared_ptr<const QueryMember> member,
                                                 const Limits& limits) {
  return std::make_unique<DatabaseCollector>(std::move(watched), std::move(member), limits);
}

}  // namespace sidecar::postgres
