#include "exporters/host/statfs_workers.h"

#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace sidecar::host {
namespace {

constexpr std::size_t kMaxThreads = 8, kMaxRemote = 6;
constexpr Millis kStall{20};  // without an answer: another worker takes the rest of the queue
constexpr Millis kGrace{50};  // for whom was slow the last time
constexpr Millis kMaxLate = std::chrono::minutes(2);

}  // namespace

StatfsAnswer SystemStatfs(const std::string& path) {
  struct statfs status {};
  int failed = 0;
  do {
    failed = ::statfs(path.c_str(), &status);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) return {.error = errno};
  // Counted in fragments (statvfs(3)); f_bsize, which the peer takes, is only the best size for
  // transfers, and larger on FUSE and virtiofs.
  const auto unit = status.f_frsize != 0 ? status.f_frsize : status.f_bsize;
  return {.unit = static_cast<std::uint64_t>(unit),
          .blocks = status.f_blocks,
          .free = status.f_bfree,
          .available = status.f_bavail,
          .files = status.f_files,
          .files_free = status.f_ffree};
}

struct StatfsWorkers::Shared {
  std::mutex mutex;
  std::condition_variable work, done;
  StatfsCall call;
  std::size_t parallel = 1;
  bool closing = false;

  std::deque<std::shared_ptr<StatfsProbe>> queue;  // local ones first
  std::size_t threads = 0, idle = 0, running = 0, remote = 0, left_behind = 0;
  // Of this round: not answered yet, by how long to wait for them; and how many have answered.
  std::size_t prompt_pending = 0, slow_pending = 0, answered = 0;

  std::size_t& Pending(const StatfsProbe& probe) {
    return probe.slow_ ? slow_pending : prompt_pending;
  }

  bool CanTake() const {
    return !queue.empty() && (!queue.front()->remote_ || remote < kMaxRemote);
  }

  std::shared_ptr<StatfsProbe> Take() {
    if (!CanTake()) return nullptr;
    auto probe = std::move(queue.front());
    queue.pop_front();
    probe->stage_ = StatfsProbe::Stage::kRunning;
    ++running;
    if (probe->remote_) ++remote;
    return probe;
  }

  void Answered(StatfsProbe& probe, const StatfsAnswer& answer) {
    probe.stage_ = StatfsProbe::Stage::kIdle;
    probe.fresh_ = answer;
    --running;
    if (probe.remote_) --remote;
    if (probe.left_behind_) {
      probe.left_behind_ = false;
      --left_behind;
      return;
    }
    ++answered;
    if (--Pending(probe) == 0) done.notify_all();
  }
};

StatfsWorkers::StatfsWorkers(StatfsCall call, std::size_t parallel)
    : shared_(std::make_shared<Shared>()) {
  shared_->call = std::move(call);
  shared_->parallel = std::max<std::size_t>(parallel, 1);
}

StatfsWorkers::~StatfsWorkers() {
  std::unique_lock lock(shared_->mutex);
  shared_->closing = true;
  shared_->queue.clear();
  shared_->work.notify_all();
  shared_->done.wait(lock, [&] { return shared_->threads == shared_->running; });
}

void StatfsWorkers::Work(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->mutex);
  while (!shared->closing) {
    const auto probe = shared->Take();
    if (probe) {
      lock.unlock();
      const StatfsAnswer answer = shared->call(probe->path_);
      lock.lock();
      shared->Answered(*probe, answer);
      continue;
    }
    if (shared->idle > 0) break;  // one is enough to wait for work
    ++shared->idle;
    shared->work.wait(lock);
    --shared->idle;
  }
  --shared->threads;
  if (shared->closing) shared->done.notify_all();
}

void StatfsWorkers::AddWorker(const std::shared_ptr<Shared>& shared) {
  if (shared->idle > 0) {
    shared->work.notify_one();
    return;
  }
  const bool full =
      shared->threads >= kMaxThreads || shared->threads - shared->left_behind >= shared->parallel;
  if (full) return;
  ++shared->threads;
  try {
    std::thread([shared] { Work(shared); }).detach();
  } catch (const std::system_error&) {  // no threads left: who is queued is not asked
    --shared->threads;
  }
}

void StatfsWorkers::Begin(const Scrape& scrape,
                          std::span<const std::shared_ptr<StatfsProbe>> probes) {
  const Mono now = scrape.clock().mono();
  const std::scoped_lock lock(shared_->mutex);
  EndRound(now);  // of a run that ended without Finish
  round_.assign(probes.begin(), probes.end());
  shared_->prompt_pending = shared_->slow_pending = shared_->answered = 0;
  for (const bool remote : {false, true}) {
    for (const auto& probe : round_) {
      if (probe->remote_ != remote || probe->stage_ != StatfsProbe::Stage::kIdle) continue;
      probe->late_ = std::exchange(probe->fresh_, std::nullopt);
      probe->late_asked_ = std::exchange(probe->asked_, now);
      probe->stage_ = StatfsProbe::Stage::kQueued;
      shared_->queue.push_back(probe);
      ++shared_->Pending(*probe);
    }
  }
  if (shared_->CanTake()) AddWorker(shared_);
}

void StatfsWorkers::Finish(const Scrape& scrape, Millis budget) {
  if (round_.empty()) return;
  Shared& shared = *shared_;
  // Before the lock, because its destructor waits for the callback, which takes the lock.
  const std::stop_callback cut(scrape.stop(), [&shared] {
    const std::scoped_lock lock(shared.mutex);
    shared.done.notify_all();
  });
  std::unique_lock lock(shared.mutex);
  Mono now = scrape.clock().mono();
  const Mono end = now + budget, grace_end = now + std::min(budget, kGrace);
  Mono stall = now + kStall;
  std::size_t answered = shared.answered;
  while (shared.prompt_pending + shared.slow_pending > 0 && !scrape.stop().stop_requested()) {
    const Mono until = shared.prompt_pending > 0 ? end : grace_end;
    const bool nobody = shared.running == shared.left_behind && !shared.CanTake();
    if (now >= until || nobody) break;
    scrape.clock().WaitUntil(lock, shared.done, std::min(until, stall));
    now = scrape.clock().mono();
    if (now < stall) continue;
    if (shared.answered == answered && shared.CanTake()) AddWorker(shared_);
    answered = shared.answered;
    stall = now + kStall;
  }
  EndRound(now);
}

// The scrape goes on without those who have not answered.
void StatfsWorkers::EndRound(Mono now) {
  for (const auto& probe : round_) Settle(*shared_, *probe, now);
  shared_->queue.clear();
  round_.clear();
}

void StatfsWorkers::Settle(Shared& shared, StatfsProbe& probe, Mono now) {
  using Stage = StatfsProbe::Stage;
  using State = StatfsReply::State;
  const auto late = std::exchange(probe.late_, std::nullopt);
  if (probe.stage_ == Stage::kIdle) {
    probe.slow_ = false;
    if (probe.fresh_) probe.reply_ = {.state = State::kAnswered, .answer = *probe.fresh_};
    probe.fresh_.reset();
    return;
  }
  probe.slow_ = true;
  probe.reply_ = {.state = State::kTimeout};
  if (probe.stage_ == Stage::kQueued) {
    probe.stage_ = Stage::kIdle;
    probe.reply_.state = State::kNoWorker;
  } else if (!probe.left_behind_) {
    probe.left_behind_ = true;
    ++shared.left_behind;
  }
  if (late && now - probe.late_asked_ <= kMaxLate) {
    probe.reply_ = {.state = State::kAnswered, .answer = *late, .late = true};
  }
}

StatfsWorkers::Counts StatfsWorkers::counts() const {
  const std::scoped_lock lock(shared_->mutex);
  return {.threads = shared_->threads,
          .idle = shared_->idle,
          .running = shared_->running,
          .left_behind = shared_->left_behind,
          .takeable = shared_->CanTake()};
}

}  // namespace sidecar::host
