"""Starts the worker: the journeys, their activities, and the chores beside them."""

import sys

from countersign.domain.errors import DomainError
from countersign.settings import read_settings
from countersign.work_loop import work

if __name__ == "__main__":
    try:
        work(read_settings())
    except DomainError as error:
        sys.exit(f"countersign: {error}")
