#include "exporters/temporal/namespace_streams.h"

#include <utility>

#include "common/log/log.h"

namespace sidecar::temporal {
namespace {

constexpr Millis kIdleCommit{30'000};  // when only time has passed

}  // namespace

NamespaceStreams::NamespaceStreams(std::string name, SeriesBudgets budgets, Log& log,
                                   std::int64_t since)
    : name_(std::move(name)),
      budgets_(std::move(budgets)),
      log_(log),
      state_(std::make_unique<State>(budgets_, since)) {}

std::string NamespaceStreams::State::Encode() const {
  StateWriter out;
  started.Encode(out);
  closed.Encode(out);
  workflows.Encode(out);
  activities.Encode(out);
  sampler.Encode(out);
  return std::move(out).bytes();
}

bool NamespaceStreams::State::Decode(std::string_view bytes) {
  StateReader in(bytes);
  return started.Decode(in) && closed.Decode(in) && workflows.Decode(in) && activities.Decode(in) &&
         sampler.Decode(in) && in.empty();
}

std::shared_ptr<const NamespaceSnapshot> NamespaceStreams::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

NamespaceStreams::Outcome NamespaceStreams::Tick(const Sources& sources, const Scrape& scrape) {
  state_->workflows.Limit(sources.options.namespace_series_limit);
  state_->activities.Limit(sources.options.namespace_series_limit);
  Outcome outcome;
  // Of each tick, as a reload may bring another file. Another process may have it.
  Result<> open = sources.state == nullptr ? Result<>() : sources.state->Open();
  if (!restored_) {
    if (!open) return {.streams = std::move(open), .histories = {}};
    Restore(sources, scrape);
  }
  ReadStreams(sources, scrape, outcome);
  if (sources.histories != nullptr) ReadHistories(sources, scrape, outcome);
  if (open) Commit(sources, scrape.clock().mono());
  if (!open && outcome.streams) outcome.streams = std::move(open);
  Publish(scrape);
  return outcome;
}

void NamespaceStreams::Restore(const Sources& sources, const Scrape& scrape) {
  const std::int64_t now = clock_.Read(scrape.clock()).us;
  const std::string bytes = sources.state == nullptr ? "" : sources.state->Section(name_);
  restored_ = true;
  if (bytes.empty()) return;
  auto state = std::make_unique<State>(budgets_);
  state->workflows.Limit(sources.options.namespace_series_limit);
  state->activities.Limit(sources.options.namespace_series_limit);
  const bool decoded = state->Decode(bytes);
  const bool future = decoded && state->closed.done() > now + 60 * kMinuteUs;
  if (!decoded || future) {
    log_.Warn("state of a namespace unusable: its Temporal counters start anew",
              {{"namespace", name_}, {"reason", future ? "of the future" : "damaged"}});
    return;
  }
  state_ = std::move(state);
  dirty_ = false;
  committed_at_ = scrape.clock().mono();
  committed_to_ = sources.state->path();
  Publish(scrape);
}

void NamespaceStreams::ReadStreams(const Sources& sources, const Scrape& scrape, Outcome& outcome) {
  const StreamOptions& options = sources.options;
  const Stream::Context context{sources.visibility, scrape, clock_, options};
  const Mono now = scrape.clock().mono();
  const auto saw = [&](const Execution& run) {
    dirty_ = true;
    sources.queues.Saw(name_, run.task_queue, now);
  };
  auto started = state_->started.Tick(context, [&](const Execution& run) {
    saw(run);
    state_->workflows.Started(run);
  });
  auto closed = state_->closed.Tick(context, [&](const Execution& run) {
    saw(run);
    state_->workflows.Closed(run, options.exemplars);
    state_->sampler.Offer(run, options);
  });
  outcome.streams = started ? std::move(closed) : std::move(started);
}

void NamespaceStreams::ReadHistories(const Sources& sources, const Scrape& scrape,
                                     Outcome& outcome) {
  const Mono now = scrape.clock().mono();
  const auto saw = [&](const std::string& queue) { sources.queues.Saw(name_, queue, now); };
  auto read = state_->sampler.Tick(*sources.histories, scrape, sources.options, state_->activities,
                                   dirty_, saw);
  if (!read) outcome.histories = Fail(std::move(read.error()));
}

void NamespaceStreams::Commit(const Sources& sources, Mono now) {
  const std::string path = sources.state == nullptr ? "" : sources.state->path();
  if (!dirty_ && path == committed_to_ && now - committed_at_ < kIdleCommit) return;
  dirty_ = false;
  committed_at_ = now;
  committed_to_ = path;
  // A commit that fails was logged and the file is gone: what is shown may go on, since a restart
  // will begin at zero.
  if (sources.state != nullptr) static_cast<void>(sources.state->Commit(name_, state_->Encode()));
}

void NamespaceStreams::Publish(const Scrape& scrape) {
  auto snapshot = std::make_shared<NamespaceSnapshot>();
  snapshot->at = clock_.Read(scrape.clock());
  snapshot->workflows = state_->workflows.Publish();
  snapshot->activities = state_->activities.Publish();
  snapshot->started = state_->started.stats();
  snapshot->closed = state_->closed.stats();
  snapshot->histories = state_->sampler.stats();
  snapshot->workflow_overflow = state_->workflows.overflow();
  snapshot->activity_overflow = state_->activities.overflow();
  const std::scoped_lock lock(mutex_);
  snapshot_ = std::move(snapshot);
}

}  // namespace sidecar::temporal
