"""Waiting in tests for what other processes do, as long as a busy machine may need."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_SECONDS = 60


async def eventually(look: Callable[[], Awaitable[Any]], fits: Callable[[Any], bool] = bool) -> Any:
    """Return what ``look`` finds once it fits.

    One answer that a provider did not give in time postpones a notice by ten seconds.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fits(found := await look()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return found
