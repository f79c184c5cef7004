"""The verdict on each message, so that a message that comes again has no second effect."""

from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from countersign.domain.messages import Answer
from countersign.storage import requests
from countersign.storage.database import Connection, one, scalar
from countersign.storage.requests import Request

NTH_NEWEST_WRONG = """
    SELECT at FROM message_verdicts WHERE account_id = %(account)s AND at > %(since)s AND problem = 'wrong-code'
    ORDER BY at DESC OFFSET %(skipped)s LIMIT 1
"""


class StoredVerdict(Answer):
    """What was answered to which kind of message."""

    kind: str


class Asked(Request, frozen=True):
    """A request as a message finds it, with the verdict that stands under the message's key."""

    verdict: StoredVerdict | None


async def asked(connection: Connection, *, request_id: UUID, key: str) -> Asked | None:
    """Return the request, and the verdict stored under a message's key."""
    query = f"""SELECT {requests.COLUMNS}, to_jsonb(v) AS verdict FROM {requests.TABLES}
                LEFT JOIN LATERAL (SELECT kind, problem, detail, extra FROM message_verdicts
                                   WHERE request_id = r.id AND message_key = %s) v ON true
                WHERE r.id = %s"""
    return await one(connection, Asked, query, (key, request_id))


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
) -> Request | None:
    """Store a verdict, and return the request as it stands now."""
    query = f"""WITH stored AS (
                    INSERT INTO message_verdicts (request_id, message_key, account_id, kind, problem, detail, extra, at)
                    VALUES (%(request_id)s, %(key)s, %(account_id)s, %(kind)s, %(problem)s, %(detail)s, %(extra)s,
                            %(at)s))
                SELECT {requests.COLUMNS} FROM {requests.TABLES} WHERE r.id = %(request_id)s"""
    values = {"request_id": request_id, "key": key, "account_id": account_id, "at": at, **dict(verdict)}
    return await one(connection, Request, query, {**values, "extra": Jsonb(verdict.extra)})


async def nth_newest_wrong(connection: Connection, account_id: UUID, *, since: datetime, n: int) -> datetime | None:
    """Return when the n-th newest wrong code since ``since`` was entered, or None when there were fewer."""
    values = {"account": account_id, "since": since, "skipped": n - 1}
    found: datetime | None = await scalar(connection, NTH_NEWEST_WRONG, values)
    return found
