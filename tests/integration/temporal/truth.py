"""All that a server knows of its runs, a JSON line each: what the exporter's counters must equal.

Of orders.py, by the interpreter that has the SDK.
"""

import asyncio
import json

from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.workflowservice.v1 import (GetWorkflowExecutionHistoryRequest,
                                               ListWorkflowExecutionsRequest)
from temporalio.service import RPCError, RPCStatusCode


def nanos(stamp):
    return stamp.seconds * 1_000_000_000 + stamp.nanos


def activities_of(events):
    """What closed activities of one history say, joined by their scheduled event."""
    scheduled, started, closed = {}, {}, []
    kinds = {EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "success",
             EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "fail",
             EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timeout",
             EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancel"}
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled[event.event_id] = event
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            begun = event.activity_task_started_event_attributes
            started[begun.scheduled_event_id] = event
        elif event.event_type in kinds:
            kind = kinds[event.event_type]
            detail = getattr(event, {"success": "activity_task_completed_event_attributes",
                                     "fail": "activity_task_failed_event_attributes",
                                     "timeout": "activity_task_timed_out_event_attributes",
                                     "cancel": "activity_task_canceled_event_attributes"}[kind])
            first = scheduled[detail.scheduled_event_id]
            what = first.activity_task_scheduled_event_attributes
            begin = started.get(detail.scheduled_event_id)
            attempt = begin.activity_task_started_event_attributes.attempt if begin else 0
            timeout = ""
            if kind == "timeout":
                timeout = TimeoutType.Name(detail.failure.timeout_failure_info.timeout_type)
                timeout = timeout.removeprefix("TIMEOUT_TYPE_").lower()
            closed.append({
                "type": what.activity_type.name, "queue": what.task_queue.name, "outcome": kind,
                "timeout": timeout, "attempts": attempt,
                "ns": nanos(event.event_time) - nanos(begin.event_time) if begin else None,
                "wait_ns": (nanos(begin.event_time) - nanos(first.event_time)
                            if begin and attempt == 1 else None)})
    return closed


async def patiently(call, request):
    for _ in range(60):
        try:
            return await call(request)
        except RPCError as error:
            if error.status != RPCStatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(0.5)
    raise AssertionError("throttled for ever")


async def truth(client):
    service = client.workflow_service
    token = b""
    while True:
        page = await patiently(service.list_workflow_executions, ListWorkflowExecutionsRequest(
            namespace=client.namespace, page_size=200, next_page_token=token))
        for row in page.executions:
            events, more = [], b""
            while True:
                part = await patiently(
                    service.get_workflow_execution_history, GetWorkflowExecutionHistoryRequest(
                        namespace=client.namespace, execution=row.execution,
                        next_page_token=more))
                events += part.history.events
                more = part.next_page_token
                if not more:
                    break
            duration = (nanos(row.execution_duration) if row.HasField("execution_duration")
                        else nanos(row.close_time) - nanos(row.execution_time))
            local = sum(event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED and
                        event.marker_recorded_event_attributes.marker_name == "core_local_activity"
                        for event in events)
            print(json.dumps({
                "workflow_id": row.execution.workflow_id, "run_id": row.execution.run_id,
                "type": row.type.name, "queue": row.task_queue, "status": int(row.status),
                "execution": nanos(row.execution_time), "close": nanos(row.close_time),
                "ns": max(duration, 0), "activities": activities_of(events), "local": local}))
        token = page.next_page_token
        if not token:
            return
