#include "exporters/postgres/query_collectors.h"

#include <algorithm>

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
  ClusterCollector(Watched watched, std::shared_ptr<const QueryMember> member)
      : watched_(std::move(watched)), member_(std::move(member)) {}

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
    if (flood_ && scrape.clock().mono() < flood_until_) return Fail(*flood_);
    flood_.reset();
    // Another turn would leave another behind.
    if (left_ != 0 && watched_.server->budget().There(left_)) {
      return Fail(Errc::kTimeout, "its last statement had no answer and its backend runs on");
    }
    left_ = 0;
    const auto lease = watched_.server->Take(member_->schedule.lane);
    const QueryLimits limits{.series = static_cast<std::int64_t>(member_->schedule.limits.series)};
    auto outcome = RunMember(*member_, **lease, scrape, limits, sink);
    if (!outcome) {
      left_ = (*lease)->left();
      if ((*lease)->flooded()) {
        flood_ = outcome.error();
        flood_until_ = scrape.clock().mono() + kFloodPause;
      }
      return Fail(std::move(outcome.error()));
    }
    if (outcome->disabled) {
      sink.Add(kDisabled, 1, "postgres", member_->def.name, Reason(outcome->disabled->code));
    }
    if (outcome->cut > 0) watched_.cuts->Add(member_->def.name, outcome->cut);
    return {};
  }

  const Watched watched_;
  const std::shared_ptr<const QueryMember> member_;
  std::optional<Error> flood_{};
  Mono flood_until_{};
  std::uint64_t left_ = 0;  // by its last run
};

class DatabaseCollector final : public Collector {
 public:
  DatabaseCollector(Watched watched, std::shared_ptr<const QueryMember> member)
      : watched_(std::move(watched)),
        member_(std::move(member)),
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
      return NoneYet();
    }
    const Mono now = clock.mono();
    std::size_t disabled = 0;
    for (const Databases::Result& result : results) {
      if (result.disabled) ++disabled;
      Emit(result, now, sink);
    }
    if (disabled > 0 && disabled == results.size()) {
      sink.Add(kDisabled, 1, "postgres", member_->def.name, Reason(results.front().disabled->code));
    }
    return {};
  }

 private:
  Result<> NoneYet() const {
    const std::vector<std::string> names = watched_.databases->names();
    const auto wants = [&](const std::string& name) { return Wants(member_->def, name); };
    if (names.empty() || std::ranges::any_of(names, wants)) {
      return Fail(Errc::kNoData, "no database that it is for was visited yet");
    }
    return Fail(Errc::kUnsupported, "no database matches");
  }

  void Emit(const Databases::Result& result, Mono now, Sink& sink) const {
    if (result.error) sink.Warn(Error(*result.error).Wrap("database " + result.database));
    if (!result.rows) return;
    if (now - result.at > max_age_) {
      if (!result.error) {
        sink.Warn({Errc::kTimeout, "database " + result.database + ": its last rows are too old"});
      }
      return;
    }
    sink.Append(*result.rows);
    sink.Add(kAge, std::chrono::duration<double>(now - result.at).count(), member_->def.name,
             EscapeInvalid(result.database));
  }

  const Watched watched_;
  const std::shared_ptr<const QueryMember> member_;
  const std::string key_;
  const Mono::duration max_age_;
};

}  // namespace

std::unique_ptr<Collector> MakeClusterCollector(Watched watched,
                                                std::shared_ptr<const QueryMember> member) {
  return std::make_unique<ClusterCollector>(std::move(watched), std::move(member));
}

std::unique_ptr<Collector> MakeDatabaseCollector(Watched watched,
                                                 std::shared_ptr<const QueryMember> member) {
  return std::make_unique<DatabaseCollector>(std::move(watched), std::move(member));
}

}  // namespace sidecar::postgres
