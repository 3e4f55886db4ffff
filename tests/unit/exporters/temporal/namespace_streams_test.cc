#include "exporters/temporal/namespace_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/log/log.h"
#include "tests/support/simulated_visibility.h"

namespace sidecar::temporal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kStart = 1'767'225'600 * kSecondUs;

class OneActivity final : public Histories {
 public:
  Result<HistoryPage> Read(const Scrape&, const std::string&, const std::string&,
                           const std::string&) override {
    HistoryEvent scheduled, started, completed;
    scheduled.type = EventType::kActivityScheduled;
    scheduled.event_id = 5;
    scheduled.activity_type = "charge";
    scheduled.task_queue = "cards";
    started.type = EventType::kActivityStarted;
    completed.type = EventType::kActivityCompleted;
    started.scheduled_event_id = completed.scheduled_event_id = 5;
    return HistoryPage{{completed, started, scheduled}, ""};
  }
};

class NamespaceStreamsTest : public ::testing::Test {
 protected:
  NamespaceStreamsTest() : server_([this] { return now_; }, Converter::kUnified) {
    std::string pattern = ::testing::TempDir() + "namespace_streams.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (std::uint64_t id = 1; id <= 30; ++id) {
      SimulatedRun run;
      run.run_id = RunId(id);
      run.start = kStart + static_cast<std::int64_t>(id) * 7 * kSecondUs;
      run.close = run.start + kSecondUs;
      server_.Add(run);
    }
    Start();
  }
  ~NamespaceStreamsTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ / "state"; }
  void Start() {
    file_.reset();
    file_ = std::make_unique<StateFile>(path(), "f", clock_, log_);
    streams_ =
        std::make_unique<NamespaceStreams>("default",
                                           SeriesBudgets{std::make_shared<SeriesBudget>(45'000),
                                                         std::make_shared<SeriesBudget>(45'000)},
                                           log_);
  }
  NamespaceStreams::Outcome Tick() {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    auto outcome = streams_->Tick({server_, &histories_, queues_, options_, file_.get()}, scrape);
    now_ += 2 * kSecondUs;
    clock_.Advance(Millis(2'000));
    return outcome;
  }
  void Run(int ticks) {
    for (int i = 0; i < ticks; ++i) static_cast<void>(Tick());
  }
  // As a scrape does.
  std::uint64_t Started() {
    std::uint64_t total = 0;
    const auto snapshot = streams_->snapshot();
    if (!snapshot) return 0;
    for (const auto& row : *snapshot->workflows.counts) {
      total += row->shown ? row->cell.started : 0;
      row->scraped->store(true);
    }
    return total;
  }

  FakeClock clock_;
  std::int64_t now_ = kStart;
  std::string said_;
  Log log_{clock_, {}, [this](std::string_view line) { said_ += line; }};
  SimulatedVisibility server_;
  OneActivity histories_;
  QueueBook queues_;
  StreamOptions options_;
  std::filesystem::path folder_;
  std::unique_ptr<StateFile> file_;
  std::unique_ptr<NamespaceStreams> streams_;
};

TEST_F(NamespaceStreamsTest, CountsStartsClosesAndActivities) {
  for (int i = 0; i < 200; ++i, Started()) Run(1);
  EXPECT_EQ(Started(), 30U);
  const auto snapshot = streams_->snapshot();
  EXPECT_EQ(snapshot->workflows.counts->front()->cell.closed[0], 30U);
  EXPECT_EQ(snapshot->activities.counts->front()->cell.success, 30U);
  EXPECT_EQ(snapshot->histories.sampled, 30U);
  EXPECT_THAT(queues_.Of("default", clock_.mono()), ElementsAre("cards", "orders"));
}

TEST_F(NamespaceStreamsTest, WhatIsShownIsOnDiskFirst) {
  std::uint64_t most = 0;
  for (int i = 0; i < 200; ++i) {
    Run(1);
    const std::uint64_t shown = Started();
    EXPECT_GE(shown, most);
    most = shown;
    if (i % 7 != 0) continue;
    Start();  // killed: memory is gone
    static_cast<void>(Tick());
    EXPECT_GE(Started(), most) << "after a restart at tick " << i;
  }
  EXPECT_EQ(Started(), 30U);
}

TEST_F(NamespaceStreamsTest, RestoredValuesAreShownBeforeTheServerAnswers) {
  for (int i = 0; i < 200; ++i, Started()) Run(1);
  Start();
  server_.fault = [] { return std::optional(Error{Errc::kUnavailable, "down"}); };
  EXPECT_FALSE(Tick().streams);
  EXPECT_EQ(Started(), 30U);
}

TEST_F(NamespaceStreamsTest, WithoutAFileThatCanBeWrittenItCountsOnAndTheOldFileIsGone) {
  Run(30);
  EXPECT_TRUE(std::filesystem::exists(path()));
  std::filesystem::create_directory(path() + ".tmp");
  for (int i = 0; i < 200; ++i, Started()) Run(1);
  EXPECT_EQ(Started(), 30U);
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_GT(file_->stats().failures, 0U);
}

TEST_F(NamespaceStreamsTest, AnIdleNamespaceWritesSeldom) {
  Run(200);
  const auto writes = file_->stats().writes;
  Run(150);  // five minutes
  EXPECT_LE(file_->stats().writes - writes, 11U);
}

TEST_F(NamespaceStreamsTest, StateOfTheFutureStartsAnew) {
  Run(100);
  Start();
  clock_.StepWall(std::chrono::hours(-5));
  now_ -= 5 * 60 * kMinuteUs;
  Run(1);
  EXPECT_THAT(said_, HasSubstr("of the future"));
  EXPECT_EQ(Started(), 0U);
}

// Another path, as a reload may bring it.
TEST_F(NamespaceStreamsTest, AFileThatAReloadBringsIsLockedAndWrittenAtOnce) {
  for (int i = 0; i < 200; ++i, Started()) Run(1);
  const std::string other = folder_ / "other";
  file_ = std::make_unique<StateFile>(other, "f", clock_, log_);
  {
    StateFile theirs(other, "f", clock_, log_);
    ASSERT_TRUE(theirs.Open());
    const auto outcome = Tick();
    ASSERT_FALSE(outcome.streams);
    EXPECT_EQ(outcome.streams.error().code, Errc::kUnavailable);
    EXPECT_FALSE(std::filesystem::exists(other));
  }
  ASSERT_TRUE(Tick().streams);
  EXPECT_TRUE(std::filesystem::exists(other));
  StateFile third(other, "f", clock_, log_);
  EXPECT_FALSE(third.Open()) << "it is ours";
}

TEST_F(NamespaceStreamsTest, NothingIsReadWhileAnotherProcessHasTheFile) {
  StateFile other(path(), "f", clock_, log_);
  ASSERT_TRUE(other.Open());
  const auto outcome = Tick();
  ASSERT_FALSE(outcome.streams);
  EXPECT_EQ(outcome.streams.error().code, Errc::kUnavailable);
  EXPECT_EQ(server_.lists, 0U);
  EXPECT_EQ(streams_->snapshot(), nullptr);
}

}  // namespace
}  // namespace sidecar::temporal
