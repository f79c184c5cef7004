"""Challenges and the sends of their codes."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.codes import Window
from countersign.domain.requests import Channel, Delivery, Step
from countersign.storage.database import Connection, many, one, scalar


class Send(BaseModel, frozen=True):
    """One send of one challenge's code, with what is needed to carry it out."""

    challenge_id: UUID
    request_id: UUID
    number: int
    channel: Channel
    key_id: str
    expires_at: datetime
    delivery: Delivery


async def insert(
    connection: Connection,
    *,
    challenge_id: UUID,
    request_id: UUID,
    account_id: UUID,
    step: Step,
    channel: Channel,
    key_id: str,
) -> None:
    """Add the challenge of a request's step."""
    await connection.execute(
        """INSERT INTO challenges (id, request_id, account_id, step, channel, key_id)
           VALUES (%s, %s, %s, %s, %s, %s)""",
        (challenge_id, request_id, account_id, step, channel, key_id),
    )


async def add_send(
    connection: Connection, *, challenge_id: UUID, account_id: UUID, channel: Channel, window: Window
) -> None:
    """Record a send (or the opening of an authenticator's window)."""
    delivery = Delivery.NOT_NEEDED if channel is Channel.AUTHENTICATOR else Delivery.SENDING
    await connection.execute(
        """INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        (challenge_id, window.number, account_id, channel, window.opened_at, window.expires_at, delivery),
    )


async def windows(connection: Connection, challenge_id: UUID) -> list[Window]:
    """Return all windows of a challenge, oldest first."""
    query = "SELECT number, opened_at, expires_at FROM code_sends WHERE challenge_id = %s ORDER BY number"
    return await many(connection, Window, query, (challenge_id,))


async def get_send(connection: Connection, *, challenge_id: UUID, number: int) -> Send | None:
    """Return one send."""
    query = """SELECT s.challenge_id, c.request_id, s.number, s.channel, c.key_id, s.expires_at, s.delivery
               FROM code_sends s JOIN challenges c ON c.id = s.challenge_id
               WHERE s.challenge_id = %s AND s.number = %s"""
    return await one(connection, Send, query, (challenge_id, number))


async def record_delivery(
    connection: Connection, *, challenge_id: UUID, number: int, delivery: Delivery, failure: str | None
) -> None:
    """Store what became of a send; what was sent stays sent."""
    await connection.execute(
        """UPDATE code_sends SET delivery = %s, failure = %s
           WHERE challenge_id = %s AND number = %s AND delivery <> 'sent'""",
        (delivery, failure, challenge_id, number),
    )


async def set_wrong_codes(connection: Connection, challenge_id: UUID, count: int) -> None:
    """Store how many wrong codes were entered."""
    await connection.execute("UPDATE challenges SET wrong_codes = %s WHERE id = %s", (count, challenge_id))


async def solve(connection: Connection, challenge_id: UUID, *, at: datetime) -> None:
    """Mark the challenge solved."""
    await connection.execute("UPDATE challenges SET solved_at = %s WHERE id = %s", (at, challenge_id))


async def nth_newest_send(connection: Connection, account_id: UUID, *, since: datetime, n: int) -> datetime | None:
    """Return when the n-th newest SMS or email code since ``since`` was made, or None when there were fewer."""
    query = """SELECT opened_at FROM code_sends
               WHERE account_id = %s AND opened_at > %s AND channel <> 'authenticator'
               ORDER BY opened_at DESC OFFSET %s LIMIT 1"""
    found: datetime | None = await scalar(connection, query, (account_id, since, n - 1))
    return found
