#include "exporters/temporal/history_sampler.h"

#include <algorithm>

#include "exporters/temporal/seen_set.h"

namespace sidecar::temporal {
namespace {

constexpr int kLeftForCallMs = 10'500, kMaxFailures = 10;
constexpr Millis kFirstRetry{1'000}, kLastRetry{15'000};  // as the streams'
constexpr std::size_t kMaxId = 4'096;
constexpr double kMaxAllowed = 30;  // reads at once after a pause

}  // namespace

double HistorySampler::Ratio(const StreamOptions& options) const {
  if (options.histories_per_second <= 0) return 0;
  const double full =
      static_cast<double>(waiting_.size()) / static_cast<double>(options.history_queue);
  return std::clamp(2 * (1 - full), 0.0, 1.0);
}

void HistorySampler::Offer(const Execution& run, const StreamOptions& options) {
  ++stats_.eligible;
  const double ratio = stats_.ratio = Ratio(options);
  if (run.history_length > options.history_events_limit || run.workflow_id.size() > kMaxId ||
      run.run_id.size() > kMaxId) {
    ++stats_.too_long;
  } else if (waiting_.size() >= static_cast<std::size_t>(options.history_queue)) {
    ++stats_.queue_full;
  } else if (static_cast<double>(Spread(KeyOf(run.run_id)) >> 11U) * 0x1p-53 >= ratio) {
    ++stats_.by_ratio;
  } else {
    waiting_.push_back({run.workflow_id, run.run_id, BoundedLabel(run.type)});
  }
}

double HistorySampler::Allow(const Scrape& scrape, const StreamOptions& options) {
  const Mono now = scrape.clock().mono();
  if (allowed_at_ != Mono{}) {
    const double passed = std::chrono::duration<double>(now - allowed_at_).count();
    allowed_ += passed * options.histories_per_second;
  }
  allowed_at_ = now;
  return allowed_ = std::min(allowed_, std::max(kMaxAllowed, options.histories_per_second * 3));
}

Result<> HistorySampler::Tick(Histories& histories, const Scrape& scrape,
                              const StreamOptions& options, ActivityCounters& counters,
                              bool& changed,
                              const std::function<void(const std::string& queue)>& saw) {
  Allow(scrape, options);
  stats_.ratio = Ratio(options);
  if (scrape.clock().mono() < retry_at_) return {};
  for (bool first = true; !waiting_.empty() && allowed_ >= 1; first = false) {
    if (!first && scrape.LeftMs() < kLeftForCallMs) break;
    auto read = ReadRun(histories, scrape, options, waiting_.front());
    if (!read) {
      auto failed = Failed(scrape, std::move(read.error()));
      if (!failed) return failed;
      changed = true;
      continue;
    }
    failures_ = 0;
    for (const ClosedActivity& activity : read->closed()) saw(activity.task_queue);
    counters.Count(*read, waiting_.front().type);
    ++stats_.sampled;
    waiting_.pop_front();
    changed = true;
  }
  return {};
}

Result<ActivityJoin> HistorySampler::ReadRun(Histories& histories, const Scrape& scrape,
                                             const StreamOptions& options, const Waiting& run) {
  ActivityJoin join;
  std::string token;
  std::int64_t events = 0;
  do {
    allowed_ -= 1;
    auto page = histories.Read(scrape, run.workflow_id, run.run_id, token);
    if (!page) return Fail(std::move(page.error()));
    for (const HistoryEvent& event : page->events) join.Add(event);
    events += std::max<std::int64_t>(std::ssize(page->events), 1);
    token = std::move(page->next_page_token);
  } while (!token.empty() && events <= 4 * options.history_events_limit);
  if (!token.empty()) return Fail(Errc::kParse, "a history without end");
  return join;
}

// Nothing, if the run at the front was given up; else it waits behind the others. A failure is its
// own only if another run could be read since the last one: a server that is down fails all.
Result<> HistorySampler::Failed(const Scrape& scrape, Error error) {
  Waiting run = std::move(waiting_.front());
  waiting_.pop_front();
  const bool gone = error.code == Errc::kNoData;
  const bool own = error.code != Errc::kLimit && run.sampled_before != stats_.sampled;
  if (own) ++run.failures;
  run.sampled_before = stats_.sampled;
  if (gone || error.code == Errc::kParse || run.failures >= kMaxFailures) {
    ++(gone ? stats_.gone : stats_.failed);
    failures_ = 0;
    return {};
  }
  waiting_.push_back(std::move(run));
  const Millis wait = std::min(kLastRetry, kFirstRetry * (1 << std::min(failures_++, 6)));
  retry_at_ = scrape.clock().mono() + wait;
  return Fail(std::move(error));
}

SamplerStats HistorySampler::stats() const {
  SamplerStats stats = stats_;
  stats.waiting = waiting_.size();
  return stats;
}

void HistorySampler::Encode(StateWriter& out) const {
  const SamplerStats& s = stats_;
  for (const std::uint64_t number :
       {s.eligible, s.sampled, s.by_ratio, s.queue_full, s.too_long, s.gone, s.failed}) {
    out.Number(number);
  }
  out.Number(waiting_.size());
  for (const Waiting& run : waiting_) out.Text(run.workflow_id).Text(run.run_id).Text(run.type);
}

bool HistorySampler::Decode(StateReader& in) {
  constexpr std::size_t kMaxWaiting = 100'000;
  HistorySampler read;
  SamplerStats& s = read.stats_;
  for (std::uint64_t* number :
       {&s.eligible, &s.sampled, &s.by_ratio, &s.queue_full, &s.too_long, &s.gone, &s.failed}) {
    *number = in.Number();
  }
  for (std::size_t left = in.Items(kMaxWaiting); in.ok() && left > 0; --left) {
    Waiting run;
    run.workflow_id = in.Text(kMaxId);
    run.run_id = in.Text(kMaxId);
    run.type = BoundedLabel(in.Text(kMaxId));
    read.waiting_.push_back(std::move(run));
  }
  if (!in.ok()) return false;
  *this = std::move(read);
  return true;
}

}  // namespace sidecar::temporal
