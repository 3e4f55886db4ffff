"""A worker for temporal_test.py, run by the interpreter that has the SDK: ADDRESS NAMESPACE QUEUE.

Order charges, and then stays open until it is told to finish.
"""

import asyncio
import datetime
import signal
import sys

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@activity.defn(name="charge")
async def charge():
    return "charged"


@workflow.defn(name="Order")
class Order:
    def __init__(self):
        self.finished = False

    @workflow.run
    async def run(self):
        await workflow.execute_activity(charge,
                                        start_to_close_timeout=datetime.timedelta(seconds=10))
        await workflow.wait_condition(lambda: self.finished)

    @workflow.signal
    def finish(self):
        self.finished = True


async def main(address, namespace, queue):
    client = await Client.connect(address, namespace=namespace)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(client, task_queue=queue, workflows=[Order], activities=[charge],
                      workflow_runner=UnsandboxedWorkflowRunner()):
        print("ready", flush=True)
        await stop.wait()


asyncio.run(main(*sys.argv[1:]))
