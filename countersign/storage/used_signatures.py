"""Signatures of state-changing calls that were let through: none is let through twice, by whichever verifier."""

from collections.abc import Sequence

from countersign.storage.database import Connection, column


async def use(connection: Connection, *, minutes: Sequence[int], digests: Sequence[bytes]) -> list[bytes]:
    """Note the signatures, each in the minute that it was made in, and return the digests of those that are new.

    In one order, whoever comes: two that had each one of the other's would wait for one another.
    """
    query = """INSERT INTO used_signatures (minute, digest)
               SELECT * FROM unnest(%s::bigint[], %s::bytea[]) AS used (minute, digest) ORDER BY minute, digest
               ON CONFLICT DO NOTHING RETURNING digest"""
    return await column(connection, query, (list(minutes), list(digests)))


async def forget(connection: Connection, *, before_minute: int) -> int:
    """Remove signatures that were made before that minute (Unix time divided by 60); return how many."""
    return (await connection.execute("DELETE FROM used_signatures WHERE minute < %s", (before_minute,))).rowcount
