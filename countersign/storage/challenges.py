"""Challenges and the sends of their codes."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.domain.codes import Window
from countersign.domain.requests import Channel, Delivery, Step
from countersign.storage.database import Connection, many, one, scalar


class Send(BaseModel, frozen=True):
    """One send of one challenge's code, with what is needed to carry it out; where it goes stays out of its repr."""

    challenge_id: UUID
    request_id: UUID
    number: int
    channel: Channel
    key_id: str
    expires_at: datetime
    delivery: Delivery
    address: str | None = Field(repr=False)


async def insert(
    connection: Connection,
    *,
    challenge_id: UUID,
    request_id: UUID,
    account_id: UUID,
    step: Step,
    channel: Channel,
    key_id: str,
    window: Window,
) -> None:
    """Add the challenge of a request's step, with its first send (or authenticator's window)."""
    await connection.execute(
        """WITH challenge AS (
               INSERT INTO challenges (id, request_id, account_id, step, channel, key_id)
               VALUES (%(id)s, %(request_id)s, %(account_id)s, %(step)s, %(channel)s, %(key_id)s))
           INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
           VALUES (%(id)s, %(number)s, %(account_id)s, %(channel)s, %(opened_at)s, %(expires_at)s, %(delivery)s)""",
        {
            "id": challenge_id,
            "request_id": request_id,
            "account_id": account_id,
            "step": step,
            "channel": channel,
            "key_id": key_id,
            "delivery": _first_delivery(channel),
            **asdict(window),
        },
    )


async def add_send(
    connection: Connection, *, challenge_id: UUID, account_id: UUID, channel: Channel, window: Window
) -> None:
    """Record a send (or the opening of an authenticator's window)."""
    await connection.execute(
        """INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        (
            challenge_id,
            window.number,
            account_id,
            channel,
            window.opened_at,
            window.expires_at,
            _first_delivery(channel),
        ),
    )


def _first_delivery(channel: Channel) -> Delivery:
    return Delivery.NOT_NEEDED if channel is Channel.AUTHENTICATOR else Delivery.SENDING


async def windows(connection: Connection, challenge_id: UUID) -> list[Window]:
    """Return all windows of a challenge, oldest first."""
    query = "SELECT number, opened_at, expires_at FROM code_sends WHERE challenge_id = %s ORDER BY number"
    return await many(connection, Window, query, (challenge_id,))


async def get_send(connection: Connection, *, challenge_id: UUID, number: int) -> Send | None:
    """Return one send."""
    query = """SELECT s.challenge_id, c.request_id, s.number, s.channel, c.key_id, s.expires_at, s.delivery,
                   CASE WHEN s.channel = 'email' THEN u.email WHEN c.step = 'new_factor_code' THEN r.new_phone
                   ELSE u.phone END AS address
               FROM code_sends s JOIN challenges c ON c.id = s.challenge_id
               JOIN requests r ON r.id = c.request_id JOIN users u ON u.id = r.user_id
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


async def count_wrong_codes(
    connection: Connection, challenge_id: UUID, *, wrong: int, in_a_row: int, solved_at: datetime | None = None
) -> None:
    """Store how many wrong codes were entered, and how many came in a row to the account; and that it is solved."""
    await connection.execute(
        """WITH challenge AS (
               UPDATE challenges SET wrong_codes = %s, solved_at = coalesce(%s, solved_at) WHERE id = %s
               RETURNING account_id)
           UPDATE accounts SET wrong_codes_in_a_row = %s WHERE id = (SELECT account_id FROM challenge)""",
        (wrong, solved_at, challenge_id, in_a_row),
    )


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
