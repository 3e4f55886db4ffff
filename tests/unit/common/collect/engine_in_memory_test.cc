#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

const Schedule kInMemory{.lane = "memory", .in_memory = true};

// Notes the thread of each run.
CollectFn Notes(const std::string& name, std::vector<std::thread::id>& threads) {
  return [name, &threads](const Scrape&, Sink& sink) {
    threads.push_back(std::this_thread::get_id());
    PutValue(sink, name, static_cast<double>(threads.size()));
    return Result<>();
  };
}

TEST(EngineInMemory, IsRunByTheScrapesOwnThreadWhileTheLanesWork) {
  EngineHarness h;
  Gate gate;
  std::vector<std::thread::id> threads;
  h.Swap(Collects("slow",
                  [&](const Scrape&, Sink& sink) {
                    gate.Pass();
                    PutValue(sink, "slow", 1);
                    return Result<>();
                  }),
         Collects(
             "kept",
             [&](const Scrape& scrape, Sink& sink) {
               EXPECT_EQ(scrape.LeftMs(), 5'000);
               EXPECT_FALSE(scrape.waits());
               gate.AwaitEntered(1);
               gate.Open();  // the lane's member ends only because this one runs
               return Notes("kept", threads)(scrape, sink);
             },
             kInMemory));
  EXPECT_THAT(h.Gather(),
              AllOf(HasSubstr("slow_value 1\n"), HasSubstr("kept_value 1\n"),
                    HasSubstr(Success("kept", true)), HasSubstr(Success("slow", true))));
  ASSERT_EQ(threads.size(), 1U);
  EXPECT_EQ(threads[0], std::this_thread::get_id());
}

TEST(EngineInMemory, IsServedWhileALaneHangs) {
  EngineHarness h;
  Gate gate;
  h.Swap(Collects("hangs",
                  [&](const Scrape&, Sink&) {
                    gate.Pass();
                    return Result<>();
                  }),
         Collects("kept", Gives("kept", 1), kInMemory));
  auto answer = h.GatherLater({.timeout = Millis(500)});
  gate.AwaitEntered(1);
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.clock.Advance(Millis(500));
  EXPECT_THAT(answer.get(), AllOf(HasSubstr("kept_value 1\n"), HasSubstr(Success("kept", true)),
                                  HasSubstr(Success("hangs", false))));
  gate.Open();
}

TEST(EngineInMemory, IsRunByItsLaneWhereTheScrapeWaitsForTheBackground) {
  EngineHarness h;
  std::vector<std::thread::id> threads;
  h.Swap(Collects("kept", Notes("kept", threads), kInMemory));
  h.Gather({.wait_for_background = true});
  ASSERT_EQ(threads.size(), 1U);
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(EngineInMemory, IsSharedByTwoScrapersAndNeverEnteredTwice) {
  EngineHarness h;
  Gate gate;
  std::atomic<int> inside = 0, runs = 0;
  const CollectFn fn = [&](const Scrape&, Sink& sink) {
    EXPECT_EQ(++inside, 1);
    gate.Pass();
    --inside;
    PutValue(sink, "kept", ++runs);
    return Result<>();
  };
  h.Swap(Collects("kept", fn, kInMemory));
  auto first = h.GatherLater();
  gate.AwaitEntered(1);
  auto second = h.GatherLater();
  ASSERT_TRUE(h.clock.AwaitBlocked(1));
  h.Swap(Collects("kept", fn, kInMemory), Collects("z", Gives("z", 1)));
  auto third = h.GatherLater();  // of the new generation: another run, on the lane's thread
  ASSERT_TRUE(h.clock.AwaitBlocked(2));
  gate.Open();
  EXPECT_THAT(first.get(), HasSubstr("kept_value 1\n"));
  EXPECT_THAT(second.get(), HasSubstr("kept_value 1\n"));
  EXPECT_THAT(third.get(), AllOf(HasSubstr("kept_value 2\n"), HasSubstr("z_value 1\n")));
}

TEST(EngineInMemory, FailsAloneWhenItThrows) {
  EngineHarness h;
  h.Swap(Collects(
             "kept", [](const Scrape&, Sink&) -> Result<> { throw std::runtime_error("broken"); },
             kInMemory),
         Collects("z", Gives("z", 1)));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("z_value 1\n"), HasSubstr(Success("kept", false))));
  EXPECT_EQ(h.Errors("kept", "internal"), 1);
}

}  // namespace
}  // namespace sidecar
