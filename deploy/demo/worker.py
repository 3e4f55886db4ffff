#!/usr/bin/env python3
"""An order workflow and its worker: starts orders without end, a few of which fail.

    deploy/demo/worker.py --address 127.0.0.1:7233 --rate 2

Each order reserves stock, charges the customer and ships. Of a hundred orders about four are
declined by the payment provider and two find nothing in stock (both fail for good), ten are charged
at the second attempt, and one is canceled by the customer. Ends at SIGINT or SIGTERM. Needs PyPI's
temporalio.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "orders"
SKUS = ("lamp", "chair", "table", "mug", "desk", "shelf")
CONNECT_SECONDS = 60


@activity.defn(name="reserve_stock")
async def reserve_stock(sku: str) -> None:
    await asyncio.sleep(random.uniform(0.01, 0.1))
    if random.random() < 0.02:
        raise ApplicationError(f"{sku} is sold out", type="SoldOut", non_retryable=True)


@activity.defn(name="charge")
async def charge(order: str) -> None:
    await asyncio.sleep(random.uniform(0.02, 0.3))
    if random.random() < 0.04:
        raise ApplicationError(f"{order}: declined", type="Declined", non_retryable=True)
    if activity.info().attempt == 1 and random.random() < 0.1:
        raise ApplicationError("the payment provider does not answer", type="Unavailable")


@activity.defn(name="ship")
async def ship(order: str) -> str:
    await asyncio.sleep(random.uniform(0.05, 0.5))
    return f"parcel-{order}"


@workflow.defn(name="Order")
class Order:
    @workflow.run
    async def run(self, order: str, sku: str) -> str:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=5)
        limit = timedelta(seconds=10)
        await workflow.execute_activity("reserve_stock", sku, start_to_close_timeout=limit,
                                        retry_policy=retry)
        await workflow.execute_activity("charge", order, start_to_close_timeout=limit,
                                        retry_policy=retry)
        return await workflow.execute_activity("ship", order, start_to_close_timeout=limit,
                                               retry_policy=retry)


@workflow.defn(name="Restock")
class Restock:
    """Counts what is left of every article; one run after another, by continue-as-new."""

    @workflow.run
    async def run(self, round_number: int) -> None:
        await workflow.sleep(timedelta(seconds=5))
        await workflow.execute_activity("reserve_stock", "count",
                                        start_to_close_timeout=timedelta(seconds=10),
                                        retry_policy=RetryPolicy(maximum_attempts=1))
        workflow.continue_as_new(round_number + 1)


async def connect(address, namespace):
    """Waits for a server that is starting."""
    until = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return await Client.connect(address, namespace=namespace)
        except RuntimeError as error:
            if time.monotonic() > until:
                sys.exit(f"worker.py: {address} does not answer: {error}")
            await asyncio.sleep(0.5)


async def start_orders(client, rate, stop):
    number = 0
    started = int(time.time())
    while not stop.is_set():
        number += 1
        name = f"order-{started}-{number}"
        try:
            handle = await client.start_workflow("Order", args=[name, random.choice(SKUS)],
                                                 id=name, task_queue=QUEUE)
            if number % 100 == 50:
                await handle.cancel()
            if number % 200 == 1:
                await client.start_workflow("Restock", number, id=f"restock-{started}-{number}",
                                            task_queue=QUEUE,
                                            execution_timeout=timedelta(minutes=2))
        except RPCError as error:  # the server restarts: go on afterwards
            print(f"not started: {error}", file=sys.stderr, flush=True)
        try:
            await asyncio.wait_for(stop.wait(), random.expovariate(rate))
        except asyncio.TimeoutError:
            pass


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:7233", help="Temporal's frontend")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--rate", type=float, default=2, help="orders a second")
    options = parser.parse_args()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(options.address, options.namespace)
    async with Worker(client, task_queue=QUEUE, workflows=[Order, Restock],
                      activities=[reserve_stock, charge, ship],
                      workflow_runner=UnsandboxedWorkflowRunner(),
                      graceful_shutdown_timeout=timedelta(seconds=1)):
        print("working", flush=True)
        await start_orders(client, options.rate, stop)


if __name__ == "__main__":
    asyncio.run(main())
