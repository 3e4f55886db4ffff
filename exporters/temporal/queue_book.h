#pragma once
// The task queues of every namespace, since no RPC lists them: what rows, histories and the
// configuration name. A name is forgotten a day after it was last seen, so that the server may
// unload its queue. Bounded; thread-safe; kept over a reload.
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

  // The name of a normal queue, never a sticky one.
  void Saw(std::string_view name_space, std::string_view queue, Mono now);
  std::vector<std::string> Of(const std::string& name_space, Mono now);  // sorted
  std::size_t left_out(const std::string& name_space) const;  // names that found no room, in all

 private:
  struct Queues {
    std::map<std::string, Mono, std::less<>> seen;
    std::size_t left_out = 0;
  };
  const std::size_t most_;  // a namespace
  mutable std::mutex mutex_;
  std::map<std::string, Queues, std::less<>> of_;
};

}  // namespace sidecar::temporal
