#include "exporters/temporal/namespaces.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "exporters/temporal/frontend.h"

namespace sidecar::temporal {
namespace {

constexpr Millis kReadEvery{60'000}, kRetryAfter{10'000};
constexpr std::size_t kMostPages = 100;  // of 100: a server that never ends its list

bool Matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::ranges::any_of(
      globs, [&](const std::string& glob) { return fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

void CountState(NamespaceState state, Namespaces::Known& known) {
  if (state == NamespaceState::kRegistered) ++*known.registered;
  if (state == NamespaceState::kDeprecated) ++*known.deprecated;
  if (state == NamespaceState::kDeleted) ++*known.deleted;
}

}  // namespace

Namespaces::Namespaces(std::shared_ptr<Frontend> frontend, NamespaceOptions options)
    : frontend_(std::move(frontend)), options_(std::move(options)) {}

Result<std::shared_ptr<const Namespaces::Known>> Namespaces::Get(const Scrape& scrape) {
  std::unique_lock lock(mutex_);
  const Mono deadline = scrape.clock().mono() + Millis(scrape.LeftMs());
  while (reading_ && !known_) {
    const std::stop_callback wake(scrape.stop(), [this] { changed_.notify_all(); });
    if (!scrape.clock().WaitUntil(lock, changed_, deadline) || scrape.stop().stop_requested()) {
      return Fail(Errc::kTimeout, "the namespaces are still being read");
    }
  }
  if (reading_ || (known_ && scrape.clock().mono() < next_read_)) return known_;
  reading_ = true;
  lock.unlock();
  auto read = Read(scrape);
  lock.lock();
  reading_ = false;
  changed_.notify_all();
  const bool complete = read && !read->failure;
  next_read_ = scrape.clock().mono() + (complete ? kReadEvery : kRetryAfter);
  if (read) {
    known_ = std::make_shared<const Known>(std::move(*read));
  } else if (known_) {
    Known older = *known_;
    older.failure = std::move(read.error());
    known_ = std::make_shared<const Known>(std::move(older));
  } else {
    return Fail(std::move(read.error()));
  }
  return known_;
}

Result<Namespaces::Known> Namespaces::Read(const Scrape& scrape) {
  // Who reads namespaces asks them things next, and how depends on the server.
  if (auto server = frontend_->Server(scrape); !server) return Fail(std::move(server.error()));
  return options_.names.empty() ? Discover(scrape) : Describe(scrape);
}

Result<Namespaces::Known> Namespaces::Discover(const Scrape& scrape) {
  Known known;
  known.registered = known.deprecated = known.deleted = 0;
  std::string token;
  for (std::size_t pages = 0; pages < kMostPages; ++pages) {
    auto page = frontend_->ListNamespaces(scrape, token);
    if (!page) {
      const bool refused =
          page.error().code == Errc::kDenied || page.error().code == Errc::kUnsupported;
      if (refused) page.error().message += "; name them: temporal.namespaces";
      return Fail(std::move(page.error()));
    }
    for (Namespace& one : page->namespaces) {
      CountState(one.state, known);
      if (one.state == NamespaceState::kDeleted || Matches(options_.exclude, one.name)) continue;
      known.watched.push_back(std::move(one));
    }
    token = std::move(page->next_page_token);
    if (token.empty()) break;
  }
  std::ranges::sort(known.watched, {}, &Namespace::name);
  const auto repeated = std::ranges::unique(known.watched, {}, &Namespace::name);
  known.watched.erase(repeated.begin(), repeated.end());
  if (known.watched.size() > options_.most) {
    known.left_out = known.watched.size() - options_.most;
    known.watched.resize(options_.most);
  }
  return known;
}

Result<Namespaces::Known> Namespaces::Describe(const Scrape& scrape) {
  Known known;
  std::vector<std::string> names = options_.names;
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  for (const std::string& name : names) {
    auto one = frontend_->DescribeNamespace(scrape, name);
    if (one) {
      one->name = name;
      known.watched.push_back(std::move(*one));
      continue;
    }
    // Refused: credentials that may list runs but not describe are enough for the rest. Anything
    // else is tried again soon, and the namespace is watched all the same: it was asked for.
    const bool refused =
        one.error().code == Errc::kDenied || one.error().code == Errc::kUnsupported;
    if (!refused) known.failure = std::move(one.error()).Wrap("namespace " + name);
    known.watched.push_back({.name = name});
  }
  return known;
}

}  // namespace sidecar::temporal
