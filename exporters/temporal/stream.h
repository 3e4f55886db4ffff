#pragma once
// Follows the runs of a namespace as they start or close, so that each is counted exactly once:
// visibility is read in windows of time that overlap, and what was counted is remembered until no
// later read can return it. Exact as long as a run is visible within the late window of its time
// (temporal.md 3.1); what cannot be exact is reported in StreamStats.
//
// `floor`: runs before it are never counted; it never goes back. `done`: everything before it was
// read. Once a minute a sweep reads back to where rows may still appear late, and only a sweep that
// was read to its end moves that place on, so a run may be late by the whole late window. When
// behind by more than a slice, slices are read, oldest first, from where rows may still appear:
// with reading as slow as the load that is the late window, not the last slice. Failures leave
// everything where it is. After a backlog or an outage the floor stays, and the time around its
// begin, the head, is read once more after the late window, in slices: a server that was down shows
// its last rows that much later.
//
// One thread. No gRPC, no file: Encode and Decode give the state to who keeps it.
//
//   Stream closed(StreamKind::kClosed);
//   closed.Tick({visibility, scrape, clock, options}, [&](const Execution& run) { ... });

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exporters/temporal/seen_set.h"
#include "exporters/temporal/state_codec.h"
#include "exporters/temporal/stream_clock.h"
#include "exporters/temporal/stream_options.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

enum class StreamKind : std::uint8_t { kStarted, kClosed };

// Of this process, except where it says otherwise.
struct StreamStats {
  std::uint64_t events = 0;  // runs counted
  std::uint64_t late = 0;    // of them, those that only a sweep found
  std::uint64_t dropped_window = 0, dropped_decode = 0;
  std::uint64_t audited = 0, missing = 0, extra = 0;  // minutes, runs, runs
  std::uint64_t audit_failures = 0;                   // Counts that were refused or failed
  std::uint64_t too_late = 0;  // sightings of a new run that was already below the floor
  double gap_seconds = 0;      // of time given up
  double max_lateness_seconds = 0;
  std::int64_t done_us = 0;  // up to where all was read
  std::size_t seen = 0;      // now
  std::uint64_t pages = 0;
  bool behind = false;  // now: slices are being read
};

class Stream {
 public:
  struct Context {
    Visibility& visibility;
    const Scrape& scrape;
    StreamClock& clock;  // shared by the streams of a namespace
    const StreamOptions& options;
  };
  using Count = std::function<void(const Execution&)>;

  // `since`: Unix microseconds, where it begins; 0: with its first tick.
  explicit Stream(StreamKind kind, std::int64_t since = 0) : kind_(kind), since_(since) {}

  // Reads what is due, a number of pages at most. The error of a failed read; it was noted, and
  // later ticks wait and try again. An audit that fails is counted and no error: nothing depends on
  // it, and a server may allow to list and not to count.
  Result<> Tick(const Context& context, const Count& count);

  StreamStats stats() const;
  std::int64_t done() const { return done_; }    // Unix microseconds; 0 before the first tick
  std::int64_t floor() const { return floor_; }  // likewise

  void Encode(StateWriter& out) const;
  bool Decode(StateReader& in);  // false, and as new, if it is not what Encode wrote

 private:
  enum class Part : std::uint8_t { kFast, kSweep, kSlice, kAgain };
  struct Window {
    Part part{};
    std::int64_t low = 0, high = 0, begin = 0;
    bool trusted = true, tail = false;
    std::string query{}, token{};
    int pages = 0, failures = 0;
  };
  bool Plan(const Context& context);
  void PlanRecent(const Context& context, const StreamTime& now);
  void Open(const Context& context, Part part, std::int64_t low, std::int64_t high,
            const StreamTime& now);
  Result<> ReadPage(const Context& context, const Count& count);
  bool Take(const Execution& run, const Count& count);
  void Finish(const Context& context);
  Error Failed(const Context& context, Error error);
  void Audit(const Context& context);
  void StartAt(const StreamTime& now);
  void GiveUp(const Context& context, std::int64_t now);
  void AcceptEarlierClock(std::int64_t now);
  void Settle(std::int64_t before);
  void NoteSuccess(const Context& context);
  void RaiseFloor(std::int64_t floor);
  void RaiseFloorAtLimit(std::size_t limit);
  void CountMinute(std::int64_t time);
  static std::int64_t LateWindow(const Context& context);  // as configured
  void AuditedClean(const Context& context);
  void Probe(const Context& context);
  void NoteNewest(const Context& context, const std::vector<Execution>& rows);
  const char* attribute() const;

  StreamKind kind_;
  std::int64_t since_;
  std::int64_t floor_ = 0, done_ = 0;
  std::int64_t settled_ = 0;  // where sweeps begin: the floor, unless `again_` holds that back
  std::int64_t late_us_ = 0;  // the late window as it is now
  // Grows when an audit finds that the window was too short; less again after a day of audits that
  // found nothing and of runs that came early enough.
  std::int64_t grown_us_ = 0;
  int clean_minutes_ = 0;
  SeenSet seen_;
  // After an outage or a backlog: the time from the floor until its end is to be read again. 0: it
  // is not over yet.
  std::optional<std::int64_t> again_;
  std::map<std::int64_t, std::uint64_t> minutes_;  // runs counted, by minute of their time
  std::int64_t audit_from_ = 0;                    // the first minute that was counted in full

  std::optional<Window> window_;
  std::optional<Mono> read_at_, swept_at_;  // begin of the last such read
  Mono retry_at_{}, audit_at_{}, probe_at_{};
  std::optional<Mono> began_;           // the first tick, unless the state was restored
  std::optional<std::int64_t> newest_;  // run that was counted, or close that the server has
  std::optional<Mono> failing_since_, finished_at_;
  int failures_ = 0;
  bool behind_ = false;
  std::int64_t fast_us_ = 0;
  StreamStats stats_;
};

}  // namespace sidecar::temporal
