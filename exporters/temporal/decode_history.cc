// Events of histories: what of each type is used.

#include "exporters/temporal/decode.h"
#include "exporters/temporal/decode_time.h"
#include "temporal/api/history/v1/message.pb.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"

namespace sidecar::temporal {
namespace {

namespace hist = ::temporal::api::history::v1;
namespace enums = ::temporal::api::enums::v1;

void SetFailure(const ::temporal::api::failure::v1::Failure& failure, HistoryEvent& event) {
  event.failed = true;
  event.failure_type = failure.application_failure_info().type();
  event.benign =
      failure.application_failure_info().category() == enums::APPLICATION_ERROR_CATEGORY_BENIGN;
  if (failure.has_timeout_failure_info()) {
    event.timeout = static_cast<TimeoutType>(failure.timeout_failure_info().timeout_type());
  }
}

void SetQueue(const ::temporal::api::taskqueue::v1::TaskQueue& queue, HistoryEvent& event) {
  event.sticky = queue.kind() == enums::TASK_QUEUE_KIND_STICKY;
  event.task_queue =
      event.sticky && !queue.normal_name().empty() ? queue.normal_name() : queue.name();
}

template <class Attributes>
void SetIds(const Attributes& attributes, HistoryEvent& event) {
  event.scheduled_event_id = attributes.scheduled_event_id();
  event.started_event_id = attributes.started_event_id();
}

void DecodeWorkflow(const hist::HistoryEvent& message, HistoryEvent& event) {
  if (message.has_workflow_execution_started_event_attributes()) {
    const auto& started = message.workflow_execution_started_event_attributes();
    event.workflow_type = started.workflow_type().name();
    event.attempt = started.attempt();
    SetQueue(started.task_queue(), event);
  } else if (message.has_workflow_execution_failed_event_attributes()) {
    SetFailure(message.workflow_execution_failed_event_attributes().failure(), event);
  } else if (message.has_workflow_execution_continued_as_new_event_attributes()) {
    event.workflow_type =
        message.workflow_execution_continued_as_new_event_attributes().workflow_type().name();
  } else if (message.has_marker_recorded_event_attributes()) {
    const auto& marker = message.marker_recorded_event_attributes();
    event.marker_name = marker.marker_name();
    if (marker.has_failure()) SetFailure(marker.failure(), event);
  }
}

void DecodeWorkflowTask(const hist::HistoryEvent& message, HistoryEvent& event) {
  if (message.has_workflow_task_scheduled_event_attributes()) {
    const auto& scheduled = message.workflow_task_scheduled_event_attributes();
    event.attempt = scheduled.attempt();
    SetQueue(scheduled.task_queue(), event);
  } else if (message.has_workflow_task_started_event_attributes()) {
    event.scheduled_event_id =
        message.workflow_task_started_event_attributes().scheduled_event_id();
  } else if (message.has_workflow_task_completed_event_attributes()) {
    SetIds(message.workflow_task_completed_event_attributes(), event);
  } else if (message.has_workflow_task_timed_out_event_attributes()) {
    const auto& timed_out = message.workflow_task_timed_out_event_attributes();
    SetIds(timed_out, event);
    event.timeout = static_cast<TimeoutType>(timed_out.timeout_type());
  } else if (message.has_workflow_task_failed_event_attributes()) {
    const auto& failed = message.workflow_task_failed_event_attributes();
    SetIds(failed, event);
    SetFailure(failed.failure(), event);
    event.task_failed_cause = failed.cause();
  }
}

void DecodeActivity(const hist::HistoryEvent& message, HistoryEvent& event) {
  if (message.has_activity_task_scheduled_event_attributes()) {
    const auto& scheduled = message.activity_task_scheduled_event_attributes();
    event.activity_type = scheduled.activity_type().name();
    SetQueue(scheduled.task_queue(), event);
  } else if (message.has_activity_task_started_event_attributes()) {
    const auto& started = message.activity_task_started_event_attributes();
    event.scheduled_event_id = started.scheduled_event_id();
    event.attempt = started.attempt();
  } else if (message.has_activity_task_completed_event_attributes()) {
    SetIds(message.activity_task_completed_event_attributes(), event);
  } else if (message.has_activity_task_failed_event_attributes()) {
    SetIds(message.activity_task_failed_event_attributes(), event);
    SetFailure(message.activity_task_failed_event_attributes().failure(), event);
  } else if (message.has_activity_task_timed_out_event_attributes()) {
    SetIds(message.activity_task_timed_out_event_attributes(), event);
    SetFailure(message.activity_task_timed_out_event_attributes().failure(), event);
  } else if (message.has_activity_task_canceled_event_attributes()) {
    SetIds(message.activity_task_canceled_event_attributes(), event);
  }
}

}  // namespace

HistoryEvent Decode(const hist::HistoryEvent& message) {
  HistoryEvent event;
  event.event_id = message.event_id();
  if (message.has_event_time()) event.time_ns = UnixNanos(message.event_time());
  event.type = static_cast<EventType>(message.event_type());
  DecodeWorkflow(message, event);
  DecodeWorkflowTask(message, event);
  DecodeActivity(message, event);
  return event;
}

HistoryPage Decode(
    const ::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryReverseResponse&
        message) {
  HistoryPage page{.events = {}, .next_page_token = message.next_page_token()};
  page.events.reserve(static_cast<std::size_t>(message.history().events_size()));
  for (const auto& event : message.history().events()) page.events.push_back(Decode(event));
  return page;
}

}  // namespace sidecar::temporal
