// What does not change from run to run is served as the batch that it was.

#include "tests/unit/common/collect/engine_harness.h"

namespace sidecar {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The part of a snapshot that has the family.
const Batch* PartOf(const Result<Snapshot>& snapshot, const std::string& family) {
  for (const auto& part : snapshot->parts) {
    std::string text;
    static_cast<void>(Encode({{part}, {}}, Format::kText, [&](std::string_view piece) {
      text += piece;
      return Result<>();
    }));
    if (text.find(family) != std::string::npos) return part.get();
  }
  return nullptr;
}

TEST(EngineSame, ServesTheLastBatchWhereARunSaysTheSame) {
  EngineHarness h;
  double value = 1;
  h.Swap(Collects("c", [&](const Scrape&, Sink& sink) {
    PutValue(sink, "c", value);
    return Result<>();
  }));
  const auto first = h.engine->Gather({}), second = h.engine->Gather({});
  EXPECT_NE(PartOf(first, "c_value"), nullptr);
  EXPECT_EQ(PartOf(first, "c_value"), PartOf(second, "c_value"));
  value = 2;
  const auto third = h.engine->Gather({});
  EXPECT_NE(PartOf(third, "c_value"), PartOf(first, "c_value"));
  EXPECT_THAT(h.Gather(), HasSubstr("c_value 2\n"));
}

TEST(EngineSame, ForgetsTheLastBatchOfWhatFailedInBetween) {
  EngineHarness h;
  bool fails = false;
  h.Swap(Collects("c", [&](const Scrape&, Sink& sink) -> Result<> {
    PutValue(sink, "c", 1);
    if (fails) return Fail(Errc::kUnavailable, "down");
    return {};
  }));
  EXPECT_THAT(h.Gather(), HasSubstr("c_value 1\n"));
  fails = true;
  EXPECT_THAT(h.Gather(), Not(HasSubstr("c_value")));
  fails = false;
  EXPECT_THAT(h.Gather(), HasSubstr("c_value 1\n"));
}

std::shared_ptr<const Batch> Made(const std::string& name, double value) {
  auto batch = std::make_shared<Batch>();
  Sink sink(*batch);
  PutValue(sink, name, value);
  batch->Seal();
  return batch;
}

TEST(EngineSame, ServesWhatACollectorSharesBesideItsOwnRows) {
  EngineHarness h;
  const auto part = Made("shared", 7);
  h.Swap(Collects("c", [&](const Scrape&, Sink& sink) {
    sink.Share(part, /*dropped=*/2);
    PutValue(sink, "own", 1);
    return Result<>();
  }));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("shared_value 7\n"), HasSubstr("own_value 1\n"),
                                HasSubstr("samples{exporter=\"host\",collector=\"c\"} 2\n")));
  EXPECT_EQ(h.Counted("series_dropped", "c", "duplicate"), 2);
  EXPECT_EQ(h.StatusOf("c").samples, 2U);
  EXPECT_EQ(PartOf(h.engine->Gather({}), "shared_value"), part.get());
}

TEST(EngineSame, KeepsWhatABackgroundMemberSharedWhileItFails) {
  EngineHarness h;
  const auto part = Made("shared", 7);
  bool fails = false;
  h.Swap(Collects("c",
                  [&](const Scrape&, Sink& sink) -> Result<> {
                    if (fails) return Fail(Errc::kParse, "broken");
                    sink.Share(part);
                    return {};
                  },
                  {.interval = Millis(60'000)}));
  EXPECT_THAT(h.Gather({.wait_for_background = true}), HasSubstr("shared_value 7\n"));
  fails = true;
  h.clock.Advance(Millis(61'000));
  AwaitTrue([&] { return h.StatusOf("c").error == "broken"; });
  EXPECT_THAT(h.Gather(), HasSubstr("shared_value 7\n"));
}

TEST(EngineSame, FindsDuplicatesInWhatIsShared) {
  EngineHarness h;
  const auto part = Made("c", 7);
  h.Swap(Collects("a", Gives("c", 1)), Collects("b", [&](const Scrape&, Sink& sink) {
           sink.Share(part);
           PutValue(sink, "own", 1);
           return Result<>();
         }));
  EXPECT_THAT(h.Gather(), AllOf(HasSubstr("c_value 1\n"), Not(HasSubstr("c_value 7\n")),
                                HasSubstr("own_value 1\n")));
  EXPECT_EQ(h.Counted("series_dropped", "b", "duplicate"), 1);
  EXPECT_EQ(h.Errors("b", "config"), 1);
  EXPECT_EQ(h.Errors("a", "config"), 0);
}

TEST(EngineSame, FailsTheRunThatSharesPastItsBound) {
  EngineHarness h;
  const auto part = Made("shared", 7);
  Schedule schedule;
  schedule.limits.series = 1;
  h.Swap(Collects(
      "c",
      [&](const Scrape&, Sink& sink) {
        sink.Share(part);
        PutValue(sink, "own", 1);
        return Result<>();
      },
      schedule));
  EXPECT_THAT(h.Gather(), AllOf(Not(HasSubstr("shared_value")), Not(HasSubstr("own_value"))));
  EXPECT_EQ(h.Errors("c", "limit"), 1);
}

}  // namespace
}  // namespace sidecar
