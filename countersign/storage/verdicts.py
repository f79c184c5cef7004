"""The verdict on each message, so that a message that comes again has no second effect."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel

from countersign.storage.database import Connection, one, scalar


class StoredVerdict(BaseModel, frozen=True):
    """What was answered: None as problem means done."""

    kind: str
    problem: str | None
    detail: str | None
    extra: dict[str, Any]


async def find(connection: Connection, *, request_id: UUID, key: str) -> StoredVerdict | None:
    """Return the verdict stored under a message's key."""
    query = "SELECT kind, problem, detail, extra FROM message_verdicts WHERE request_id = %s AND message_key = %s"
    return await one(connection, StoredVerdict, query, (request_id, key))


async def insert(
    connection: Connection,
    *,
    request_id: UUID,
    account_id: UUID,
    key: str,
    at: datetime,
    verdict: StoredVerdict,
) -> None:
    """Store a verdict."""
    await connection.execute(
        """INSERT INTO message_verdicts (request_id, message_key, account_id, kind, problem, detail, extra, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (request_id, key, account_id, verdict.kind, verdict.problem, verdict.detail, Jsonb(verdict.extra), at),
    )


async def nth_newest_wrong(connection: Connection, account_id: UUID, *, since: datetime, n: int) -> datetime | None:
    """Return when the n-th newest wrong code since ``since`` was entered, or None when there were fewer."""
    query = """SELECT at FROM message_verdicts WHERE account_id = %s AND at > %s AND problem = 'wrong-code'
               ORDER BY at DESC OFFSET %s LIMIT 1"""
    found: datetime | None = await scalar(connection, query, (account_id, since, n - 1))
    return found
