"""Checkpoints over the heads of audit chains, and the partitions that audit events go into."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.audit import GENESIS
from countersign.domain.checkpoints import Head, Signed
from countersign.storage.database import Connection, many, one, scalar

LOCK: LiteralString = "SELECT pg_advisory_xact_lock(5230918)"
NEWEST: LiteralString = "SELECT document, signature FROM audit_checkpoints ORDER BY number DESC LIMIT 1"
INSERT: LiteralString = "INSERT INTO audit_checkpoints (number, document, signature) VALUES (%s, %s, %s)"


class _Kept(BaseModel, frozen=True):
    document: str
    signature: bytes


class _Head(BaseModel, frozen=True):
    id: UUID
    number: int
    mac: bytes


async def lock(connection: Connection) -> None:
    """Wait until nobody else writes checkpoints, and let nobody until the transaction ends."""
    await connection.execute(LOCK)


async def newest(connection: Connection) -> Signed | None:
    """Return the newest checkpoint."""
    kept = await one(connection, _Kept, NEWEST)
    return Signed(kept.document, kept.signature) if kept else None


async def after(connection: Connection, number: int, *, limit: int) -> list[Signed]:
    """Return the checkpoints after ``number``, oldest first."""
    query = "SELECT document, signature FROM audit_checkpoints WHERE number > %s ORDER BY number LIMIT %s"
    kept = await many(connection, _Kept, query, (number, limit))
    return [Signed(each.document, each.signature) for each in kept]


async def changed_heads(connection: Connection, *, limit: int) -> list[Head]:
    """Return the heads that no checkpoint holds yet."""
    query = """SELECT a.id, a.audit_number AS number, coalesce(a.audit_mac, %s) AS mac
               FROM accounts a LEFT JOIN audit_checkpointed c ON c.account_id = a.id
               WHERE a.audit_number <> coalesce(c.number, 0) ORDER BY a.id LIMIT %s"""
    found = await many(connection, _Head, query, (GENESIS, limit))
    return [Head(str(each.id), each.number, each.mac) for each in found]


async def insert(connection: Connection, number: int, signed: Signed, *, heads: Sequence[Head]) -> None:
    """Store a checkpoint, and that it holds ``heads``."""
    await connection.execute(INSERT, (number, *signed))
    await connection.execute(
        """INSERT INTO audit_checkpointed (account_id, number)
           SELECT * FROM unnest(%s::uuid[], %s::bigint[])
           ON CONFLICT (account_id) DO UPDATE SET number = excluded.number""",
        ([head.account_id for head in heads], [head.number for head in heads]),
    )


async def make_partitions(connection: Connection) -> int:
    """Make the partitions of audit events for this month and the next three; return how many were missing."""
    return int(await scalar(connection, "SELECT make_audit_partitions()"))
