#pragma once
// What the exporter reads of one namespace: rows of List, numbers of Count, events of histories, as
// plain values. Behind it is the frontend's gRPC API (frontend.h); tests have their own.
//
// Every call takes a token of the namespace's budget and of the total one, waiting for it as long
// as the scrape has time. All classes are thread-safe and outlive a reload.
//
// Errors:
//   kLimit        refused by our own budget, throttled by the server, or a single row too large
//   kUnavailable  no answer, or one that says "try again" (a bad page token does so too) or that
//                 the server is overloaded; our credentials are not accepted, or cannot be read
//   kTimeout      the deadline passed or the run was stopped: the server may still be working on it
//   kDenied       permission
//   kUnsupported  an RPC that the server does not know, or a query that it refuses
//   kNoData       no such namespace or run
//   kParse        an answer that is not what the API says, or a history too large for a message
//
// Times are Unix nanoseconds; 0 where the server sent none (or one before 1970, which it sends for
// "none": versions up to 1.32).
//
//   const auto page = visibility->List(scrape, "ExecutionStatus = 'Running'", 200, token);
//   if (!page) return Fail(page.error());

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/collect/scrape.h"

namespace sidecar::temporal {

// temporal.api.enums.v1.WorkflowExecutionStatus; a number that we do not know is kept as it is.
enum class Status : std::int32_t {
  kUnspecified = 0,
  kRunning = 1,
  kCompleted = 2,
  kFailed = 3,
  kCanceled = 4,
  kTerminated = 5,
  kContinuedAsNew = 6,
  kTimedOut = 7,
  kPaused = 8,
};
constexpr bool IsOpen(Status status) {
  return status == Status::kRunning || status == Status::kPaused;
}
// "completed", "timed_out"; "unknown" for what we do not know.
constexpr std::string_view Name(Status status) {
  constexpr std::string_view kNames[] = {"unspecified",      "running",   "completed",
                                         "failed",           "canceled",  "terminated",
                                         "continued_as_new", "timed_out", "paused"};
  const auto index = static_cast<std::size_t>(status);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

// A row of visibility: one run.
struct Execution {
  std::string workflow_id, run_id, type, task_queue;
  Status status = Status::kUnspecified;
  std::int64_t start_ns = 0, execution_ns = 0, close_ns = 0;
  // Close less execution time as the server has it, never negative (a delayed run that is closed
  // before its time has less than nothing: 1.32); -1: absent (open runs; servers before 1.24).
  std::int64_t duration_ns = -1;
  std::int64_t history_length = 0, history_size_bytes = 0, state_transitions = 0;  // once closed
  bool child = false;
};
struct Page {
  std::vector<Execution> rows;
  std::string next_page_token;  // empty: the last page; a full last page has one all the same
};

// Of the server, as far as queries depend on it; re-read while it lives. Unknown until the first
// answer: then version is empty and the rest is what holds on every server.
struct ServerTraits {
  std::string version;  // "1.32.0"
  int major = 0, minor = 0;
  // SQLite, PostgreSQL or MySQL. Not: Elasticsearch, OpenSearch, or a server that does not tell us
  // its store, where what is right everywhere is asked.
  bool sql = false;
  // The unified query converter, the default from 1.32: `CloseTime > X` no longer matches open
  // runs, and no SQL index serves it.
  bool unified_converter = false;
  bool paused_status = false;   // 1.30: the literal 'Paused' is known
  bool count_by_status = true;  // 1.22: GROUP BY ExecutionStatus
  bool sqlite = false;          // pages of 1,000 rows block its one connection
  bool AtLeast(int want_major, int want_minor) const {
    return major != want_major ? major > want_major : minor >= want_minor;
  }
};

// One namespace.
class Visibility {
 public:
  virtual ~Visibility() = default;
  // `page_size` is 1 to 1,000, the same or another for each page of a query. A page may hold fewer
  // rows than asked for although more follow: only an empty token is the end.
  virtual Result<Page> List(const Scrape& scrape, const std::string& query, int page_size,
                            const std::string& token) = 0;
  virtual Result<std::int64_t> Count(const Scrape& scrape, const std::string& query) = 0;
  virtual ServerTraits traits() = 0;
};

// temporal.api.enums.v1.EventType, as far as it is used; others keep their number.
enum class EventType : std::int32_t {
  kUnspecified = 0,
  kWorkflowStarted = 1,
  kWorkflowCompleted = 2,
  kWorkflowFailed = 3,
  kWorkflowTimedOut = 4,
  kWorkflowTaskScheduled = 5,
  kWorkflowTaskStarted = 6,
  kWorkflowTaskCompleted = 7,
  kWorkflowTaskTimedOut = 8,
  kWorkflowTaskFailed = 9,
  kActivityScheduled = 10,
  kActivityStarted = 11,
  kActivityCompleted = 12,
  kActivityFailed = 13,
  kActivityTimedOut = 14,
  kActivityCanceled = 16,
  kMarkerRecorded = 25,
  kWorkflowContinuedAsNew = 28,
};
// temporal.api.enums.v1.TimeoutType
enum class TimeoutType : std::int32_t {
  kUnspecified = 0,
  kStartToClose = 1,
  kScheduleToStart = 2,
  kScheduleToClose = 3,
  kHeartbeat = 4,
};

// What a history says, of whatever type; what an event has not is empty or 0.
struct HistoryEvent {
  std::int64_t event_id = 0, time_ns = 0;
  EventType type = EventType::kUnspecified;
  std::int64_t scheduled_event_id = 0, started_event_id = 0;
  std::int32_t attempt = 0;   // started and scheduled events
  std::string workflow_type;  // workflow started, continued as new
  std::string activity_type;  // activity scheduled
  std::string task_queue;     // workflow started, workflow task and activity scheduled
  bool sticky = false;        // that queue is a worker's own
  std::string marker_name;    // marker recorded
  bool failed = false;        // a marker with a failure
  TimeoutType timeout = TimeoutType::kUnspecified;  // of a timed-out event or its failure
  std::int32_t task_failed_cause = 0;               // temporal.api.enums.v1.WorkflowTaskFailedCause
  std::string failure_type;  // application_failure_info.type of a failed event
  bool benign = false;       // application_failure_info.category
};
struct HistoryPage {
  std::vector<HistoryEvent> events;  // newest first
  std::string next_page_token;       // empty: there are no older ones
};

// One namespace.
class Histories {
 public:
  virtual ~Histories() = default;
  // 256 batches of events at most, from the newest back.
  virtual Result<HistoryPage> Read(const Scrape& scrape, const std::string& workflow_id,
                                   const std::string& run_id, const std::string& token) = 0;
};

}  // namespace sidecar::temporal
