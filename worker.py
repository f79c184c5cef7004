"""Starts the worker: the journeys, their activities, and the chores beside them."""

import asyncio

from countersign.settings import Settings
from countersign.work_loop import run_worker

if __name__ == "__main__":
    asyncio.run(run_worker(Settings()))
