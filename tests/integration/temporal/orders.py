"""The order system that the tests of exact counters run: workflows, activities, a worker, a load.

Run by the interpreter that has the SDK:

    orders.py ADDRESS NAMESPACE worker               until SIGTERM; says "ready"
    orders.py ADDRESS NAMESPACE load RUNS SEED NAME  starts RUNS orders and sees them closed
    orders.py ADDRESS NAMESPACE truth                all that the server knows, one JSON line a run
"""

import asyncio
import collections
import datetime
import json
import os
import random
import signal
import sys

from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (CountWorkflowExecutionsRequest,
                                               ResetWorkflowExecutionRequest)
from temporalio.client import (Client, Schedule, ScheduleActionStartWorkflow, ScheduleIntervalSpec,
                               ScheduleSpec, WorkflowFailureError)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from truth import truth

QUEUES = ("orders", "express")
SECOND = datetime.timedelta(seconds=1)
QUICK = RetryPolicy(initial_interval=datetime.timedelta(milliseconds=100), maximum_attempts=5)
ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn(name="reserve_stock")
async def reserve_stock(order):
    return order


@activity.defn(name="charge")
async def charge(how):
    if how == "retry" and activity.info().attempt < 3:
        raise ApplicationError("card machine busy", type="Busy")
    if how == "refuse":
        raise ApplicationError("no money", type="Refused", non_retryable=True)


@activity.defn(name="ship")
async def ship(how):
    if how == "slow":
        await asyncio.sleep(5)
    if how == "cancel":
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.1)


@activity.defn(name="note")
async def note():
    return "noted"


async def do(step, how, **options):
    options.setdefault("retry_policy", QUICK)
    options.setdefault("start_to_close_timeout", 10 * SECOND)
    return await workflow.execute_activity(step, how, **options)


@workflow.defn(name="Order")
class Order:
    """One order, in one of the ways an order can go."""

    @workflow.run
    async def run(self, how):
        await do(reserve_stock, how)
        if how == "wait":  # to be canceled, terminated or timed out
            await workflow.sleep(600)
        if how == "local":
            await workflow.execute_local_activity(note, start_to_close_timeout=5 * SECOND)
        await do(charge, how)
        if how == "slow":
            await self.expect_failure(do(ship, how, start_to_close_timeout=0.3 * SECOND,
                                         retry_policy=ONCE))
        elif how == "nobody":  # a queue without a worker
            await self.expect_failure(do(ship, how, task_queue="nobody", retry_policy=ONCE,
                                         schedule_to_start_timeout=0.5 * SECOND))
        elif how == "cancel_ship":
            handle = workflow.start_activity(
                ship, "cancel", start_to_close_timeout=10 * SECOND, heartbeat_timeout=5 * SECOND,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
            await workflow.sleep(0.3)
            handle.cancel()
            await self.expect_failure(handle)
        else:
            await do(ship, how)
        if how == "children":
            for child in range(2):
                await workflow.execute_child_workflow(
                    "Parcel", "quick", id=f"{workflow.info().workflow_id}-parcel-{child}")
        return "shipped"

    @staticmethod
    async def expect_failure(step):
        try:
            await step
        except Exception:  # noqa: BLE001  (whatever it is, the order goes on)
            return
        raise ApplicationError("should have failed", non_retryable=True)


@workflow.defn(name="Parcel")
class Parcel:
    @workflow.run
    async def run(self, how):
        await do(ship, how)


@workflow.defn(name="Stocktaking")
class Stocktaking:
    """Continues as new until its count is down."""

    @workflow.run
    async def run(self, left):
        await do(reserve_stock, left)
        if left > 0:
            workflow.continue_as_new(left - 1)


@workflow.defn(name="Flaky")
class Flaky:
    """Fails in its first two attempts; the server retries it as new runs."""

    @workflow.run
    async def run(self):
        if workflow.info().attempt < 3:
            raise ApplicationError("try again")


async def work(client):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    workers = [Worker(client, task_queue=queue, workflows=[Order, Parcel, Stocktaking, Flaky],
                      activities=[reserve_stock, charge, ship, note],
                      workflow_runner=UnsandboxedWorkflowRunner()) for queue in QUEUES]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    print("ready", flush=True)
    await stop.wait()
    for worker in workers:
        await worker.shutdown()
    await asyncio.gather(*tasks)


class Part:
    """One task of the load. What it does depends on the seed and its number, on nothing else."""

    # The first tasks do everything once.
    HOWS = ("quick", "retry", "refuse", "slow", "nobody", "local", "cancel_ship", "children")
    KINDS = {"usual": 60, "canceled": 5, "terminated": 5, "replaced": 3, "timed_out": 5,
             "continued": 6, "retried": 5, "delayed": 5, "reset": 3, "cron": 1, "schedule": 1}
    STARTS = {"replaced": 2}

    def __init__(self, client, name, seed, number):
        self.client = client
        self.random = random.Random(f"{seed}/{number}")
        self.first = number < len(self.KINDS)
        self.how = None
        if self.first:
            self.kind = list(self.KINDS)[number]
        elif number < len(self.KINDS) + len(self.HOWS):
            self.kind, self.how = "usual", self.HOWS[number - len(self.KINDS)]
        else:
            self.kind = self.random.choices(list(self.KINDS), list(self.KINDS.values()))[0]
        self.name = f"{name}-{self.kind}-{number}"
        self.begun = 0

    @property
    def starts(self):
        return self.STARTS.get(self.kind, 1)

    async def start(self, kind, *args, **options):
        self.begun += 1
        options.setdefault("id", f"{self.name}-{self.begun}")
        options.setdefault("task_queue", self.random.choice(QUEUES))
        options.setdefault("run_timeout", 60 * SECOND)
        for _ in range(20):  # the server may be down for a while
            try:
                return await self.client.start_workflow(kind, *args, **options)
            except RPCError as error:
                if error.status == RPCStatusCode.ALREADY_EXISTS:
                    return self.client.get_workflow_handle(options["id"])
                if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.CANCELLED,
                                        RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNKNOWN,
                                        RPCStatusCode.RESOURCE_EXHAUSTED):
                    raise
                await asyncio.sleep(3)
        raise AssertionError("the server does not come back")

    async def order(self, how, **options):
        return await self.start("Order", how, **options)

    async def finished(self, handle):
        try:
            await handle.result()
        except WorkflowFailureError:
            pass

    async def usual(self):
        how = self.how or self.random.choice(("quick", *self.HOWS))
        await self.finished(await self.order(how))

    async def canceled(self):
        handle = await self.order("wait")
        await asyncio.sleep(self.random.uniform(0.2, 1))
        await handle.cancel()
        await self.finished(handle)

    async def terminated(self):
        handle = await self.order("wait")
        await asyncio.sleep(self.random.uniform(0, 1))
        await handle.terminate()

    async def replaced(self):
        """A second run of the same id terminates the first."""
        handle = await self.order("wait")
        await self.finished(await self.order(
            "quick", id=handle.id, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))

    async def timed_out(self):
        await self.finished(await self.order("wait", run_timeout=SECOND))

    async def continued(self):
        handle = await self.start("Stocktaking", self.random.randint(1, 3))
        await self.finished(handle)

    async def retried(self):
        await self.finished(await self.start(
            "Flaky", retry_policy=RetryPolicy(initial_interval=SECOND / 5, maximum_attempts=4)))

    async def delayed(self):
        handle = await self.order("quick", start_delay=self.random.uniform(1, 4) * SECOND)
        if self.first or self.random.random() < 0.3:  # before its time: a negative duration
            await handle.terminate()
        else:
            await self.finished(handle)

    async def reset(self):
        handle = await self.order("quick")
        await self.finished(handle)
        again = await self.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.client.namespace, reason="test", request_id=handle.id,
                workflow_execution=WorkflowExecution(workflow_id=handle.id,
                                                     run_id=handle.first_execution_run_id),
                workflow_task_finish_event_id=4))
        await self.finished(self.client.get_workflow_handle(handle.id, run_id=again.run_id))

    async def cron(self):
        handle = await self.order("quick", cron_schedule="@every 3s")
        await asyncio.sleep(8)
        await self.surely(self.client.get_workflow_handle(handle.id).terminate)

    async def schedule(self):
        self.begun += 1
        name = f"{self.name}-{self.begun}"
        action = ScheduleActionStartWorkflow("Parcel", "quick", id=name, task_queue="orders")
        try:
            await self.client.create_schedule(name, Schedule(action=action, spec=ScheduleSpec(
                intervals=[ScheduleIntervalSpec(every=2 * SECOND)])))
            await asyncio.sleep(7)
        finally:
            await self.surely(self.client.get_schedule_handle(name).delete)

    async def surely(self, end):
        """What would go on for ever, whatever the server does meanwhile."""
        for _ in range(60):
            try:
                return await end()
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return None
                await asyncio.sleep(1)
        raise AssertionError("it cannot be ended")

    async def run(self):
        for attempt in range(5):
            try:
                return await getattr(self, self.kind)()
            except RPCError as error:  # the server went away in the middle of it
                if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                    return None
                await asyncio.sleep(2 + attempt)


class Load:
    """A mix of runs, each seen to its close."""

    def __init__(self, client, seed, name):
        self.client, self.seed, self.name = client, seed, name
        self.started = 0
        self.kinds = collections.Counter()

    async def one(self, part, slots):
        try:
            await part.run()
        finally:
            slots.release()

    def say(self):
        print(json.dumps({"started": self.started, "kinds": self.kinds}), flush=True)

    async def run(self, runs, at_once=20):
        slots = asyncio.Semaphore(at_once)
        tasks = []
        while self.started < runs:
            await slots.acquire()
            part = Part(self.client, self.name, self.seed, len(tasks))
            self.started += part.starts
            self.kinds[part.kind] += 1
            tasks.append(asyncio.create_task(self.one(part, slots)))
            if len(tasks) % 10 == 0:
                self.say()
        await asyncio.gather(*tasks)
        await self.all_closed()
        self.say()

    async def all_closed(self):
        request = CountWorkflowExecutionsRequest(namespace=self.client.namespace,
                                                 query="ExecutionStatus = 'Running'")
        for tries in range(240):
            try:
                answer = await self.client.workflow_service.count_workflow_executions(request)
            except RPCError:
                answer = None
            if answer is not None and answer.count == 0:
                return
            if tries % 60 == 59:  # what a fault of the server left behind
                async for run in self.client.list_workflows("ExecutionStatus = 'Running'"):
                    try:
                        await self.client.get_workflow_handle(run.id, run_id=run.run_id).terminate()
                    except RPCError:
                        pass
            await asyncio.sleep(1)
        raise AssertionError("runs that do not close")


async def main(address, namespace, what, *args):
    client = await Client.connect(address, namespace=namespace)
    if what == "worker":
        await work(client)
    elif what == "load":
        await Load(client, int(args[1]), args[2]).run(int(args[0]))
    else:
        await truth(client)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # temporalio 1.35: its threads may crash an interpreter that ends
