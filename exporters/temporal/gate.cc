#include "exporters/temporal/gate.h"

#include <algorithm>

namespace sidecar::temporal {

bool Gates::Open(const std::string& collector, const std::string& name_space, Mono now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = shut_.find({collector, name_space});
  return found == shut_.end() || now >= found->second.retry_at;
}

bool Gates::Record(const std::string& collector, const std::string& name_space,
                   std::optional<Errc> error, Mono now) {
  const std::scoped_lock lock(mutex_);
  if (!error) {
    shut_.erase({collector, name_space});
    return false;
  }
  if (*error != Errc::kUnsupported && *error != Errc::kDenied) return false;
  const auto [found, added] = shut_.try_emplace({collector, name_space}, State{*error, {}, 0});
  State& state = found->second;
  state.reason = *error;
  state.refusals = std::min(state.refusals + 1, 3);
  state.retry_at = now + std::chrono::minutes(10 * state.refusals);
  return added;
}

void Gates::Forget(const std::string& name_space) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(shut_, [&](const auto& gate) { return gate.first.second == name_space; });
}

std::vector<Gates::Shut> Gates::shut() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Shut> all;
  all.reserve(shut_.size());
  for (const auto& [key, state] : shut_) all.push_back({key.first, key.second, state.reason});
  return all;
}

}  // namespace sidecar::temporal
