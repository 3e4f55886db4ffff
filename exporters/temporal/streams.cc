#include "exporters/temporal/streams.h"

#include <algorithm>
#include <optional>

#include "common/log/log.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr Millis kInterval{2'000}, kTimeout{60'000};
constexpr Millis kSparePause{20'000};
constexpr std::size_t kTasks = 4;
constexpr int kLeftForNamespaceMs = 25'000;
constexpr const char* kWorkflows = "workflows";
constexpr const char* kActivities = "activities";

class StreamTask final : public Task {
 public:
  StreamTask(std::shared_ptr<TemporalEnv> env, StreamOptions options, std::size_t position)
      : env_(std::move(env)), options_(options), position_(position) {}

  Result<> Run(const Scrape& scrape) override {
    auto worked = env_->streams().Work(*env_, options_, env_->state_file(), scrape);
    // The tasks before it are enough for as many namespaces as there are.
    const bool spare = position_ > 1 && env_->streams().size() < position_;
    not_before_ = spare ? scrape.clock().mono() + kSparePause : Mono::min();
    return worked;
  }
  Mono NotBefore() const override { return not_before_; }

 private:
  const std::shared_ptr<TemporalEnv> env_;
  const StreamOptions options_;
  const std::size_t position_;  // from 1
  Mono not_before_{};
};

std::optional<Errc> CodeOf(const Result<>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

}  // namespace

// A namespace while one thread works on it.
class Streams::Turn {
 public:
  Turn(Streams& streams, std::shared_ptr<Entry> entry)
      : streams_(streams), entry_(std::move(entry)) {}
  ~Turn() {
    const std::scoped_lock lock(streams_.mutex_);
    entry_->busy = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Streams& streams_;
  const std::shared_ptr<Entry> entry_;
};

Streams::Streams(Log& log)
    : log_(log),
      budgets_{std::make_shared<SeriesBudget>(INT64_MAX),
               std::make_shared<SeriesBudget>(INT64_MAX)} {}

std::size_t Streams::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

Streams::Snapshots Streams::snapshots() const {
  Snapshots snapshots;
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (auto snapshot = entry->streams->snapshot()) snapshots.emplace_back(name, snapshot);
  }
  return snapshots;
}

Streams::Room Streams::room(const StreamOptions& options, std::size_t namespaces) const {
  std::size_t most = namespaces;
  {
    const std::scoped_lock lock(mutex_);
    most = std::max(most, entries_.size());
  }
  const auto count = static_cast<std::int64_t>(most);
  return {.workflows = std::max(options.series_limit, budgets_.workflows->used()) +
                       count * kWorkflowOtherSeries,
          .activities = std::max(options.series_limit, budgets_.activities->used()) +
                        count * kActivityOtherSeries};
}

Result<Streams::Snapshots> Streams::Show(Part part, Sink& sink) const {
  std::vector<Error> failures;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      const Result<>& last = part == Part::kStreams ? entry->read : entry->histories;
      if (!last) failures.push_back(Error(last.error()).Wrap("namespace " + name));
    }
  }
  auto shown = snapshots();
  if (shown.empty() && !failures.empty()) return Fail(std::move(failures.front()));
  if (shown.empty()) return Fail(Errc::kNoData, "no namespace was read yet");
  for (Error& failure : failures) sink.Warn(std::move(failure));
  return shown;
}

std::vector<std::string> Streams::Follow(const Namespaces::Known& known) {
  std::map<std::string, std::shared_ptr<Entry>> gone;  // destroyed outside the lock
  std::vector<std::string> names;
  const std::scoped_lock lock(mutex_);
  // Another thread may have had a later list.
  if (known.read_at < followed_) return names;
  followed_ = known.read_at;
  gone = std::exchange(entries_, {});
  for (const Namespace& one : known.watched) {
    auto& entry = entries_[one.name];
    const auto old = gone.find(one.name);
    if (old != gone.end()) {
      entry = std::move(old->second);
      gone.erase(old);
    } else {
      entry = std::make_shared<Entry>(
          std::make_unique<NamespaceStreams>(one.name, budgets_, log_, one.since_us));
    }
  }
  for (const auto& [name, entry] : gone) names.push_back(name);
  return names;
}

std::shared_ptr<Streams::Entry> Streams::Next(Mono now) {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Entry> next;
  for (const auto& [name, entry] : entries_) {
    if (!entry->busy && entry->due <= now && (!next || entry->due < next->due)) next = entry;
  }
  if (next) {
    next->busy = true;
    next->due = now + kInterval;
  }
  return next;
}

Result<> Streams::Work(TemporalEnv& env, const StreamOptions& options, StateFile* state,
                       const Scrape& scrape) {
  budgets_.workflows->Limit(options.series_limit);
  budgets_.activities->Limit(options.series_limit);
  const auto known = env.namespaces().Get(scrape);
  if (known) {
    for (const std::string& name : Follow(**known)) env.Forget(name);
  } else if (state != nullptr && state->Open()) {
    // The server could not list any yet: counters that were shown before are shown all the same.
    static_cast<void>(Follow(env.namespaces().Expected(state->names())));
  }
  Result<> result = known ? Result<>() : Fail(known.error());
  while (scrape.LeftMs() > kLeftForNamespaceMs && !scrape.stop().stop_requested()) {
    const auto entry = Next(scrape.clock().mono());
    if (!entry) break;
    const Turn turn(*this, entry);
    Result<> worked = WorkOn(*entry, env, options, state, scrape);
    if (!worked && result) result = std::move(worked);
  }
  return result;
}

Result<> Streams::WorkOn(Entry& entry, TemporalEnv& env, const StreamOptions& options,
                         StateFile* state, const Scrape& scrape) {
  const std::string& name = entry.streams->name();
  const Mono now = scrape.clock().mono();
  if (!env.gates().Open(kWorkflows, name, now)) return {};
  const bool histories_open = env.gates().Open(kActivities, name, now);
  const auto visibility = env.visibility(name);
  const auto histories = env.histories(name);
  auto outcome = entry.streams->Tick(
      {*visibility, histories_open ? histories.get() : nullptr, env.queues(), options, state},
      scrape);
  if (env.gates().Record(kWorkflows, name, CodeOf(outcome.streams), now)) {
    log_.Warn("runs cannot be followed in this namespace",
              {{"namespace", name}, {"err", outcome.streams.error().message}});
  }
  if (histories_open && env.gates().Record(kActivities, name, CodeOf(outcome.histories), now)) {
    log_.Warn("histories cannot be read in this namespace",
              {{"namespace", name}, {"err", outcome.histories.error().message}});
  }
  {
    const std::scoped_lock lock(mutex_);
    entry.read = outcome.streams;
    if (histories_open) entry.histories = outcome.histories;
  }
  Result<> result = std::move(outcome.streams);
  if (result && !outcome.histories) result = std::move(outcome.histories);
  if (!result) return Fail(std::move(result.error()).Wrap("namespace " + name));
  return {};
}

std::vector<Member<Task>> MakeStreamTasks(const std::shared_ptr<TemporalEnv>& env,
                                          const StreamOptions& options, std::size_t namespaces) {
  std::vector<Member<Task>> tasks;
  const std::size_t count = namespaces == 0 ? kTasks : std::min(kTasks, namespaces);
  for (std::size_t i = 1; i <= count; ++i) {
    const std::string name = "streams-" + std::to_string(i);
    Schedule schedule;
    schedule.interval = kInterval;
    schedule.timeout = kTimeout;
    schedule.lane = name;
    tasks.push_back({name, schedule, std::make_unique<StreamTask>(env, options, i)});
  }
  return tasks;
}

}  // namespace sidecar::temporal
