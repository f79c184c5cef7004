"""A worker or an API process as the product runs it: ``python -m tests.chaos.process worker``.

``CHAOS_CLOCK_SECONDS`` moves its clock, ``CHAOS_BREAK`` breaks its code in one of the ways of ``breaking.py``.
"""

import os
import sys

from countersign.cli import processes
from tests.chaos.breaking import BREAKS
from tests.chaos.clock import shift_clock

_KINDS = {"api": processes.api, "worker": processes.worker}


def main() -> None:
    seconds, broken = int(os.environ.get("CHAOS_CLOCK_SECONDS", "0")), os.environ.get("CHAOS_BREAK", "")
    if seconds:
        shift_clock(seconds)
    if broken:
        BREAKS[broken]()
    _KINDS[sys.argv[1]]()


if __name__ == "__main__":
    main()
