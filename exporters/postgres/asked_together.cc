#include "exporters/postgres/asked_together.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sidecar::postgres {
namespace {

constexpr Millis kQuick{20};  // for one that others wait for
constexpr Millis kSlow{100};  // for all of them
constexpr Millis kLongestPause{3'600'000};
constexpr Millis kFresh{1'000};     // what came is as old as that at most
constexpr std::size_t kFewest = 2;  // worth a message of its own

}  // namespace

void AskedTogether::Begin(std::uint64_t scrape, Mono now) {
  now_ = now;
  if (scrape == scrape_) return;
  scrape_ = scrape;
  std::ranges::sort(asked_);
  alike_.clear();
  std::ranges::set_intersection(asked_, before_, std::back_inserter(alike_));
  std::swap(before_, asked_);
  asked_.clear();
  kept_.clear();
  planned_ = false;
}

OwnedResult AskedTogether::Take(std::string_view name) {
  const auto found = kept_.find(name);
  if (found == kept_.end()) return nullptr;
  OwnedResult result = std::move(found->second);
  kept_.erase(found);
  if (now_ - kept_at_ > kFresh) return nullptr;
  asked_.emplace_back(name);
  return result;
}

std::vector<std::string> AskedTogether::Plan(std::string_view name) {
  if (planned_ || (not_before_ && now_ < *not_before_)) return {};
  if (!std::ranges::binary_search(alike_, name)) return {};
  std::vector<std::string> names{std::string(name)};
  for (const std::string& other : alike_) {
    if (other != name && std::ranges::find(asked_, other) == asked_.end()) names.push_back(other);
  }
  if (names.size() < kFewest) return {};
  planned_ = true;
  return names;
}

void AskedTogether::Keep(const std::vector<std::string>& names, std::vector<OwnedResult> results,
                         Millis took) {
  if (results.size() != names.size() || took > kSlow) {
    not_before_ = now_ + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  } else {
    pause_ = kPause;
  }
  kept_at_ = now_;
  for (std::size_t i = 0; i < std::min(names.size(), results.size()); ++i) {
    kept_[names[i]] = std::move(results[i]);
  }
}

void AskedTogether::AskedAlone(std::string_view name, Millis took) {
  if (took <= kQuick) asked_.emplace_back(name);
}

void AskedTogether::Forget() {
  asked_.clear();
  before_.clear();
  kept_.clear();
  alike_.clear();
}

}  // namespace sidecar::postgres
