#pragma once
// A stream over a simulated server, on the test's clock: ticks every two seconds, runs that close
// when the test says, restarts.
//
//   Closes(1, 90 * kSecondUs, 118 * kSecondUs);   // after the start; visible so much later
//   Run(10 * kMinuteUs);
//   EXPECT_THAT(counted_, ElementsAre(RunId(1)));

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "exporters/temporal/stream.h"
#include "tests/support/simulated_visibility.h"

namespace sidecar::temporal {

inline constexpr std::int64_t kStart = 1'767'225'600 * kSecondUs;  // FakeClock's

class StreamTest : public ::testing::Test {
 protected:
  explicit StreamTest(Converter converter = Converter::kLegacy)
      : server_([this] { return now_; }, converter) {
    options_.interval = Millis(10'000);
    server_.called = [this] { ++calls_; };
  }

  void Pass(std::int64_t us) {
    now_ += us;
    clock_.Advance(Millis(us / 1'000));
  }
  Result<> Tick() {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    return stream_.Tick({server_, scrape, stream_clock_, options_},
                        [this](const Execution& run) { counted_.push_back(run.run_id); });
  }
  // Ticks every 2 s.
  void Run(std::int64_t us) {
    for (const std::int64_t end = now_ + us; now_ < end; Pass(2 * kSecondUs)) {
      if (!Tick()) ++failed_;
    }
  }
  // A run that closes `at` after the start and is visible as closed so much later.
  void Closes(std::uint64_t id, std::int64_t at, std::int64_t later = 0) {
    SimulatedRun run;
    run.run_id = RunId(id);
    run.start = kStart + at - 10 * kSecondUs;
    run.close = kStart + at;
    run.close_visible = kStart + at + later;
    server_.Add(run);
  }
  // What a restart after a kill begins with.
  void Restart() {
    StateWriter out;
    stream_.Encode(out);
    const std::string image = std::move(out).bytes();
    stream_ = Stream(StreamKind::kClosed);
    stream_clock_ = StreamClock();
    StateReader in(image);
    ASSERT_TRUE(stream_.Decode(in));
    ASSERT_TRUE(in.empty());
  }

  FakeClock clock_;
  std::int64_t now_ = kStart;
  SimulatedVisibility server_;
  StreamOptions options_;
  Stream stream_{StreamKind::kClosed};
  StreamClock stream_clock_;
  std::vector<std::string> counted_;
  int calls_ = 0, failed_ = 0;
};

class UnifiedStreamTest : public StreamTest {
 protected:
  UnifiedStreamTest() : StreamTest(Converter::kUnified) {}
};

}  // namespace sidecar::temporal
