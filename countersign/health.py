"""Which part is up: asked by the API and by the workers' port, in the same words."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Literal, TypeVar

from temporalio.client import Client

from countersign.storage.database import Database

Health = Literal["up", "down"]
DatabaseHealth = Literal["up", "read_only", "down"]
Answer = TypeVar("Answer")

TIMEOUT = timedelta(seconds=2)
_PATIENCE_SECONDS = 4.0


async def promptly(check: Coroutine[Any, Any, Answer], *, seconds: float = _PATIENCE_SECONDS) -> Answer:
    """Return what the check returns, or raise ``TimeoutError`` in time.

    What hangs is cancelled and not waited for: a query takes seconds to be cancelled at a database that hangs.
    """
    asked = asyncio.ensure_future(check)
    asked.add_done_callback(lambda over: over.cancelled() or over.exception())
    try:
        if not (await asyncio.wait({asked}, timeout=seconds))[0]:
            raise TimeoutError
        return asked.result()
    finally:
        asked.cancel()


async def health(check: Coroutine[Any, Any, object], *, seconds: float = _PATIENCE_SECONDS) -> Health:
    """Return ``up`` if the check ends in time and raises nothing."""
    try:
        await promptly(check, seconds=seconds)
    except Exception:  # noqa: BLE001 - whatever it is, that part is ill
        return "down"
    return "up"


async def database_health(database: Database, *, seconds: float = _PATIENCE_SECONDS) -> DatabaseHealth:
    """Return whether the database answers and takes writes."""
    try:
        takes_writes = await promptly(database.takes_writes(), seconds=seconds)
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return "down"
    return "up" if takes_writes else "read_only"


async def temporal_health(client: Client, *, seconds: float = _PATIENCE_SECONDS) -> Health:
    """Return whether Temporal answers."""
    return await health(client.service_client.check_health(timeout=TIMEOUT), seconds=seconds)
