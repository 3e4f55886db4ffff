"""Starts and terminates runs at a rate, for temporal_calls.py: ADDRESS RATE SECONDS NAMESPACE...

Run by the interpreter that has the SDK. Its last line is what it did, in JSON.
"""

import asyncio
import json
import os
import sys
import time

from temporalio.client import Client

AT_ONCE = 40


async def close_one(client, number):
    handle = await client.start_workflow("Order", id=f"bench-{number}", task_queue="orders")
    await handle.terminate()


async def main(address, rate, seconds, *namespaces):
    clients = [await Client.connect(address, namespace=name) for name in namespaces]
    slots, tasks, began = asyncio.Semaphore(AT_ONCE), [], time.monotonic()

    async def paced(number):
        try:
            await close_one(clients[number % len(clients)], number)
        finally:
            slots.release()

    while (now := time.monotonic() - began) < float(seconds):
        due = len(tasks) / float(rate)
        if due > now:
            await asyncio.sleep(due - now)
        await slots.acquire()  # a server that is slower than the rate sets it
        tasks.append(asyncio.create_task(paced(len(tasks))))
    await asyncio.gather(*tasks)
    print(json.dumps({"closed": len(tasks), "seconds": time.monotonic() - began}), flush=True)


asyncio.run(main(*sys.argv[1:]))
os._exit(0)  # temporalio 1.35: its threads may crash an interpreter that ends
