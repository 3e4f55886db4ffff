#pragma once
// The open runs of one namespace: how many of each type, queue and status, and since when. Read by
// listing them all; where there are too many for that, by asking for the number of a few types at a
// time. One thread.
//
//   OpenRuns runs(visibility, book);
//   const auto state = runs.Read(scrape, "default", 5'000);

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exporters/temporal/queue_book.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

struct OpenKey {
  std::string type, task_queue;
  Status status;
  auto operator<=>(const OpenKey&) const = default;
};
struct OpenState {
  bool complete = true;  // false: more than `most` are open, and `counts` has what is known of some
  std::map<OpenKey, std::int64_t> counts{};
  std::map<std::string, std::int64_t> oldest_start_ns{};  // by type; only when complete
};

// Of servers before 1.30, which do not know the literal 'Paused', without it.
std::string OpenQuery(const ServerTraits& traits);

class OpenRuns {
 public:
  OpenRuns(std::shared_ptr<Visibility> visibility, QueueBook& book)
      : visibility_(std::move(visibility)), book_(book) {}

  // `open`: how many there are, as a Count says. More types or queues than 200 become "__other__".
  Result<OpenState> Read(const Scrape& scrape, const std::string& name_space, std::int64_t open,
                         std::int64_t most);

 private:
  Result<OpenState> ReadAll(const Scrape& scrape, const std::string& name_space, std::int64_t most);
  Result<OpenState> ReadSome(const Scrape& scrape, const std::string& name_space);
  int PageSize() const;

  struct TypeCount {
    std::int64_t open = -1;  // not asked yet
    Mono at{};
  };
  const std::shared_ptr<Visibility> visibility_;
  QueueBook& book_;
  std::map<std::string, TypeCount> types_;  // where there are too many runs to list
};

}  // namespace sidecar::temporal
