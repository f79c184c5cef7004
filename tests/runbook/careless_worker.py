"""A worker of a release that changed a workflow as if nothing ran: ``python -m tests.runbook.careless_worker``."""

import asyncio
import sys

from countersign.settings import Settings
from countersign.wiring import WORKER_PURPOSES, parts
from tests.durability.changed_workflows import Careless
from tests.support.workers import working
from workflows.create_api_key import CreateApiKey
from workflows.journeys import WORKFLOWS


async def _work() -> None:
    changed = [Careless if each is CreateApiKey else each for each in WORKFLOWS]
    async with (
        parts(Settings(), purposes=WORKER_PURPOSES, lazy=False) as core,
        working(core, chores=False, workflows=changed),
    ):
        sys.stdout.write("ready\n")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work())
