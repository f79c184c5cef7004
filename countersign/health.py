"""Which part is up: asked by the API and by the workers' port, in the same words."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Literal

from temporalio.client import Client

from countersign.storage.database import Database

Health = Literal["up", "down"]
DatabaseHealth = Literal["up", "read_only", "down"]

TIMEOUT = timedelta(seconds=2)


async def health(check: Awaitable[object]) -> Health:
    """Return ``up`` if the check ends in time and raises nothing."""
    try:
        await asyncio.wait_for(check, 2 * TIMEOUT.total_seconds())
    except Exception:  # noqa: BLE001 - whatever it is, that part is ill
        return "down"
    return "up"


async def database_health(database: Database) -> DatabaseHealth:
    """Return whether the database answers and takes writes."""
    try:
        takes_writes = await asyncio.wait_for(database.takes_writes(), 2 * TIMEOUT.total_seconds())
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return "down"
    return "up" if takes_writes else "read_only"


async def temporal_health(client: Client) -> Health:
    """Return whether Temporal answers."""
    return await health(client.service_client.check_health(timeout=TIMEOUT))
