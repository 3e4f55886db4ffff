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

const Namespace* Find(const Namespaces::Known& known, const std::string& name) {
  const auto found = std::ranges::find(known.watched, name, &Namespace::name);
  return found == known.watched.end() ? nullptr : &*found;
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
  const auto before = known_ ? known_ : std::make_shared<const Known>();
  lock.unlock();
  auto read = Read(scrape, *before);
  lock.lock();
  reading_ = false;
  changed_.notify_all();
  const bool complete = read && !read->failure;
  next_read_ = scrape.clock().mono() + (complete ? kReadEvery : kRetryAfter);
  if (read) {
    read->read_at = scrape.clock().mono();
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

Result<Namespaces::Known> Namespaces::Read(const Scrape& scrape, const Known& before) {
  // Who reads namespaces asks them things next, and how depends on the server.
  auto server = frontend_->Server(scrape);
  if (!options_.names.empty()) {
    return Describe(scrape, before,
                    server ? std::nullopt : std::optional(std::move(server.error())));
  }
  if (!server) return Fail(std::move(server.error()));
  return Discover(scrape, before);
}

Result<Namespaces::Known> Namespaces::Discover(const Scrape& scrape, const Known& before) {
  const std::int64_t began_us = std::chrono::duration_cast<std::chrono::microseconds>(
                                    scrape.clock().wall().time_since_epoch())
                                    .count();
  std::set<std::string> listed;
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
      listed.insert(one.name);
      if (one.state != NamespaceState::kDeleted) known.watched.push_back(std::move(one));
    }
    token = std::move(page->next_page_token);
    if (token.empty()) break;
  }
  Choose(known);
  if (token.empty()) NoteNew(before, known, std::move(listed), began_us);
  return known;
}

// Of what is listed.
void Namespaces::Choose(Known& known) const {
  std::erase_if(known.watched,
                [this](const Namespace& one) { return Matches(options_.exclude, one.name); });
  std::ranges::sort(known.watched, {}, &Namespace::name);
  const auto repeated = std::ranges::unique(known.watched, {}, &Namespace::name);
  known.watched.erase(repeated.begin(), repeated.end());
  if (known.watched.size() > options_.most) {
    known.left_out = known.watched.size() - options_.most;
    known.watched.resize(options_.most);
  }
}

Namespaces::Known Namespaces::Expected(const std::vector<std::string>& names) const {
  Known known;
  for (const std::string& name : names) known.watched.push_back({.name = name});
  Choose(known);
  return known;
}

// Runs of a namespace that was made since the last list are all to be counted, not only those since
// it was noticed.
void Namespaces::NoteNew(const Known& before, Known& known, std::set<std::string> listed,
                         std::int64_t began_us) {
  for (Namespace& one : known.watched) {
    if (const Namespace* const old = Find(before, one.name)) one.since_us = old->since_us;
    if (!listed_.contains(one.name)) one.since_us = listed_us_;
  }
  listed_ = std::move(listed);
  listed_us_ = began_us;
}

// `down`: why the server cannot be asked at all. What is configured is watched all the same, so
// that counters of the state file are served.
Namespaces::Known Namespaces::Describe(const Scrape& scrape, const Known& before,
                                       std::optional<Error> down) {
  Known known;
  known.failure = down;
  std::vector<std::string> names = options_.names;
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  for (const std::string& name : names) {
    auto one = down ? Result<Namespace>(Fail(*down)) : frontend_->DescribeNamespace(scrape, name);
    if (one) {
      one->name = name;
      known.watched.push_back(std::move(*one));
      continue;
    }
    // Refused: credentials that may list runs but not describe are enough for the rest. Anything
    // else is tried again soon, and the namespace is watched all the same: it was asked for.
    const bool refused =
        one.error().code == Errc::kDenied || one.error().code == Errc::kUnsupported;
    if (!refused && !down) known.failure = std::move(one.error()).Wrap("namespace " + name);
    const Namespace* const old = refused ? nullptr : Find(before, name);
    known.watched.push_back(old == nullptr ? Namespace{.name = name} : *old);
  }
  return known;
}

}  // namespace sidecar::temporal
