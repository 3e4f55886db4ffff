#include "exporters/temporal/stream.h"

#include <algorithm>
#include <utility>

#include "exporters/temporal/visibility_query.h"

namespace sidecar::temporal {
namespace {

constexpr std::int64_t kAheadUs = 60 * kMinuteUs;  // clocks that are slow, ours or a server's
constexpr std::int64_t kMaxLateUs = 15 * kMinuteUs;
constexpr std::size_t kMinutesKept = 240;
constexpr int kMaxWindowPages = 100'000;  // of 1,000 rows: a server whose tokens go in circles
constexpr int kLeftForCallMs = 10'500;    // a List has 10 s
constexpr int kCleanMinutes = 24 * 60;    // of audits, until a grown late window is halved
// A call every 15 s spares a server in trouble; one that throttles slows the budget besides.
constexpr Millis kFirstRetry{1'000}, kLastRetry{15'000};
constexpr Millis kOutage{10'000};  // of failing calls; rows may appear late when it is over
constexpr Millis kRefusedAudit{600'000};
constexpr Millis kProbeEvery{60'000};
constexpr const char* kNewestFirst = "CloseTime IS NOT NULL";  // of closed runs, in every store

std::int64_t Us(Millis value) { return value.count() * 1'000; }

std::int64_t NextMinute(std::int64_t us) { return us / kMinuteUs + 1; }

}  // namespace

const char* Stream::attribute() const {
  return kind_ == StreamKind::kClosed ? "CloseTime" : "ExecutionTime";
}

Result<> Stream::Tick(const Context& context, const Count& count) {
  const StreamTime now = context.clock.Read(context.scrape.clock());
  if (done_ == 0) StartAt(now);
  fast_us_ = Us(context.options.fast_window);
  if (fast_us_ == 0) fast_us_ = (context.visibility.traits().sql ? 10 : 30) * kSecondUs;
  Result<> result;
  if (now.mono >= retry_at_) {
    for (std::int64_t page = 0; result && page < context.options.pages_per_run; ++page) {
      if (page > 0 && context.scrape.LeftMs() < kLeftForCallMs) break;
      if (!window_ && !Plan(context)) break;
      result = ReadPage(context, count);
    }
    if (result && !behind_) Audit(context);
    if (result && !behind_) Probe(context);
  }
  return result;
}

StreamStats Stream::stats() const {
  StreamStats stats = stats_;
  stats.done_us = done_;
  stats.seen = seen_.size();
  stats.behind = behind_;
  return stats;
}

void Stream::StartAt(const StreamTime& now) {
  floor_ = settled_ = done_ = since_ > 0 ? std::min(since_, now.us) : now.us;
  began_ = now.mono;
  audit_from_ = NextMinute(floor_);
  read_at_ = swept_at_ = now.mono;
}

std::int64_t Stream::LateWindow(const Context& context) {
  std::int64_t late = Us(context.options.late_window);
  if (late == 0) late = (context.visibility.traits().sql ? 120 : 300) * kSecondUs;
  return late;
}

bool Stream::Plan(const Context& context) {
  const StreamTime now = context.clock.Read(context.scrape.clock());
  late_us_ = std::max(LateWindow(context), grown_us_);
  // Who was away does not know whether the server was.
  const bool restored = !began_ && !finished_at_;
  if (restored && now.us - done_ > Us(kOutage)) again_ = 0;
  if (now.trusted) {
    if (now.us < done_) AcceptEarlierClock(now.us);
    if (now.us - done_ > Us(context.options.max_backfill)) GiveUp(context, now.us);
    if (now.us - done_ > Us(context.options.slice)) {
      const std::int64_t high = done_ + Us(context.options.slice);
      // Unless it is only that reading takes long.
      const bool away = !finished_at_ || now.mono - *finished_at_ > context.options.slice;
      if (!behind_ && away) again_ = 0;
      behind_ = true;
      Open(context, Part::kSlice, settled_, high, now);
      return true;
    }
  }
  if (!behind_ && again_ && *again_ != 0 && now.us >= *again_ + late_us_) {
    // A slice at a time: a read of many pages may never get through to its end.
    Open(context, Part::kAgain, floor_, std::min(*again_, floor_ + Us(context.options.slice)), now);
    return true;
  }
  const bool caught_up = behind_ && now.trusted;  // by the slice just read
  if (!caught_up && read_at_ && now.mono - *read_at_ < context.options.interval) return false;
  PlanRecent(context, now);
  return true;
}

void Stream::PlanRecent(const Context& context, const StreamTime& now) {
  const bool sweep = behind_ || !swept_at_ || now.mono - *swept_at_ >= context.options.sweep;
  const std::int64_t low = sweep ? settled_ : std::max(settled_, done_ - fast_us_);
  const std::int64_t ahead = kind_ == StreamKind::kClosed ? kAheadUs : 0;
  Open(context, sweep ? Part::kSweep : Part::kFast, low, now.us + ahead, now);
  read_at_ = now.mono;
  if (sweep) swept_at_ = now.mono;
}

void Stream::Open(const Context& context, Part part, std::int64_t low, std::int64_t high,
                  const StreamTime& now) {
  const ServerTraits traits = context.visibility.traits();
  window_ = Window{.part = part, .low = low, .high = high, .begin = now.us, .trusted = now.trusted};
  // From 1.32 on no SQL index serves a range of CloseTime: 150 ms against 0.4 ms in a namespace of
  // 600,000 runs. The default order, newest first, does; open runs come before, but not here.
  window_->tail = kind_ == StreamKind::kClosed && traits.sql && traits.unified_converter &&
                  (part == Part::kFast || part == Part::kSweep);
  window_->query = window_->tail ? kNewestFirst : Between(attribute(), low, high);
}

Result<> Stream::ReadPage(const Context& context, const Count& count) {
  Window& window = *window_;
  const ServerTraits traits = context.visibility.traits();
  std::int64_t size = context.options.page_size;
  if (size == 0) size = traits.sqlite ? 200 : 1'000;
  auto page =
      context.visibility.List(context.scrape, window.query, static_cast<int>(size), window.token);
  if (!page) return Fail(Failed(context, std::move(page.error())));
  NoteSuccess(context);
  if (window.tail && window.token.empty()) NoteNewest(context, page->rows);
  bool more = true;
  for (const Execution& run : page->rows) {
    more = Take(run, count);
    if (!more) break;
  }
  RaiseFloorAtLimit(static_cast<std::size_t>(context.options.seen_limit));
  if (!more || page->next_page_token.empty()) {
    Finish(context);
    return {};
  }
  if (page->next_page_token == window.token || ++window.pages > kMaxWindowPages) {
    window.token.clear();
    return Fail(Failed(context, {Errc::kParse, "page tokens that do not end"}));
  }
  window.token = std::move(page->next_page_token);
  return {};
}

void Stream::NoteSuccess(const Context& context) {
  ++stats_.pages;
  failures_ = window_->failures = 0;
  const Mono now = context.scrape.clock().mono();
  if (failing_since_ && now - *failing_since_ > kOutage) again_ = 0;
  failing_since_.reset();
}

// False when nothing of the window can follow.
bool Stream::Take(const Execution& run, const Count& count) {
  const bool closed = kind_ == StreamKind::kClosed;
  if (closed && IsOpen(run.status)) return true;
  const std::int64_t ns = closed                  ? run.close_ns
                          : run.execution_ns != 0 ? run.execution_ns
                                                  : run.start_ns;
  if (ns <= 0 || run.run_id.empty()) {
    ++stats_.dropped_decode;
    return true;
  }
  const std::int64_t time = ns / 1'000;
  if (time < window_->low) return !window_->tail;
  if (time > window_->high || time < floor_) return true;
  if (!seen_.Insert(KeyOf(run.run_id), time)) return true;
  ++stats_.events;
  const std::int64_t lateness = done_ - time;
  if (lateness > fast_us_) {
    ++stats_.late;
    stats_.max_lateness_seconds =
        std::max(stats_.max_lateness_seconds, static_cast<double>(lateness) / 1e6);
    if (lateness > late_us_ / 4) clean_minutes_ = 0;
  }
  CountMinute(time);
  newest_ = std::max(newest_.value_or(0), time);  // by a slice perhaps, while no tail is read
  count(run);
  return true;
}

void Stream::CountMinute(std::int64_t time) {
  ++minutes_[time / kMinuteUs];
  while (minutes_.size() > kMinutesKept) {
    audit_from_ = std::max(audit_from_, minutes_.begin()->first + 1);
    minutes_.erase(minutes_.begin());
  }
}

void Stream::Finish(const Context& context) {
  const Window window = std::move(*window_);
  window_.reset();
  finished_at_ = context.scrape.clock().mono();
  if (window.part == Part::kAgain) {
    if (again_ == 0) return;  // there was another outage meanwhile
    const bool all = window.high >= again_;
    if (all) again_.reset();
    RaiseFloor(all ? settled_ : window.high);
  }
  if (!window.trusted || window.part == Part::kAgain) return;
  done_ = window.part == Part::kSlice ? window.high : window.begin;
  // A slice of long ago is final; of one that is younger than the late window the rest is read
  // again.
  if (window.part != Part::kFast) Settle(std::min(done_, window.begin - late_us_));
  if (window.part == Part::kSlice) return;
  if (again_ == 0) again_ = context.clock.Read(context.scrape.clock()).us;
  behind_ = false;
}

// What is before was visible when it was last read.
void Stream::Settle(std::int64_t before) {
  settled_ = std::max(settled_, before);
  if (!again_) RaiseFloor(settled_);
}

void Stream::RaiseFloor(std::int64_t floor) {
  if (floor <= floor_) return;
  floor_ = floor;
  settled_ = std::max(settled_, floor);
  seen_.DropBelow(floor_);
}

// The set is full: the older half of the time goes. What was not read of it is lost, and said so.
void Stream::RaiseFloorAtLimit(std::size_t limit) {
  if (seen_.size() <= limit) return;
  const std::size_t before = seen_.size();
  const std::int64_t unread = std::max(floor_, done_);
  RaiseFloor(seen_.Median() + 1);
  stats_.dropped_window += before - seen_.size();
  if (floor_ > unread) stats_.gap_seconds += static_cast<double>(floor_ - unread) / 1e6;
  audit_from_ = std::max(audit_from_, NextMinute(floor_));
}

// Too far behind. What lies before is lost, and said so.
void Stream::GiveUp(const Context& context, std::int64_t now) {
  const std::int64_t to = now - Us(context.options.max_backfill);
  stats_.gap_seconds += static_cast<double>(to - std::max(done_, floor_)) / 1e6;
  RaiseFloor(to);
  done_ = std::max(done_, to);
  audit_from_ = std::max(audit_from_, NextMinute(floor_));
  behind_ = false;
  again_.reset();
}

// The clock was ahead and was set back. The floor stays, so runs before it are lost: those to come
// are said here, those that are there by the audit.
void Stream::AcceptEarlierClock(std::int64_t now) {
  done_ = now;
  if (now >= floor_) return;
  stats_.gap_seconds += static_cast<double>(floor_ - now) / 1e6;
  audit_from_ = std::max(audit_from_, NextMinute(floor_));
}

Error Stream::Failed(const Context& context, Error error) {
  // The same page again, once; then the window from its first page: the token may be the fault.
  if (++window_->failures >= 2) {
    window_->token.clear();
    window_->pages = 0;
  }
  const Mono now = context.scrape.clock().mono();
  // One that throttles is no outage: rows appear as ever, and the floor need not wait for the end.
  if (!failing_since_ && error.code != Errc::kLimit) failing_since_ = now;
  const Millis wait = std::min(kLastRetry, kFirstRetry * (1 << std::min(failures_++, 6)));
  retry_at_ = now + wait;
  return error;
}

// Of every minute that is final: does the server have as many runs as were counted? It finds what
// nothing else does, such as our clock ahead by more than the late window.
void Stream::Audit(const Context& context) {
  const StreamTime now = context.clock.Read(context.scrape.clock());
  const std::int64_t minute = audit_from_;
  // Long enough after the floor has passed that a run which came too late is there.
  const std::int64_t final = floor_ - late_us_;
  if (!now.trusted || now.mono < audit_at_ || (minute + 1) * kMinuteUs > final) return;
  const bool lagging = (minute + 3) * kMinuteUs < final;
  audit_at_ = now.mono + (lagging ? Millis(20'000) : Millis(60'000));
  auto there = context.visibility.Count(
      context.scrape, Between(attribute(), minute * kMinuteUs, (minute + 1) * kMinuteUs - 1));
  if (!there) {
    ++stats_.audit_failures;
    const Errc why = there.error().code;
    if (why == Errc::kDenied || why == Errc::kUnsupported) audit_at_ = now.mono + kRefusedAudit;
    return;
  }
  const auto counted = minutes_.find(minute);
  const auto here = static_cast<std::int64_t>(counted == minutes_.end() ? 0 : counted->second);
  ++stats_.audited;
  audit_from_ = minute + 1;
  minutes_.erase(minutes_.begin(), minutes_.upper_bound(minute));
  if (*there < here) stats_.extra += static_cast<std::uint64_t>(here - *there);
  if (*there > here) {
    stats_.missing += static_cast<std::uint64_t>(*there - here);
    late_us_ = grown_us_ = std::min(kMaxLateUs, 2 * late_us_);
    clean_minutes_ = 0;
  } else {
    AuditedClean(context);
  }
}

// Where closes are not read as a tail, nothing else sees a close that is below the floor. One row a
// minute, always: what was counted since the start may have been from before the clock went wrong.
void Stream::Probe(const Context& context) {
  const Mono now = context.scrape.clock().mono();
  if (kind_ != StreamKind::kClosed || now < probe_at_) return;
  const bool first = probe_at_ == Mono{};
  probe_at_ = now + kProbeEvery;
  const ServerTraits traits = context.visibility.traits();
  const bool tail = traits.sql && traits.unified_converter;
  if (first || tail) return;
  const auto page = context.visibility.List(context.scrape, kNewestFirst, 1, "");
  if (page) NoteNewest(context, page->rows);
}

// A close that is newer than all before it and yet below the floor is one that nobody counts: our
// clock is ahead of the server's by more than the late window, or the row came later than that. No
// audit finds the former, as it asks for minutes that are still to come. What is there a late
// window after the start is no news: rows of before it.
void Stream::NoteNewest(const Context& context, const std::vector<Execution>& rows) {
  const auto closed = std::ranges::find_if(
      rows, [](const Execution& run) { return !IsOpen(run.status) && run.close_ns > 0; });
  if (closed == rows.end()) return;
  const std::int64_t time = closed->close_ns / 1'000;
  const Mono now = context.scrape.clock().mono();
  if (began_ && now - *began_ <= std::chrono::microseconds(late_us_)) return;
  if (newest_ && time > *newest_ && time < floor_) ++stats_.too_late;
  newest_ = std::max(newest_.value_or(0), time);
}

// A longer window costs reads and memory; one that is cut too early costs runs.
void Stream::AuditedClean(const Context& context) {
  if (grown_us_ == 0 || ++clean_minutes_ < kCleanMinutes) return;
  clean_minutes_ = 0;
  grown_us_ /= 2;
  if (grown_us_ <= LateWindow(context)) grown_us_ = 0;
}

void Stream::Encode(StateWriter& out) const {
  out.Signed(floor_).Signed(settled_).Signed(done_).Signed(grown_us_).Signed(audit_from_);
  out.Number(again_ ? 1 : 0);
  if (again_) out.Signed(*again_);
  out.Number(minutes_.size());
  for (const auto& [minute, count] : minutes_) out.Signed(minute).Number(count);
  out.Number(seen_.size());
  for (const auto& [key, time] : seen_) {
    out.Fixed(key.high).Fixed(key.low).Signed(time - floor_);
  }
}

bool Stream::Decode(StateReader& in) {
  constexpr std::size_t kMaxSeen = 20'000'000;
  constexpr std::int64_t kMaxUs = 32'503'680'000'000'000;  // the year 3000
  const auto time = [&in] {
    const std::int64_t value = in.Signed();
    if (value < 0 || value > kMaxUs) in.Bad();
    return in.ok() ? value : 0;
  };
  Stream read(kind_);
  read.floor_ = time();
  read.settled_ = time();
  read.done_ = time();
  read.grown_us_ = std::min(time(), kMaxLateUs);
  read.audit_from_ = time();
  if (in.Number() != 0) read.again_ = time();
  for (std::size_t left = in.Items(kMinutesKept); in.ok() && left > 0; --left) {
    const std::int64_t minute = time();
    read.minutes_[minute] = in.Number();
  }
  for (std::size_t left = in.Items(kMaxSeen); in.ok() && left > 0; --left) {
    const std::uint64_t high = in.Fixed();
    const RunKey key{high, in.Fixed()};
    const std::int64_t above_floor = time();
    if (in.ok()) read.seen_.Insert(key, read.floor_ + above_floor);
  }
  if (!in.ok() || read.done_ == 0 || read.settled_ < read.floor_) return false;
  *this = std::move(read);
  return true;
}

}  // namespace sidecar::temporal
