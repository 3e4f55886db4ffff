// Real threads on a clock that a thread of the test drives: no promise about times, only about what
// must never happen. Made for TSan.

#include <array>
#include <atomic>

#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

enum class Habit : std::uint8_t { kQuick, kSlow, kStubborn, kObedient, kThrows, kNoData };

struct Watched {
  std::atomic<int> inside = 0;
  std::atomic<int> entries = 0;
  std::atomic<bool> twice = false;
};

class Stress : public testing::Test {
 protected:
  static constexpr int kMembers = 12;

  CollectFn Acts(int member) {
    return [this, member](const Scrape& scrape, Sink& sink) -> Result<> {
      Watched& watched = watched_[static_cast<std::size_t>(member)];
      if (++watched.inside > 1) watched.twice = true;
      ++watched.entries;
      const Result<> result = Act(static_cast<Habit>(member % 6), member, scrape, sink);
      --watched.inside;
      if (member % 6 == static_cast<int>(Habit::kThrows)) throw std::runtime_error("stress");
      return result;
    };
  }
  static Result<> Act(Habit habit, int member, const Scrape& scrape, Sink& sink) {
    const Clock& clock = scrape.clock();
    if (habit == Habit::kSlow) clock.SleepUntil(clock.mono() + Millis(5), {});
    if (habit == Habit::kStubborn) clock.SleepUntil(clock.mono() + Millis(300), {});
    if (habit == Habit::kObedient) clock.SleepUntil(clock.mono() + Millis(300), scrape.stop());
    if (habit == Habit::kNoData) return Fail(Errc::kNoData, "none");
    PutValue(sink, "m" + std::to_string(member), member);
    return {};
  }

  Plan MakePlan(int generation) {
    Plan plan;
    for (int i = 0; i < kMembers; ++i) {
      Schedule schedule{.timeout = Millis(50),
                        .lane = "lane" + std::to_string((i + generation) % 3)};
      if (i >= 9) schedule.interval = Millis(100);
      plan.collectors.push_back(
          Collects("m" + std::to_string(i), Acts(i), schedule, std::to_string(generation / 3)));
    }
    plan.tasks.push_back({"task",
                          {.interval = Millis(100), .timeout = Millis(20)},
                          std::make_unique<FnTask>([this](const Scrape&) -> Result<> {
                            if (++task_inside_ > 1) task_twice_ = true;
                            --task_inside_;
                            return {};
                          })});
    return plan;
  }

  std::array<Watched, kMembers> watched_;
  std::atomic<int> task_inside_ = 0;
  std::atomic<bool> task_twice_ = false;
  EngineHarness h_;
};

TEST_F(Stress, GathersReloadsAndOverrunsAtOnce) {
  h_.engine->Swap(MakePlan(0));
  std::atomic<bool> done = false;
  std::jthread ticker([&] {
    while (!done) {
      h_.clock.Advance(Millis(1));
      std::this_thread::yield();
    }
  });
  std::atomic<int> answers = 0;
  std::vector<std::jthread> workers;
  for (int worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&, worker] {
      for (int i = 0; i < 60; ++i) {
        const std::string text = h_.Gather({.timeout = Millis(1 + (i * 37 + worker * 11) % 400)});
        bool whole = true;
        for (int member = 0; member < kMembers; ++member) {
          whole = whole && text.find("success{collector=\"m" + std::to_string(member) + "\"}") !=
                               std::string::npos;
        }
        EXPECT_TRUE(whole) << text;
        ++answers;
      }
    });
  }
  workers.emplace_back([&] {
    for (int i = 1; i <= 40; ++i) {
      h_.engine->Swap(MakePlan(i));
      EXPECT_EQ(h_.engine->Status().size(), kMembers + 1U);
      std::this_thread::yield();
    }
  });
  workers.clear();
  h_.engine.reset();  // the ticker passes the two seconds, if they are needed
  AwaitTrue([&] {
    return std::ranges::all_of(watched_, [](const Watched& one) { return one.inside == 0; });
  });
  done = true;
  EXPECT_EQ(answers, 180);
  for (const Watched& one : watched_) {
    EXPECT_FALSE(one.twice);
    EXPECT_GT(one.entries, 0);
  }
  EXPECT_FALSE(task_twice_);
}

}  // namespace
}  // namespace sidecar
