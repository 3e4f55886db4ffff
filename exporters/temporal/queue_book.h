#pragma once
// The task queues of every namespace, since no RPC lists them: what rows and histories name. A name
// is forgotten a day after it was last seen, so that the server may unload its queue. Bounded;
// thread-safe; kept over a reload.
//
//   book.Saw("default", row.task_queue, clock.mono());
//   for (const std::string& queue : book.Of("default", clock.mono())) ...

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace sidecar::temporal {

class QueueBook {
 public:
  explicit QueueBook(std::size_t most = 200) : most_(most) {}

  // Globs: what they match takes no place, and has none from now on.
  void Exclude(std::vector<std::string> globs);
  bool excluded(std::string_view queue) const;
  // The name of a normal queue, never a sticky one.
  void Saw(std::string_view name_space, std::string_view queue, Mono now);
  std::vector<std::string> Of(const std::string& name_space, Mono now);  // sorted
  void Forget(const std::string& name_space);
  std::size_t left_out(const std::string& name_space) const;  // names that found no room, in all

 private:
  struct Queues {
    std::map<std::string, Mono, std::less<>> seen;
    std::size_t left_out = 0;
  };
  bool Excluded(std::string_view queue) const;  // under the mutex

  const std::size_t most_;  // a namespace
  mutable std::mutex mutex_;
  std::vector<std::string> exclude_;
  std::map<std::string, Queues, std::less<>> of_;
};

}  // namespace sidecar::temporal
