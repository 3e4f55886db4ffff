#include "exporters/temporal/queue_book.h"

#include <algorithm>

namespace sidecar::temporal {
namespace {

constexpr std::chrono::hours kForgottenAfter{24};

}  // namespace

void QueueBook::Saw(std::string_view name_space, std::string_view queue, Mono now) {
  if (queue.empty()) return;
  const std::scoped_lock lock(mutex_);
  auto found = of_.find(name_space);
  if (found == of_.end()) found = of_.emplace(std::string(name_space), Queues{}).first;
  Queues& queues = found->second;
  const auto known = queues.seen.find(queue);
  if (known != queues.seen.end()) {
    known->second = std::max(known->second, now);
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
