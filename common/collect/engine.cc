#include "common/collect/engine.h"

#include <algorithm>
#include <utility>

#include "common/collect/scheduler.h"

namespace sidecar {
namespace {

constexpr Millis kLongestWait = std::chrono::hours(1);

}  // namespace

struct Engine::Impl {
  Impl(const Identity& identity, const Runtime& lent)
      : runtime(lent), scheduler(std::make_shared<Scheduler>(identity, lent)) {}

  std::shared_ptr<const Batch> Gauges(const Gathering& gathering) const;
  Millis LongestTimeout() const;
  Snapshot Assemble(Gathering& gathering, const LastPart& last) const;
  void CountMissed(const Gathering& gathering) const;

  const Runtime runtime;
  const std::shared_ptr<Scheduler> scheduler;  // shared with its threads
  const std::shared_ptr<BatchPool> gauges = std::make_shared<BatchPool>();
};

std::shared_ptr<const Batch> Engine::Impl::Gauges(const Gathering& gathering) const {
  auto batch = gauges->Take();
  Sink sink(*batch);
  GatherGauges rows(scheduler->self(), sink);
  for (const Gathering::Item& item : gathering.items) {
    GatherRow row{.collector = item.entry->name(),
                  .success = item.outcome.success,
                  .seconds = item.outcome.seconds,
                  .samples = item.outcome.samples};
    if (item.age) row.age_seconds = std::chrono::duration<double>(*item.age).count();
    rows.Add(row);
  }
  for (const DisabledMember& disabled : gathering.generation->disabled) {
    rows.Disabled(disabled.name, disabled.reason);
  }
  rows.LeftBehind(gathering.left_behind, kMaxLeftBehind);
  batch->Seal();
  return batch;
}

Millis Engine::Impl::LongestTimeout() const {
  double longest = 0;
  for (const MemberStatus& member : scheduler->Status()) {
    if (!member.task) longest = std::max(longest, member.timeout_seconds);
  }
  return std::chrono::ceil<Millis>(std::chrono::duration<double>(longest));
}

// A row that a collector lost to another one is no success of it, so the gauges are made again.
Snapshot Engine::Impl::Assemble(Gathering& gathering, const LastPart& last) const {
  Snapshot snapshot;
  snapshot.parts.reserve(gathering.items.size() + 2);
  std::vector<std::size_t> ends;  // of the parts of each item
  for (const Gathering::Item& item : gathering.items) {
    const Outcome& outcome = item.outcome;
    snapshot.parts.insert(snapshot.parts.end(), outcome.shared.begin(), outcome.shared.end());
    if (outcome.batch && outcome.batch->samples() > 0) snapshot.parts.push_back(outcome.batch);
    ends.push_back(snapshot.parts.size());
  }
  const auto add_own = [&] {
    snapshot.parts.push_back(Gauges(gathering));
    if (last) snapshot.parts.push_back(last());
  };
  add_own();
  const std::vector<std::size_t> dropped = DropDuplicates(snapshot);
  std::vector<std::size_t> lost(ends.size());
  for (std::size_t i = 0, part = 0; i < ends.size(); ++i) {
    for (; part < ends[i]; ++part) lost[i] += dropped[part];
  }
  scheduler->Overlapped(gathering, lost);
  if (std::ranges::any_of(lost, [](std::size_t rows) { return rows > 0; })) {
    snapshot.parts.resize(ends.empty() ? 0 : ends.back());
    add_own();
    DropDuplicates(snapshot);
  }
  return snapshot;
}

void Engine::Impl::CountMissed(const Gathering& gathering) const {
  for (const Gathering::Item& item : gathering.items) {
    if (item.missed) scheduler->self().CountError(item.entry->name(), *item.outcome.reason);
  }
}

Engine::Engine(Identity identity, Runtime runtime)
    : impl_(std::make_unique<Impl>(identity, runtime)) {}

Engine::~Engine() { impl_->scheduler->Close(); }

void Engine::Swap(Plan plan) { impl_->scheduler->Swap(std::move(plan)); }

std::vector<MemberStatus> Engine::Status() const { return impl_->scheduler->Status(); }

Result<Snapshot> Engine::Gather(const Query& query, const LastPart& last) {
  const Clock& clock = impl_->runtime.clock;
  const Mono start = clock.mono();
  const Millis own = query.wait_for_background ? impl_->LongestTimeout() : Millis(0);
  const Millis timeout = std::clamp(std::max(query.timeout, own), Millis(0), kLongestWait);
  Gathering gathering(start, start + timeout);
  if (auto gathered = impl_->scheduler->Gather(query, gathering); !gathered) {
    return sidecar::Fail(std::move(gathered.error()));
  }
  impl_->CountMissed(gathering);
  impl_->scheduler->self().ObserveScrape(
      std::chrono::duration<double>(clock.mono() - start).count());
  Snapshot snapshot = impl_->Assemble(gathering, last);
  snapshot.names = query.names;
  return snapshot;
}

}  // namespace sidecar
