"""The worker of the floor: ``python -m tests.bench.floor_worker DRIVER_PORT``, set up as the product's own."""

import asyncio
import signal
import sys
from datetime import timedelta

import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.settings import Settings
from tests.bench.floor import Commands, Messages, Sender, effect

TASK_QUEUE = "floor"


async def work(driver_port: int) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(Settings().temporal_address)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Messages, Commands],
        activities=[effect, Sender.to(driver_port).send],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_workflow_task_external_storage_concurrency=1,
    )
    async with worker:
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
