#pragma once
// How many calls the exporter makes of its own accord: a token bucket for the visibility calls of
// each namespace, since the server allows ten a second there to all clients together, one for its
// other calls, and one for all. A call waits for its turn as long as its scrape has time; one that
// would have to wait longer is refused at once and takes nothing.
//
// Whenever the server says "too many", or lets a call run into its deadline (it goes on with the
// abandoned query), the bucket's rate is halved, to a tenth at least, and no call leaves it for 1
// s, then 2 s, up to a minute. Sixty answers restore the rate. Thread-safe; kept over a reload.
//
//   if (auto turn = budget.Take(scrape, Bucket::kVisibility, "default"); !turn) return Fail(...);
//   ... call ...
//   budget.Answered(Bucket::kVisibility, "default");   // or Throttled

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.h"
#include "common/collect/scrape.h"
#include "exporters/temporal/rpc_metrics.h"

namespace sidecar::temporal {

enum class Bucket : std::uint8_t { kVisibility, kExecution, kTotal };

struct BudgetOptions {
  struct Rate {
    double per_second, burst;
  };
  Rate visibility{2, 4}, execution{20, 20};  // of each namespace
  Rate total{50, 50};
};

class CallBudget {
 public:
  CallBudget(BudgetOptions options, std::shared_ptr<RpcMetrics> metrics);

  // kTotal has no namespace of its own. kLimit: no turn before the deadline. kTimeout: stopped
  // while it waited.
  Result<> Take(const Scrape& scrape, Bucket bucket, const std::string& name_space);
  void Forget(const std::string& name_space);
  void Answered(Bucket bucket, const std::string& name_space);
  void Throttled(Bucket bucket, const std::string& name_space, Mono now);

 private:
  struct State {
    BudgetOptions::Rate limit;
    double rate;    // now; at most limit.per_second
    double tokens;  // at `at`; below zero when turns have been given in advance
    Mono at;        // in the future while the bucket pauses
    int strikes = 0;
  };
  State& Find(Bucket bucket, const std::string& name_space, Mono now);
  static void Refill(State& state, Mono now);
  static Mono Turn(const State& state);
  const BudgetOptions::Rate& LimitOf(Bucket bucket) const;

  std::mutex mutex_;
  const BudgetOptions options_;
  const std::shared_ptr<RpcMetrics> metrics_;
  std::map<std::pair<Bucket, std::string>, State> states_;
};

std::string_view Name(Bucket bucket);

}  // namespace sidecar::temporal
