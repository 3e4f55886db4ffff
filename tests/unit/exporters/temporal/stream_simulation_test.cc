// Thousands of random lives of a stream against a simulated server: late rows, failing calls,
// outages of the server and of the exporter, kills that lose what was not committed, clock steps,
// throttling, reading that takes as long as what it reads, rows that come twice, equal times across
// pages. Every run is counted exactly once, or the stream has said that it lost something; nothing
// is ever counted twice, and nothing is said where nothing can be lost.
//
// SIMULATION_SEED=n runs one schedule, SIMULATION_SCHEDULES=n so many.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exporters/temporal/stream.h"
#include "tests/support/simulated_visibility.h"

namespace sidecar::temporal {
namespace {

constexpr std::int64_t kMs = 1'000;
constexpr std::int64_t kSpan = 35 * kMinuteUs;  // of the starts

// What a schedule may contain. A fair one must be exact; others may lose runs, and say so.
struct Traits {
  bool outages = false;    // of the server
  bool steps = false;      // of the exporter's clock, more than the guard believes
  bool ahead = false;      // it is set ahead once, for good: nothing but a sighting tells
  bool long_gone = false;  // the exporter is away for longer than max_backfill
  bool tiny_set = false;   // seen_limit is reached
  bool slow = false;       // reading takes as long as what is read
  bool fair() const { return !steps && !ahead && !long_gone && !tiny_set; }
};

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed)
      : random_(seed),
        kind_(Chance(0.5) ? StreamKind::kClosed : StreamKind::kStarted),
        server_([this] { return now_; },
                std::array{Converter::kLegacy, Converter::kUnified,
                           Converter::kElasticsearch}[static_cast<std::size_t>(Pick(0, 2))]) {
    traits_ = {.outages = Chance(0.6),
               .steps = Chance(0.15),
               .long_gone = Chance(0.05),
               .tiny_set = Chance(0.05),
               .slow = Chance(0.2)};
    if (kind_ == StreamKind::kClosed && traits_.fair() && Chance(0.1)) traits_.ahead = true;
    options_.interval = Millis(Pick(2'000, 15'000));
    options_.sweep = Millis(Pick(20'000, 90'000));
    options_.slice = Millis(Pick(30'000, 90'000));
    options_.late_window = Millis(120'000);
    options_.max_backfill = Millis(1'800'000);
    options_.pages_per_run = Pick(2, 10);
    options_.page_size = Pick(3, 30);
    options_.seen_limit = traits_.tiny_set ? 60 : 100'000;
    failing_ = Chance(0.5) ? static_cast<double>(Pick(0, 30)) / 100 : 0;
    // Close to what the load takes, with what is asked in vain: the stream is behind for long, and
    // by less than the late window.
    if (traits_.slow) {
      runs_ = Pick(200, 400);
      options_.page_size = Pick(1, 3);
    }
    const std::int64_t page_time = kSpan * options_.page_size / runs_ * Pick(60, 95) / 100;
    server_.called = [this, slow = traits_.slow ? page_time : 0] {
      Pass(Pick(1, 120) * kMs + (quiet_ ? 0 : slow));
    };
    server_.repeats = [this] { return Chance(0.1); };
    server_.fault = [this]() -> std::optional<Error> {
      if (now_ < down_until_) return Error{Errc::kUnavailable, "down"};
      if (!quiet_ && Chance(failing_)) {
        return Error{Chance(0.3)   ? Errc::kLimit
                     : Chance(0.5) ? Errc::kTimeout
                                   : Errc::kUnavailable,
                     "fault"};
      }
      return std::nullopt;
    };
  }

  // A description of what went wrong, or nothing.
  std::optional<std::string> Run() {
    MakeRuns();
    floor_ = born_ = now_;
    if (traits_.ahead && Chance(0.3)) SetAhead();
    const std::int64_t end = now_ + Pick(6, 18) * kMinuteUs;
    while (now_ < end) {
      Disturb(end);
      Tick();
    }
    quiet_ = true;
    options_.page_size = 30;
    // The longest that anything may take to be seen: the set-back clock, the late windows, retries.
    const std::int64_t settled = now_ + (traits_.fair() ? 9 : 45) * kMinuteUs + 2 * kMinuteUs;
    while (now_ < settled) Tick();
    return Judge();
  }
  bool fair() const { return traits_.fair(); }
  std::size_t restarts() const { return restarts_; }
  std::size_t counted() const { return journal_.size(); }
  bool lost() const { return lost_ > 0; }

 private:
  // Less where the server fails too: what is late already then becomes later.
  std::int64_t MaxLateness() const { return (traits_.outages ? 50 : 115) * kSecondUs; }

  bool Chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  std::int64_t Pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  void Pass(std::int64_t us) {
    const std::int64_t ms = std::max<std::int64_t>(us / kMs, 1);
    now_ += ms * kMs;
    clock_.Advance(Millis(ms));
  }

  // Runs of a store that shows most of them at once and some late.
  void MakeRuns() {
    const std::int64_t begin = now_ - 10 * kMinuteUs;
    const bool bursts = !traits_.ahead && Chance(0.3);
    for (std::int64_t i = 0; i < runs_; ++i) {
      SimulatedRun run;
      run.run_id = RunId(static_cast<std::uint64_t>(i) + 1);
      run.start = begin + Pick(0, kSpan);
      if (bursts) run.start = run.start / (5 * kMinuteUs) * 5 * kMinuteUs;  // equal times
      if (!bursts && Chance(0.1)) run.execution = run.start + Pick(1, 600) * kSecondUs;
      run.visible = run.start + Lateness();
      if (Chance(0.9)) {
        run.close = run.start + (bursts ? kMinuteUs : Pick(0, 10 * kMinuteUs));
        run.close_visible = run.close + Lateness();
      }
      server_.Add(run);
    }
  }
  std::int64_t Lateness() {
    return Chance(traits_.slow ? 0.4 : 0.8) ? Pick(0, 500) * kMs
           : Chance(0.7)                    ? Pick(0, 5'000) * kMs
                                            : Pick(0, MaxLateness());
  }

  void Disturb(std::int64_t end) {
    if (Chance(0.01)) DieSoon(Pick(0, 3) == 0 ? Pick(60, 600) : Pick(1, 60));
    if (traits_.long_gone && Chance(0.01) && now_ > end - 5 * kMinuteUs) DieSoon(2'400);
    if (traits_.outages && Chance(0.006)) OutageOfServer();
    if (Chance(0.004)) Pass(Pick(1, 300) * kSecondUs);  // SIGSTOP
    if (traits_.ahead && offset_ == 0 && Chance(0.02)) SetAhead();
    if (traits_.steps && Chance(0.01)) {
      // Starts are found only as far ahead as an audit looks, minutes of three late windows ago.
      const std::int64_t most = kind_ == StreamKind::kClosed ? 4'000 : 150;
      const std::int64_t offset = Chance(0.5) ? Pick(-20, 20) : Pick(-4'000, most);
      const std::int64_t step = offset - std::exchange(offset_, offset);
      clock_.StepWall(Millis(step * 1'000));
    }
  }
  // By more than audits look ahead.
  void SetAhead() {
    offset_ = Pick(300, 4'000);
    clock_.StepWall(Millis(offset_ * 1'000));
  }
  // What becomes visible while it is down does so when it is back, up to a minute later.
  void OutageOfServer() {
    if (now_ < down_until_) return;
    down_until_ = now_ + Pick(5, 500) * kSecondUs;
    const std::int64_t back = down_until_ + Pick(0, 50) * kSecondUs;
    for (SimulatedRun& run : server_.runs) {
      const bool written = run.start < now_ || run.start >= down_until_;
      if (!written) {  // nothing starts on a server that is down
        const std::int64_t shift = down_until_ - run.start;
        run.start += shift, run.execution += shift, run.visible += shift;
        if (run.close != 0) run.close += shift, run.close_visible += shift;
      } else if (run.close > now_ && run.close < down_until_) {
        run.close_visible += down_until_ - run.close;
        run.close = down_until_;
      }
      for (std::int64_t* visible : {&run.visible, &run.close_visible}) {
        if (*visible > now_ && *visible < back) *visible = back;
      }
      run.close_visible = std::max(run.close_visible, run.visible);
    }
    server_.Changed();
    // The machine of both, perhaps: who was away does not see that the server was.
    if (Chance(0.3)) DieSoon((down_until_ - now_) / kSecondUs + Pick(-4, 10));
  }

  // Commits, goes on for a little, and is killed: what came after the commit is lost.
  void DieSoon(std::int64_t seconds) {
    if (Chance(0.95) && stream_.done() != 0) {
      StateWriter out;
      stream_.Encode(out);
      image_ = std::move(out).bytes();
      committed_ = journal_.size();
    }
    for (std::int64_t ticks = Pick(0, 3); ticks > 0; --ticks) Tick();
    Kill(seconds);
  }
  void Kill(std::int64_t seconds) {
    ++restarts_;
    Forget();
    stream_ = Stream(kind_);
    stream_clock_ = StreamClock();
    if (image_) {
      StateReader in(*image_);
      if (!stream_.Decode(in) || !in.empty()) broken_ = "state does not decode";
    }
    journal_.resize(committed_);
    Pass(seconds * kSecondUs);
    born_ = now_;
  }
  void Forget() {  // the statistics are of one process
    lost_ += stream_.stats().gap_seconds > 0 || stream_.stats().missing > 0 ||
             stream_.stats().dropped_window > 0 || stream_.stats().too_late > 0;
  }

  void Tick() {
    const Scrape scrape(clock_, clock_.mono() + Millis(60'000), {}, 1);
    const auto result = stream_.Tick({server_, scrape, stream_clock_, options_},
                                     [&](const Execution& run) { journal_.push_back(run.run_id); });
    if (!image_ && journal_.empty()) floor_ = stream_.floor();  // a first start
    if (!result && result.error().code == Errc::kUnsupported) broken_ = result.error().message;
    Pass(Pick(1'000, 5'000) * kMs);
  }

  std::optional<std::string> Judge() {
    if (broken_) return broken_;
    Forget();
    std::map<std::string, int> counted;
    for (const std::string& id : journal_) ++counted[id];
    // With a clock that is ahead, each process has to say what is lost in its own time.
    const std::int64_t from =
        traits_.ahead ? std::max(born_, floor_ - offset_ * kSecondUs) : floor_;
    std::size_t missing = 0;
    std::string missed;
    for (const SimulatedRun& run : server_.runs) {
      const bool closed = kind_ == StreamKind::kClosed;
      const std::int64_t time = closed ? run.close : run.execution;
      const std::int64_t visible = closed ? run.close_visible : run.visible;
      const int times = counted[run.run_id];
      if (times > 1) return run.run_id + " counted twice";
      if (times == 1 && (time < floor_ || time == 0)) return run.run_id + " is of before the start";
      const bool due = time >= from && std::max(time, visible) + 5 * kMinuteUs <
                                           now_ + std::min<std::int64_t>(offset_, 0) * kSecondUs;
      if (due && times == 0) {
        ++missing;
        missed += " " + run.run_id + " at " + std::to_string((time - floor_) / kMs) + " visible +" +
                  std::to_string((visible - time) / kMs) + "ms;";
      }
    }
    if (missing == 0 && lost_ > 0 && traits_.fair()) return "a loss was said where there is none";
    // The first that is newer tells nothing yet, and a look is a minute from the next.
    if (missing <= (traits_.ahead ? 5U : 0U)) return std::nullopt;
    if (lost_ == 0) return "silently missing:" + missed;
    if (traits_.fair()) return "lost in fair weather:" + missed;
    return std::nullopt;
  }

  std::mt19937_64 random_;
  const StreamKind kind_;
  FakeClock clock_;
  std::int64_t runs_ = Pick(20, 250);
  std::int64_t now_ = 1'767'225'600 * kSecondUs;
  SimulatedVisibility server_;
  Traits traits_;
  StreamOptions options_;
  double failing_ = 0;
  std::int64_t offset_ = 0;  // seconds that the exporter's clock is ahead
  bool quiet_ = false;
  std::int64_t down_until_ = 0, floor_ = 0, born_ = 0;
  Stream stream_{kind_};
  StreamClock stream_clock_;
  std::vector<std::string> journal_;  // counted runs, in their order
  std::size_t committed_ = 0, restarts_ = 0, lost_ = 0;
  std::optional<std::string> image_, broken_;
};

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(StreamSimulation, EveryRunIsCountedOnceOrItsLossIsReported) {
  const std::uint64_t first = FromEnvironment("SIMULATION_SEED", 1);
  const bool one = std::getenv("SIMULATION_SEED") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t schedules = one ? 1 : FromEnvironment("SIMULATION_SCHEDULES", 2'000);
  std::size_t fair = 0, restarts = 0, counted = 0, lost = 0;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    Schedule schedule(seed);
    const auto fault = schedule.Run();
    EXPECT_FALSE(fault) << "SIMULATION_SEED=" << seed << ": " << *fault;
    fair += schedule.fair() ? 1 : 0;
    restarts += schedule.restarts();
    counted += schedule.counted();
    lost += schedule.lost() ? 1 : 0;
  }
  std::cout << "seeds " << first << " to " << first + schedules - 1 << ": " << fair
            << " fair schedules, " << restarts << " restarts, " << counted << " runs counted, "
            << lost << " schedules that reported a loss\n";
  EXPECT_GE(fair, one ? 0 : schedules / 2);
}

}  // namespace
}  // namespace sidecar::temporal
