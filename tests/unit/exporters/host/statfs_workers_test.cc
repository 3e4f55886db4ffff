#include "exporters/host/statfs_workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/fake_clock.h"

namespace sidecar::host {
namespace {

using State = StatfsReply::State;

// statfs whose paths hang until they are let go. Shared with the workers, which may outlive a test.
class Hanging {
 public:
  StatfsCall Call() {
    return [shared = shared_](const std::string& path) -> StatfsAnswer {
      std::unique_lock lock(shared->mutex);
      ++shared->calls[path];
      ++shared->running[path];
      EXPECT_EQ(shared->running[path], 1) << path << " is asked twice at once";
      shared->changed.notify_all();
      const bool hangs = shared->hangs.contains(path);
      if (hangs) ++shared->hanging;
      shared->changed.wait(lock, [&] { return !shared->hangs.contains(path); });
      if (hangs) --shared->hanging;
      --shared->running[path];
      shared->changed.notify_all();
      return {.unit = 1, .blocks = static_cast<std::uint64_t>(shared->calls[path])};
    };
  }
  void Hang(const std::string& path) {
    const std::scoped_lock lock(shared_->mutex);
    shared_->hangs.insert(path);
  }
  // And waits for the call's end.
  void Thaw(const std::string& path) {
    std::unique_lock lock(shared_->mutex);
    shared_->hangs.erase(path);
    shared_->changed.notify_all();
    shared_->changed.wait(lock, [&] { return shared_->running[path] == 0; });
  }
  void AwaitCall(const std::string& path) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return shared_->running[path] > 0; });
  }
  std::size_t hanging() {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->hanging;
  }
  int calls(const std::string& path) {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->calls[path];
  }
  ~Hanging() {
    const std::scoped_lock lock(shared_->mutex);
    shared_->hangs.clear();
    shared_->changed.notify_all();
  }

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, int> calls, running;
    std::set<std::string> hangs;
    std::size_t hanging = 0;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// A FakeClock that knows whether somebody waits for it; one waits at a time.
class WatchedClock final : public Clock {
 public:
  Mono mono() const override { return clock_.mono(); }
  Wall wall() const override { return clock_.wall(); }
  bool SleepUntil(Mono at, std::stop_token stop) const override {
    return clock_.SleepUntil(at, std::move(stop));
  }
  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 Mono at) const override {
    until_ = at;
    const bool before = clock_.WaitUntil(lock, changed, at);
    until_ = Mono::min();
    return before;
  }
  void Advance(Millis by) { clock_.Advance(by); }
  // For a time still to come: whoever's time has come is about to do something.
  bool awaited() const { return clock_.mono() < until_.load(); }

 private:
  FakeClock clock_;
  mutable std::atomic<Mono> until_ = Mono::min();
};

constexpr Millis kBudget{500}, kMoreThanGrace{60};

class StatfsWorkersTest : public ::testing::Test {
 protected:
  std::shared_ptr<StatfsProbe> Probe(const std::string& path, bool remote = true) {
    auto probe = std::make_shared<StatfsProbe>(path, remote);
    probes_.push_back(probe);
    return probe;
  }

  // One scrape during which the clock stands: answers may take any real time.
  void Ask(std::stop_token stop = {}) { AskWhileTimePasses(Millis(0), std::move(stop)); }

  // One scrape during which the clock moves on, `most` at most, whenever nothing else can happen:
  // every thread hangs or has nothing to do. A scrape that waits for longer never ends.
  void AskWhileTimePasses(Millis most, std::stop_token stop = {}) {
    const Scrape scrape(clock_, clock_.mono() + std::chrono::seconds(10), std::move(stop), 1);
    workers_->Begin(scrape, probes_);
    std::atomic<bool> ended = false;
    std::jthread time([&] {
      for (Millis moved{0}; !ended && moved < most;) {
        std::this_thread::yield();
        if (!clock_.awaited() || !Quiet()) continue;
        clock_.Advance(Millis(10));
        moved += Millis(10);
      }
    });
    workers_->Finish(scrape, kBudget);
    ended = true;
  }

  bool Quiet() {
    const auto counts = workers_->counts();
    return counts.running == statfs_.hanging() && counts.running + counts.idle == counts.threads &&
           !(counts.idle > 0 && counts.takeable);
  }

  void Thaw(const std::string& path) {
    statfs_.Thaw(path);
    while (workers_->counts().running > statfs_.hanging()) std::this_thread::yield();
  }

  WatchedClock clock_;
  Hanging statfs_;
  std::unique_ptr<StatfsWorkers> workers_ = std::make_unique<StatfsWorkers>(statfs_.Call(), 4);
  std::vector<std::shared_ptr<StatfsProbe>> probes_;
};

TEST_F(StatfsWorkersTest, AsksAllMountsWithOneThread) {
  for (int i = 0; i < 50; ++i) Probe("/" + std::to_string(i));
  for (int round = 1; round <= 3; ++round) {
    Ask();
    for (const auto& probe : probes_) {
      EXPECT_EQ(probe->reply().state, State::kAnswered);
      EXPECT_EQ(probe->reply().answer.blocks, static_cast<std::uint64_t>(round));
    }
    EXPECT_EQ(workers_->counts().threads, 1U);
  }
}

TEST_F(StatfsWorkersTest, NothingToAskStartsNoThread) {
  Ask();
  EXPECT_EQ(workers_->counts().threads, 0U);
}

TEST_F(StatfsWorkersTest, AMountThatHangsCostsItsBudgetOnceAndTheOthersAreServed) {
  statfs_.Hang("/nfs");
  const auto hung = Probe("/nfs");
  const auto good = Probe("/data");
  const Mono before = clock_.mono();
  AskWhileTimePasses(kBudget);
  EXPECT_EQ(clock_.mono() - before, kBudget);
  EXPECT_EQ(hung->reply().state, State::kTimeout);
  EXPECT_EQ(good->reply().state, State::kAnswered);
  EXPECT_EQ(workers_->counts().left_behind, 1U);
  for (int round = 0; round < 100; ++round) {
    Ask();  // it is not waited for again, or this would not end
    EXPECT_EQ(hung->reply().state, State::kTimeout);
    EXPECT_EQ(good->reply().state, State::kAnswered);
  }
  EXPECT_EQ(statfs_.calls("/nfs"), 1);
  EXPECT_EQ(workers_->counts().left_behind, 1U);
  EXPECT_LE(workers_->counts().threads, 3U);
}

TEST_F(StatfsWorkersTest, AMountThatThawsIsServedAgain) {
  statfs_.Hang("/nfs");
  const auto probe = Probe("/nfs");
  AskWhileTimePasses(kBudget);
  EXPECT_EQ(probe->reply().state, State::kTimeout);
  Thaw("/nfs");
  for (int round = 0; round < 2; ++round) {
    Ask();
    EXPECT_EQ(probe->reply().state, State::kAnswered);
    EXPECT_FALSE(probe->reply().late);
  }
  EXPECT_EQ(workers_->counts().left_behind, 0U);
}

TEST_F(StatfsWorkersTest, ASlowMountIsServedWithTheAnswerThatCameTooLate) {
  const auto probe = Probe("/slow");
  statfs_.Hang("/slow");
  AskWhileTimePasses(kBudget);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    Thaw("/slow");  // between two scrapes
    statfs_.Hang("/slow");
    AskWhileTimePasses(kMoreThanGrace);  // waited for but a little
    EXPECT_EQ(probe->reply().state, State::kAnswered);
    EXPECT_TRUE(probe->reply().late);
    EXPECT_EQ(probe->reply().answer.blocks, round);
  }
}

TEST_F(StatfsWorkersTest, AnAnswerToAnOldQuestionIsNotServed) {
  const auto probe = Probe("/slow");
  statfs_.Hang("/slow");
  AskWhileTimePasses(kBudget);
  Thaw("/slow");
  statfs_.Hang("/slow");
  clock_.Advance(std::chrono::minutes(3));
  AskWhileTimePasses(kMoreThanGrace);
  EXPECT_EQ(probe->reply().state, State::kTimeout);
}

TEST_F(StatfsWorkersTest, AtMostEightThreadsHangAndLocalMountsAreServed) {
  const auto local = Probe("/local", false);
  for (int i = 0; i < 20; ++i) {
    statfs_.Hang("/nfs" + std::to_string(i));
    Probe("/nfs" + std::to_string(i));
  }
  for (int round = 0; round < 10; ++round) {
    AskWhileTimePasses(kBudget);
    EXPECT_EQ(local->reply().state, State::kAnswered);
    EXPECT_LE(workers_->counts().threads, 8U);
    EXPECT_LE(workers_->counts().left_behind, 6U);
  }
  EXPECT_EQ(workers_->counts().left_behind, 6U);
  Ask();  // who cannot be asked is not waited for, or this would not end
  int not_asked = 0;
  for (const auto& probe : probes_) not_asked += probe->reply().state == State::kNoWorker ? 1 : 0;
  EXPECT_EQ(not_asked, 14);
  for (int i = 0; i < 20; ++i) Thaw("/nfs" + std::to_string(i));
  Ask();
  for (const auto& probe : probes_) EXPECT_EQ(probe->reply().state, State::kAnswered);
  EXPECT_EQ(workers_->counts().left_behind, 0U);
}

TEST_F(StatfsWorkersTest, AMountThatIsGoneWhileItHangsIsForgotten) {
  statfs_.Hang("/nfs");
  Probe("/nfs");
  AskWhileTimePasses(kBudget);
  probes_.clear();
  const auto other = Probe("/other");
  Ask();
  EXPECT_EQ(other->reply().state, State::kAnswered);
  EXPECT_EQ(workers_->counts().left_behind, 1U);
  Thaw("/nfs");
  EXPECT_EQ(workers_->counts().left_behind, 0U);
}

TEST_F(StatfsWorkersTest, ARunThatIsToldToStopWaitsNoLonger) {
  statfs_.Hang("/nfs");
  const auto probe = Probe("/nfs");
  std::stop_source stop;
  std::jthread asker([&] {
    statfs_.AwaitCall("/nfs");
    stop.request_stop();
  });
  Ask(stop.get_token());
  EXPECT_EQ(probe->reply().state, State::kTimeout);
}

TEST_F(StatfsWorkersTest, ARoundWithoutFinishLeavesTheNextOneWhole) {
  statfs_.Hang("/nfs");
  const auto hung = Probe("/nfs"), good = Probe("/data");
  const Scrape scrape(clock_, clock_.mono() + std::chrono::seconds(10), {}, 1);
  workers_->Begin(scrape, probes_);
  statfs_.AwaitCall("/nfs");
  Ask();
  EXPECT_EQ(hung->reply().state, State::kTimeout);
  EXPECT_EQ(good->reply().state, State::kAnswered);
}

TEST_F(StatfsWorkersTest, EndsWhileAMountHangsAndTheThreadOutlivesIt) {
  statfs_.Hang("/nfs");
  Probe("/nfs");
  AskWhileTimePasses(kBudget);
  workers_.reset();  // returns
  probes_.clear();
  statfs_.Thaw("/nfs");
  EXPECT_EQ(statfs_.calls("/nfs"), 1);
}

TEST(SystemStatfs, AnswersForTheRootAndReportsWhatIsMissing) {
  const StatfsAnswer root = SystemStatfs("/");
  EXPECT_EQ(root.error, 0);
  EXPECT_GT(root.unit * root.blocks, 0U);
  EXPECT_EQ(SystemStatfs("/no/such/place").error, ENOENT);
}

}  // namespace
}  // namespace sidecar::host
