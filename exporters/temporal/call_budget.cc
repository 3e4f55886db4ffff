#include "exporters/temporal/call_budget.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sidecar::temporal {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kLeast = 0.1;  // of the configured rate
constexpr int kRestore = 60;    // answers from there to the full rate
constexpr double kLongestPause = 60;

Mono After(Mono from, double seconds) {
  return from + std::chrono::ceil<Mono::duration>(Seconds(seconds));
}
double Between(Mono from, Mono to) { return Seconds(to - from).count(); }

// Two exporters that were throttled together come back apart: up to a quarter more, by name.
double Jitter(const std::string& name_space, int strikes) {
  const std::size_t hash = std::hash<std::string>{}(name_space + std::to_string(strikes));
  return 1 + static_cast<double>(hash % 256) / 1024;
}

}  // namespace

std::string_view Name(Bucket bucket) {
  switch (bucket) {
    case Bucket::kVisibility:
      return "visibility";
    case Bucket::kExecution:
      return "execution";
    case Bucket::kTotal:
      break;
  }
  return "total";
}

CallBudget::CallBudget(BudgetOptions options, std::shared_ptr<RpcMetrics> metrics)
    : options_(options), metrics_(std::move(metrics)) {}

const BudgetOptions::Rate& CallBudget::LimitOf(Bucket bucket) const {
  switch (bucket) {
    case Bucket::kVisibility:
      return options_.visibility;
    case Bucket::kExecution:
      return options_.execution;
    case Bucket::kTotal:
      break;
  }
  return options_.total;
}

CallBudget::State& CallBudget::Find(Bucket bucket, const std::string& name_space, Mono now) {
  const auto [found, added] = states_.try_emplace(
      {bucket, bucket == Bucket::kTotal ? std::string() : name_space},
      State{LimitOf(bucket), LimitOf(bucket).per_second, LimitOf(bucket).burst, now});
  if (added) metrics_->Rate(Name(bucket), found->first.second, found->second.rate);
  return found->second;
}

void CallBudget::Refill(State& state, Mono now) {
  if (now <= state.at) return;
  state.tokens = std::min(state.limit.burst, state.tokens + state.rate * Between(state.at, now));
  state.at = now;
}

Mono CallBudget::Turn(const State& state) {
  return state.tokens >= 1 ? state.at : After(state.at, (1 - state.tokens) / state.rate);
}

Result<> CallBudget::Take(const Scrape& scrape, Bucket bucket, const std::string& name_space) {
  const Mono now = scrape.clock().mono();
  Mono turn = now;
  {
    const std::scoped_lock lock(mutex_);
    State& own = Find(bucket, name_space, now);
    State& total = Find(Bucket::kTotal, {}, now);
    Refill(own, now);
    Refill(total, now);
    turn = std::max({now, Turn(own), Turn(total)});
    if (turn > now + Millis(scrape.LeftMs())) {
      const Bucket scarce = Turn(own) >= Turn(total) ? bucket : Bucket::kTotal;
      metrics_->Refused(Name(scarce), scarce == Bucket::kTotal ? std::string() : name_space);
      return Fail(Errc::kLimit,
                  "the budget of " + std::string(Name(scarce)) + " calls has none left in time");
    }
    own.tokens -= 1;
    if (&own != &total) total.tokens -= 1;
  }
  if (turn > now && !scrape.clock().SleepUntil(turn, scrape.stop())) {
    return Fail(Errc::kTimeout, "stopped while waiting for the call budget");
  }
  // Each call has a turn of the total bucket too.
  metrics_->Used(Name(Bucket::kTotal), {}, Between(now, turn));
  if (bucket != Bucket::kTotal) metrics_->Used(Name(bucket), name_space, Between(now, turn));
  return {};
}

void CallBudget::Forget(const std::string& name_space) {
  const std::scoped_lock lock(mutex_);
  for (const Bucket bucket : {Bucket::kVisibility, Bucket::kExecution}) {
    states_.erase({bucket, name_space});
  }
}

void CallBudget::Answered(Bucket bucket, const std::string& name_space) {
  const std::scoped_lock lock(mutex_);
  const auto found = states_.find({bucket, bucket == Bucket::kTotal ? std::string() : name_space});
  if (found == states_.end()) return;
  State& state = found->second;
  state.strikes = 0;
  if (state.rate >= state.limit.per_second) return;
  state.rate = std::min(state.limit.per_second,
                        state.rate + state.limit.per_second * (1 - kLeast) / kRestore);
  metrics_->Rate(Name(bucket), found->first.second, state.rate);
}

void CallBudget::Throttled(Bucket bucket, const std::string& name_space, Mono now) {
  const std::scoped_lock lock(mutex_);
  State& state = Find(bucket, name_space, now);
  Refill(state, now);
  const double pause =
      std::min(kLongestPause, static_cast<double>(1 << std::min(state.strikes, 6)));
  ++state.strikes;
  state.rate = std::max(state.limit.per_second * kLeast, state.rate / 2);
  // One call when the pause is over, not a burst of them.
  state.tokens = std::min(state.tokens, 1.0);
  state.at = std::max(state.at, After(now, pause * Jitter(name_space, state.strikes)));
  metrics_->Rate(Name(bucket), bucket == Bucket::kTotal ? std::string() : name_space, state.rate);
}

}  // namespace sidecar::temporal
