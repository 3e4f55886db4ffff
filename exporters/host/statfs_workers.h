#pragma once
// statfs on threads of their own, because a dead server or a stopped FUSE process blocks the call
// for ever and no signal ends it. One hand-off asks all mounts of a scrape; who does not answer in
// time is left behind and never asked twice at once. At most eight threads exist, of which six may
// be in calls on remote file systems, so that those never starve the local ones.
//
// Begin and Finish from one thread. The destructor leaves behind who is stuck: the thread owns what
// it touches and ends when its call returns.
//
//   StatfsWorkers workers(SystemStatfs, 4);
//   auto probe = std::make_shared<StatfsProbe>("/mnt/nfs", true);
//   workers.Begin(scrape, probes);
//   ...
//   workers.Finish(scrape, Millis(500));
//   if (probe->reply().state == StatfsReply::State::kAnswered) ...

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/collect/scrape.h"

namespace sidecar::host {

struct StatfsAnswer {
  int error = 0;  // errno
  std::uint64_t unit = 0, blocks = 0, free = 0, available = 0, files = 0, files_free = 0;
};
using StatfsCall = std::function<StatfsAnswer(const std::string& path)>;
StatfsAnswer SystemStatfs(const std::string& path);

struct StatfsReply {
  enum class State : std::uint8_t {
    kAnswered,
    kTimeout,   // in its call still, from this scrape or an earlier one
    kNoWorker,  // not asked: too many others are in their calls
  };
  State state = State::kNoWorker;
  StatfsAnswer answer{};
  bool late = false;  // the answer to an earlier scrape's question, which came after that scrape
};

// One mount's state. What is shared with a worker is StatfsWorkers' alone.
class StatfsProbe {
 public:
  StatfsProbe(std::string path, bool remote) : path_(std::move(path)), remote_(remote) {}
  const std::string& path() const { return path_; }
  bool remote() const { return remote_; }
  const StatfsReply& reply() const { return reply_; }  // of the last Finish or Answer
  // For whom was asked without a worker.
  void Answer(const StatfsAnswer& answer) {
    reply_ = {.state = StatfsReply::State::kAnswered, .answer = answer};
  }

 private:
  friend class StatfsWorkers;
  enum class Stage : std::uint8_t { kIdle, kQueued, kRunning };

  const std::string path_;
  const bool remote_;
  StatfsReply reply_{};
  // Guarded by the mutex of StatfsWorkers::Shared.
  Stage stage_ = Stage::kIdle;
  bool left_behind_ = false;           // its call outlasted the scrape that asked
  bool slow_ = false;                  // the last question did: wait but a little for the next
  std::optional<StatfsAnswer> fresh_;  // to the last question, not yet taken
  std::optional<StatfsAnswer> late_;
  Mono asked_{}, late_asked_{};
};

class StatfsWorkers {
 public:
  // `parallel`: threads beside those that are left behind.
  StatfsWorkers(StatfsCall call, std::size_t parallel);
  ~StatfsWorkers();
  StatfsWorkers(const StatfsWorkers&) = delete;
  StatfsWorkers& operator=(const StatfsWorkers&) = delete;

  // Hands the questions over and returns at once. Each probe once.
  void Begin(const Scrape& scrape, std::span<const std::shared_ptr<StatfsProbe>> probes);
  // Waits for the answers, `budget` at most, and sets each probe's reply.
  void Finish(const Scrape& scrape, Millis budget);

  struct Counts {
    std::size_t threads = 0, idle = 0, running = 0;  // idle or running, but for a moment
    std::size_t left_behind = 0;                     // of those that run: outlasted their scrape
    bool takeable = false;                           // there is work for an idle thread
  };
  Counts counts() const;

 private:
  struct Shared;
  static void Work(const std::shared_ptr<Shared>& shared);
  static void AddWorker(const std::shared_ptr<Shared>& shared);
  void EndRound(Mono now);
  static void Settle(Shared& shared, StatfsProbe& probe, Mono now);

  std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<StatfsProbe>> round_;
};

}  // namespace sidecar::host
