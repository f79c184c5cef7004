"""Starts the worker: the journeys, their activities, and the chores beside them."""

from countersign.settings import Settings
from countersign.work_loop import work

if __name__ == "__main__":
    work(Settings())
