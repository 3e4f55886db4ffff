#pragma once
// What is known of processes, their threads and their groups. Plain data of one ProcessTracker; one
// thread.
//
//   for (const auto& [name, group] : tracker.groups()) group.total[Counters::kUserTicks] ...

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace sidecar::host {

struct Counters {
  enum Index : std::uint8_t {
    kUserTicks,
    kSystemTicks,
    kMinorFaults,
    kMajorFaults,
    kInStat,  // those before are in stat, those behind in files that cost more
    kReadBytes = kInStat,
    kWriteBytes,
    kVoluntary,
    kNonvoluntary,
    kCount
  };
  std::array<std::uint64_t, kCount> values{};

  std::uint64_t& operator[](std::size_t index) { return values[index]; }
  std::uint64_t operator[](std::size_t index) const { return values[index]; }
};

// What `now` is more than the last value, and the last value anew. A value that fell is kept as it
// was, so that its way back up is not counted twice.
inline std::uint64_t Growth(Counters& last, Counters::Index counter, std::uint64_t now) {
  if (now <= last[counter]) return 0;
  return now - std::exchange(last[counter], now);
}

// By the letter of stat: R, S, D, Z, all others.
enum ProcessState : std::uint8_t { kRunning, kSleeping, kWaiting, kZombie, kOther, kStates };
constexpr ProcessState StateOf(char letter) {
  switch (letter) {
    case 'R':
      return kRunning;
    case 'S':
      return kSleeping;
    case 'D':
      return kWaiting;
    case 'Z':
      return kZombie;
    default:
      return kOther;
  }
}

// A file that not everybody may read.
enum Guarded : std::uint8_t { kIo, kDescriptors, kSmaps, kGuarded };

// By what is pointed to: addresses would make the exposition's order depend on the heap.
struct ByName {
  bool operator()(const std::string* a, const std::string* b) const { return *a < *b; }
};
using WchanCounts = std::map<const std::string*, std::uint64_t, ByName>;  // names: the tracker's

// Threads of one name in one group.
struct ThreadGroup {
  Counters total{};         // never falls
  std::uint64_t alive = 0;  // of the last pass, as are the next
  bool io_known = false;
  std::uint64_t io_denied = 0;
};

struct ProcessGroup {
  Counters total{};  // never falls, whatever becomes of the processes
  std::map<std::string, ThreadGroup, std::less<>> threads;
  bool io_known = false;  // the io of a process has been read: total is no mere zero

  struct Now {  // sums over the living
    std::uint64_t processes = 0, threads = 0;
    std::uint64_t resident_bytes = 0, virtual_bytes = 0, swapped_bytes = 0;
    std::uint64_t proportional_bytes = 0, proportional_swapped_bytes = 0;
    std::uint64_t descriptors = 0;
    double worst_descriptor_ratio = 0;
    std::uint64_t oldest_start_ticks = std::numeric_limits<std::uint64_t>::max();
    std::array<std::uint64_t, kStates> states{};
    std::array<std::uint64_t, kGuarded> denied{};  // processes
  } now;
  WchanCounts wchans;
  Mono last_alive{};
};

struct Thread {
  std::int32_t tid = 0;
  // Older than our knowledge of it: what it did before is not counted.
  bool old = false;
  std::optional<std::uint64_t> ran{};  // schedstat
  char state = 0;
  bool seen = false, stat_known = false, status_known = false, io_known = false, io_denied = false;
  std::uint64_t start_ticks = 0;
  Counters counters{};
  ThreadGroup* group = nullptr;
  const std::string* wchan = nullptr;
};

// 10,000 of these are common: about 200 bytes each.
struct Process {
  std::uint64_t start_ticks = 0;
  std::int32_t parent = 0;
  std::uint32_t listed = 0;  // the pass that saw it last
  char state = 0;
  bool decided = false;   // has a group or never will (but by recheck or other rules)
  bool newborn = false;   // first seen now, born after the exporter: all it ever did counts
  bool detailed = false;  // the files beside stat were read once
  bool status_known = false, io_known = false;
  bool old_threads = false;  // those not in the list yet are not new
  std::array<bool, kGuarded> denied{};
  std::optional<std::int64_t> cpu_nanoseconds;
  ProcessGroup* group = nullptr;
  const std::string* wchan = nullptr;
  Counters counters{};
  std::uint64_t threads = 0;
  std::uint64_t resident_pages = 0, virtual_bytes = 0, swapped_bytes = 0;
  std::uint64_t descriptors = 0, descriptor_limit = 0;
  // Where they are wanted:
  struct Smaps {
    std::uint64_t proportional_bytes = 0, proportional_swapped_bytes = 0;
    Mono read{};
  };
  std::unique_ptr<Smaps> smaps;
  std::unique_ptr<std::vector<Thread>> thread_list;  // of processes with several; by tid
};

}  // namespace sidecar::host
