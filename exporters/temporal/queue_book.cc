#include "exporters/temporal/queue_book.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

namespace sidecar::temporal {
namespace {

constexpr std::chrono::hours kForgottenAfter{24};

}  // namespace

bool QueueBook::Excluded(std::string_view queue) const {
  return std::ranges::any_of(exclude_, [name = std::string(queue)](const std::string& glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

bool QueueBook::excluded(std::string_view queue) const {
  const std::scoped_lock lock(mutex_);
  return Excluded(queue);
}

void QueueBook::Exclude(std::vector<std::string> globs) {
  const std::scoped_lock lock(mutex_);
  if (globs == exclude_) return;
  exclude_ = std::move(globs);
  for (auto& [name, queues] : of_) {
    std::erase_if(queues.seen, [this](const auto& queue) { return Excluded(queue.first); });
  }
}

void QueueBook::Forget(const std::string& name_space) {
  const std::scoped_lock lock(mutex_);
  of_.erase(name_space);
}

void QueueBook::Saw(std::string_view name_space, std::string_view queue, Mono now) {
  if (queue.empty()) return;
  const std::scoped_lock lock(mutex_);
  auto found = of_.find(name_space);
  if (found == of_.end()) found = of_.emplace(std::string(name_space), Queues{}).first;
  Queues& queues = found->second;
  const auto known = queues.seen.find(queue);
  if (known != queues.seen.end()) {
    known->second = std::max(known->second, now);
  } else if (Excluded(queue)) {
    return;
  } else if (queues.seen.size() < most_) {
    queues.seen.emplace(std::string(queue), now);
  } else {
    ++queues.left_out;
  }
}

std::vector<std::string> QueueBook::Of(const std::string& name_space, Mono now) {
  const std::scoped_lock lock(mutex_);
  const auto found = of_.find(name_space);
  if (found == of_.end()) return {};
  std::erase_if(found->second.seen,
                [&](const auto& queue) { return queue.second + kForgottenAfter < now; });
  std::vector<std::string> names;
  for (const auto& [name, at] : found->second.seen) names.push_back(name);
  return names;
}

std::size_t QueueBook::left_out(const std::string& name_space) const {
  const std::scoped_lock lock(mutex_);
  const auto found = of_.find(name_space);
  return found == of_.end() ? 0 : found->second.left_out;
}

}  // namespace sidecar::temporal
