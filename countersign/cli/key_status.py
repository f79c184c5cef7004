"""What ``countersign keys status`` reads and prints: ids and counts, never a key."""

from datetime import datetime

from pydantic import BaseModel

from countersign.cli.context import command_settings
from countersign.cli.key_ring import KeptRing
from countersign.cli.output import console, listing, moment
from countersign.cli.server_side import opened
from countersign.storage import key_checks, key_uses
from countersign.storage.key_checks import KeyCheck, KeyHolder
from countersign.storage.key_uses import KeyUse


class KeyStanding(BaseModel, frozen=True):
    """One key: current, next, kept (in the ring), retired or missing (not in the ring)."""

    id: str
    standing: str
    current_since: datetime | None
    current_until: datetime | None


class KeyStatus(BaseModel, frozen=True):
    """The ring beside what the database knows."""

    keys: list[KeyStanding]
    uses: list[KeyUse]
    processes: list[KeyHolder]


async def read_status() -> KeyStatus:
    """Return how the ring of the settings stands; raises what the ring or the database cannot give."""
    kept = KeptRing.find(command_settings())
    async with opened() as core, core.database.connection() as connection:
        checks = {check.key_id: check for check in await key_checks.every(connection)}
        uses = await key_uses.every(connection)
        ids = dict.fromkeys([*kept.ring.ids, *checks, *sorted(use.key_id for use in uses)])
        return KeyStatus(
            keys=[_standing(key_id, kept, checks.get(key_id)) for key_id in ids],
            uses=uses,
            processes=await key_checks.holders(connection),
        )


def print_status(found: KeyStatus) -> None:
    """Print three tables: keys, what lies under them, and the processes at work."""
    out = console()
    keys = listing("Key", "Standing", "Current since", "Until")
    for key in found.keys:
        until = "" if key.standing == "current" else moment(key.current_until)
        keys.add_row(key.id, key.standing, moment(key.current_since), until)
    uses = listing("Key", "Count", "Under it")
    for use in sorted(found.uses, key=lambda use: (use.key_id, use.kind)):
        uses.add_row(use.key_id, str(use.count), use.kind)
    processes = listing("Process", "Current key", "Others it holds")
    for holder in found.processes:
        others = ", ".join(key_id for key_id in holder.key_ids if key_id != holder.current_key)
        processes.add_row(holder.kind, holder.current_key, others or "-")
    for table in (keys, uses, processes):
        out.print(table)


def _standing(key_id: str, kept: KeptRing, check: KeyCheck | None) -> KeyStanding:
    return KeyStanding(
        id=key_id,
        standing=_word(key_id, kept, check),
        current_since=check.current_since if check else None,
        current_until=check.current_until if check else None,
    )


def _word(key_id: str, kept: KeptRing, check: KeyCheck | None) -> str:
    if key_id in {kept.ring.current, kept.ring.next}:
        return "current" if key_id == kept.ring.current else "next"
    if check is not None and check.retired_at is not None:
        return "retired"
    return "kept" if key_id in kept.ring.ids else "missing"
