"""The outbox of notices: mails that tell people what happened."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from countersign.storage.database import Connection, many, scalar

_CHOOSING = 0x6E6F7469  # the advisory lock of who chooses; "noti"


class Notice(BaseModel, frozen=True):
    """A mail that is to go out to the user, and where: that stays out of its repr."""

    id: UUID
    user_id: UUID
    event: str
    context: dict[str, Any]
    attempts: int
    created_at: datetime
    stop_id: UUID | None
    address: str = Field(repr=False)


async def insert(
    connection: Connection,
    *,
    account_id: UUID,
    request_id: UUID | None,
    event: str,
    context: dict[str, Any],
    told: dict[UUID, UUID | None],
    address: str | None = None,
) -> None:
    """Put a notice to each of these users into the outbox, with the link in it that stops something, if one does."""
    await connection.execute(
        """INSERT INTO notices (id, account_id, request_id, user_id, event, context, stop_id, address)
           SELECT gen_random_uuid(), %s, %s, user_id, %s, %s, stop_id, %s
           FROM unnest(%s::uuid[], %s::uuid[]) AS told (user_id, stop_id)""",
        (account_id, request_id, event, Jsonb(context), address, list(told), list(told.values())),
    )


async def claim_due(connection: Connection, *, limit: int) -> list[Notice]:
    """Take due notices for the next minute, the oldest; in a transaction, so that two senders never hold the same one.

    Who has an older notice that is held, or waits for the provider, waits for that one. Returns none while another
    sender is choosing: what that one takes, this one could not see.
    """
    if not await scalar(connection, "SELECT pg_try_advisory_xact_lock(%s)", (_CHOOSING,)):
        return []
    query = """UPDATE notices SET due_at = now() + interval '1 minute', attempts = attempts + 1
               FROM users WHERE users.id = user_id AND notices.id IN (
                   SELECT id FROM notices n WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= now()
                   AND NOT EXISTS (
                       SELECT FROM notices older WHERE older.user_id = n.user_id AND older.created_at < n.created_at
                       AND older.sent_at IS NULL AND older.failed_at IS NULL AND NOT older.unwritable
                       AND older.due_at > now())
                   ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
               RETURNING notices.id, user_id, event, context, attempts, notices.created_at, stop_id,
                   coalesce(address, email) AS address"""
    return await many(connection, Notice, query, (limit,))


async def mark_sent(connection: Connection, notice_id: UUID, *, provider_id: str) -> None:
    """Note that the provider took it, under its id; the address, if it has one of its own, is erased."""
    query = "UPDATE notices SET sent_at = now(), failure = NULL, address = NULL, provider_id = %s WHERE id = %s"
    await connection.execute(query, (provider_id or None, notice_id))


async def mark_failed(connection: Connection, notice_id: UUID, *, failure: str) -> None:
    """Note that the provider will never take it; the address, if it has one of its own, is erased."""
    await connection.execute(
        "UPDATE notices SET failed_at = now(), failure = %s, address = NULL WHERE id = %s", (failure, notice_id)
    )


async def give_back(connection: Connection, notice_id: UUID, *, seconds: int) -> None:
    """Make a notice that was taken and not tried due again after ``seconds``."""
    await connection.execute(
        "UPDATE notices SET due_at = now() + make_interval(secs => %s), attempts = attempts - 1 WHERE id = %s",
        (seconds, notice_id),
    )


async def postpone(
    connection: Connection, notice_id: UUID, *, seconds: int, failure: str, unwritable: bool = False
) -> None:
    """Make it due again after ``seconds``: the provider could not take it, or it is ``unwritable``, by our fault."""
    await connection.execute(
        "UPDATE notices SET due_at = now() + make_interval(secs => %s), failure = %s, unwritable = %s WHERE id = %s",
        (seconds, failure, unwritable, notice_id),
    )
