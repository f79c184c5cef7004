"""Python's garbage collector, set for processes that live long and hold much."""

import gc

# Containers made and not freed before the youngest are looked through; Python's 700 are over within a request or two.
_YOUNGEST = 20_000


def collect_seldom() -> None:
    """Look for cycles among what is made from now on alone, and not so often; to be called once all is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNGEST, 10, 10)
