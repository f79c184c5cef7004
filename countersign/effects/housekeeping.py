"""Housekeeping: what is over and old goes, in batches so small that nobody waits for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from datetime import datetime
from typing import Protocol

from countersign.domain.rules import Rules
from countersign.effects.work import Desk
from countersign.storage import retention
from countersign.storage.database import Connection

_AT_ONCE = 200
# As long as a batch takes, about: half of the time belongs to everybody else.
_PAUSE_SECONDS = 0.05


class Removal(Protocol):
    """Removes rows that ended before a moment, a few at once; returns how many, by table."""

    def __call__(self, connection: Connection, *, before: datetime, limit: int) -> Awaitable[dict[str, int]]:
        """Remove them."""


async def sweep(desk: Desk, *, at: datetime) -> AsyncGenerator[dict[str, int]]:
    """Remove all that was to be kept until before ``at``; yield how many rows each batch removed, by table.

    Each batch is a transaction of its own: whoever stops in the middle leaves nothing half done, and goes on later.
    Raises ``Unavailable``.
    """
    removals: dict[str, Removal] = {
        "requests": retention.remove_requests,
        "notices": retention.remove_notices,
        # After the mails that carry them.
        "stops": retention.remove_stops,
        "recovery_codes": retention.remove_recovery_codes,
        "sessions": retention.remove_sessions,
        "credential_activity": retention.remove_activity,
        "sms_days": retention.remove_sms_days,
    }
    for table, before in kept_since(desk.rules, at=at).items():
        async for removed in _in_batches(desk, removals[table], before):
            yield removed


async def old(desk: Desk, *, at: datetime) -> dict[str, int]:
    """Return how many rows ``sweep`` would remove, by table; requests take with them what belongs to them."""
    async with desk.database.connection() as connection:
        return {
            table: await retention.count_old(connection, table=table, before=before)
            for table, before in kept_since(desk.rules, at=at).items()
        }


async def archivable_before(desk: Desk, *, at: datetime) -> str:
    """Return the month (YYYY-MM) before which audit events are old enough to be archived, and covered; or nothing."""
    async with desk.database.connection() as connection:
        until = await retention.archivable_until(connection, before=at - desk.rules.trail_kept)
    return f"{until:%Y-%m}" if until else ""


def kept_since(rules: Rules, *, at: datetime) -> dict[str, datetime]:
    """Return, by table, the moment before which what is over is old; in the order in which it goes."""
    return {
        "requests": at - rules.requests_kept,
        "notices": at - rules.notices_kept,
        "stops": at - rules.notices_kept,
        "recovery_codes": at - rules.notices_kept,
        "sessions": at,
        "credential_activity": at - rules.activity_kept,
        "sms_days": at - rules.requests_kept,
    }


async def _in_batches(desk: Desk, remove: Removal, before: datetime) -> AsyncGenerator[dict[str, int]]:
    while True:
        async with desk.database.connection() as connection:
            removed = await remove(connection, before=before, limit=_AT_ONCE)
        if not any(removed.values()):
            return
        yield {table: count for table, count in removed.items() if count}
        await asyncio.sleep(_PAUSE_SECONDS)
