"""Retiring a key: only when nothing in the database and no workflow in Temporal may still need it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from countersign.domain.errors import Conflict
from countersign.domain.requests import Journey
from countersign.storage import key_checks, key_uses
from countersign.storage.database import Connection, Database
from countersign.storage.key_checks import KeyCheck
from countersign.storage.key_uses import RESEALABLE, KeyUse

# Processes say every few seconds which key is theirs; what they sealed since then began within this time.
_MARGIN = timedelta(minutes=1)
_JOURNEYS = ", ".join(f"'{journey}'" for journey in Journey)


class KeyNeeded(Conflict):
    """The key is still needed."""

    slug = "key-needed"


@dataclass(frozen=True)
class Retirement:
    """One key that is to go, and the one that is current."""

    database: Database
    client: Client
    key_id: str
    current: str

    async def carry_out(self) -> None:
        """Note that the key is retired: no process works with it as its current one from now on.

        Raises ``KeyNeeded`` with a line for each thing that stands in the way, ``Unavailable``, and ``RPCError``.
        """
        if self.key_id == self.current:
            raise KeyNeeded(f"{self.key_id} is the current key: rotate first.")
        in_temporal = await self._in_temporal()
        async with self.database.transaction() as connection:
            in_the_way = [*await _in_processes(connection, self.key_id), *await _in_rows(connection, self.key_id)]
            if in_the_way or in_temporal:
                raise KeyNeeded("\n".join([f"{self.key_id} is still needed:", *in_the_way, *in_temporal]))
            await key_checks.retire(connection, self.key_id)

    async def _in_temporal(self) -> list[str]:
        async with self.database.connection() as connection:
            checks = {check.key_id: check for check in await key_checks.every(connection)}
        until = used_until(checks, self.key_id, self.current)
        if until is None:
            return []
        began = f"WorkflowType IN ({_JOURNEYS}) AND StartTime <= '{(until + _MARGIN).isoformat()}'"
        there = (await self.client.count_workflows(began)).count
        running = (await self.client.count_workflows(f"{began} AND ExecutionStatus = 'Running'")).count
        if not there:
            return []
        told = f"- {there} workflows that began before {until:%Y-%m-%d %H:%M} UTC may hold payloads under it"
        return [f"{told}, {running} of them open: these must end, and all leave Temporal's retention."]


def used_until(checks: dict[str, KeyCheck], key_id: str, current: str) -> datetime | None:
    """Return until when payloads may have come under the key; None for one that never was current."""
    known = checks.get(key_id)
    if known is not None and known.current_until is not None:
        return known.current_until
    successor = checks.get(current)
    # A key from before there were checks gave way to the present one at the latest when that was first used.
    if successor is None or successor.current_since is None or known is None:
        return datetime.now(UTC)
    return None if _came_later(checks, key_id, current) else successor.current_since


def _came_later(checks: dict[str, KeyCheck], key_id: str, current: str) -> bool:
    order = list(checks)
    return order.index(key_id) > order.index(current)


async def _in_processes(connection: Connection, key_id: str) -> list[str]:
    using = [holder for holder in await key_checks.holders(connection) if holder.current_key == key_id]
    kinds = ", ".join(sorted(holder.kind for holder in using))
    return [f"- {len(using)} processes work with it as their current key ({kinds}): restart them."] if using else []


async def _in_rows(connection: Connection, key_id: str) -> list[str]:
    uses = [use for use in await key_uses.every(connection) if use.key_id == key_id]
    return [f"- {use.count} {use.kind} lie under it{_way_out(use)}." for use in uses]


def _way_out(use: KeyUse) -> str:
    return ": run `countersign keys reseal`" if use.kind in RESEALABLE else "; they go with what they belong to"


def holding_back(holders: Sequence[key_checks.KeyHolder], key_id: str) -> list[str]:
    """Return the kinds of the processes that do not hold the key, one for each process."""
    return [holder.kind for holder in holders if key_id not in holder.key_ids]
