#pragma once
// Which collector is off in which namespace: one that the server does not offer there
// (UNIMPLEMENTED, a query it refuses) or does not allow (PERMISSION_DENIED). After 10 minutes it is
// tried again, after further refusals at most every 30. Thread-safe; kept over a reload.
//
//   if (!gates.Open("task_queues", ns, now)) continue;
//   auto answer = ...;
//   gates.Record("task_queues", ns, answer ? std::nullopt : answer.error().code, now);

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sidecar::temporal {

class Gates {
 public:
  bool Open(const std::string& collector, const std::string& name_space, Mono now) const;
  // Of a call that was made: kUnsupported and kDenied shut the gate, success opens it, other errors
  // say nothing. True when it was shut by this call, for the log.
  bool Record(const std::string& collector, const std::string& name_space,
              std::optional<Errc> error, Mono now);

  struct Shut {
    std::string collector, name_space;
    Errc reason;
  };
  void Forget(const std::string& name_space);
  std::vector<Shut> shut() const;  // until a success opens it, also while it is tried again

 private:
  struct State {
    Errc reason;
    Mono retry_at;
    int refusals;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, State> shut_;
};

}  // namespace sidecar::temporal
