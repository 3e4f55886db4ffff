#pragma once
// Which namespaces are watched: those of the configuration, or those that the server lists. Read at
// most once a minute, by whoever asks first; a failed read keeps what was known. Thread-safe; kept
// over a reload.
//
//   const auto list = namespaces.Get(scrape);
//   if (!list) return Fail(list.error());  // none was ever read, and none is configured
//   for (const Namespace& one : **list) ...

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/collect/scrape.h"

namespace sidecar::temporal {

class Frontend;

// temporal.api.enums.v1.NamespaceState and ReplicationState.
enum class NamespaceState : std::int32_t {
  kUnspecified = 0,
  kRegistered = 1,
  kDeprecated = 2,
  kDeleted = 3,
};

struct Namespace {
  std::string name;
  // Of one that the list before did not have: when that was read, Unix microseconds. Else 0.
  std::int64_t since_us = 0;
  // False: named by the configuration, and the server does not describe it to us (credentials that
  // may list runs but not describe). Nothing below is known then.
  bool described = false;
  std::string id{};
  NamespaceState state = NamespaceState::kUnspecified;
  double retention_seconds = 0;
  bool history_archival = false, visibility_archival = false;
  bool global = false;
  std::string active_cluster{};
  std::int32_t replication_state = 0;  // 1 normal, 2 handover
  std::int64_t failover_version = 0;
  // What it can do: "worker_heartbeats".
  std::vector<std::string> capabilities{};
};
using NamespaceList = std::vector<Namespace>;  // by name

struct NamespaceOptions {
  std::vector<std::string> names{};    // empty: discovered
  std::vector<std::string> exclude{};  // globs
  std::size_t most = 200;              // discovered ones beyond it are left out, by name
};

class Namespaces {
 public:
  Namespaces(std::shared_ptr<Frontend> frontend, NamespaceOptions options);

  struct Known {
    NamespaceList watched;
    // Of all that the server lists, by state; absent when it was not asked.
    std::optional<std::int64_t> registered, deprecated, deleted;
    std::size_t left_out = 0;        // by `most`
    std::optional<Error> failure{};  // of the last read, if the list is an older one or in part
    Mono read_at{};
  };
  Result<std::shared_ptr<const Known>> Get(const Scrape& scrape);
  // What would be watched if the server listed these: until it was asked.
  Known Expected(const std::vector<std::string>& names) const;

 private:
  Result<Known> Read(const Scrape& scrape, const Known& before);
  void Choose(Known& known) const;
  Result<Known> Discover(const Scrape& scrape, const Known& before);
  Known Describe(const Scrape& scrape, const Known& before, std::optional<Error> down);
  void NoteNew(const Known& before, Known& known, std::set<std::string> listed,
               std::int64_t began_us);

  const std::shared_ptr<Frontend> frontend_;
  const NamespaceOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reading_ = false;
  std::shared_ptr<const Known> known_;  // none until the first success
  Mono next_read_{};
  // Of the last complete list, by whoever reads: all of its names, and when it began.
  std::set<std::string> listed_;
  std::int64_t listed_us_ = 0;
};

}  // namespace sidecar::temporal
