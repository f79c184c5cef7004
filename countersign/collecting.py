"""Python's garbage collector, set for processes that live long and hold much."""

import gc

# Containers made and not freed before the youngest are looked through; Python's 700 are over within a request or two.
_YOUNGEST = 20_000
# All is looked through each 200,000: a workflow that leaves the worker's cache is a cycle of 200, and some 50 kB.
_OLDER = (4, 1)


def collect_seldom() -> None:
    """Look for cycles among what is made from now on alone, and not so often; to be called once all is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNGEST, *_OLDER)
