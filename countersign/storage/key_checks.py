"""What the database knows of the keys: a check value for each id, since when it is used, and who holds it now."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.storage.database import Connection, many

_PRESENT = "seen_at > now() - interval '30 seconds'"


class KeyCheck(BaseModel, frozen=True):
    """One key id; ``current_since`` and ``current_until`` tell when processes worked with it as their current one."""

    key_id: str
    check_mac: bytes = Field(repr=False)
    current_since: datetime | None
    current_until: datetime | None
    retired_at: datetime | None

    @property
    def is_needed(self) -> bool:
        """Whether there may be values under this key."""
        return self.current_since is not None and self.retired_at is None


class KeyHolder(BaseModel, frozen=True):
    """A process that was at work within the last half minute, and the keys it holds."""

    process_id: UUID
    kind: str
    current_key: str
    key_ids: tuple[str, ...]


async def every(connection: Connection) -> list[KeyCheck]:
    """Return all keys that were ever known, oldest first."""
    query = """SELECT key_id, check_mac, current_since, current_until, retired_at FROM key_checks
               ORDER BY created_at, key_id"""
    return await many(connection, KeyCheck, query)


async def add(connection: Connection, *, key_id: str, check_mac: bytes) -> None:
    """Remember what is meant by an id that is new; what another process was quicker to say stands."""
    await connection.execute(
        "INSERT INTO key_checks (key_id, check_mac) VALUES (%s, %s) ON CONFLICT DO NOTHING", (key_id, check_mac)
    )


async def use(connection: Connection, key_id: str) -> None:
    """Note that a process works with the key as its current one."""
    await connection.execute(
        """UPDATE key_checks SET current_since = coalesce(current_since, now()), current_until = now()
           WHERE key_id = %s AND (current_until IS NULL OR current_until < now() - interval '1 second')""",
        (key_id,),
    )


async def retire(connection: Connection, key_id: str) -> None:
    """Note that nothing needs the key any more."""
    await connection.execute("UPDATE key_checks SET retired_at = now() WHERE key_id = %s", (key_id,))


async def hold(
    connection: Connection, *, process_id: UUID, kind: str, current_key: str, key_ids: Sequence[str]
) -> None:
    """Say that a process is at work with these keys, and forget those that said so long ago."""
    await connection.execute("DELETE FROM key_holders WHERE seen_at < now() - interval '1 day'")
    await connection.execute(
        """INSERT INTO key_holders (process_id, kind, current_key, key_ids, seen_at) VALUES (%s, %s, %s, %s, now())
           ON CONFLICT (process_id) DO UPDATE SET seen_at = now()""",
        (process_id, kind, current_key, list(key_ids)),
    )


async def let_go(connection: Connection, process_id: UUID) -> None:
    """Forget a process that stops."""
    await connection.execute("DELETE FROM key_holders WHERE process_id = %s", (process_id,))


async def holders(connection: Connection) -> list[KeyHolder]:
    """Return the processes at work."""
    query = f"""SELECT process_id, kind, current_key, key_ids FROM key_holders WHERE {_PRESENT}
                ORDER BY kind, process_id"""
    return await many(connection, KeyHolder, query)
