"""Challenges and the sends of their codes."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.domain.codes import Window
from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.requests import ChangeTo, Channel, Delivery, Journey, Step
from countersign.storage import verdicts
from countersign.storage.database import Connection, many, one


@dataclass(frozen=True)
class _Tried(Window):
    nth_wrong_at: datetime | None


class NewChallenge(BaseModel, frozen=True):
    """A step that asks for a code, about to begin."""

    id: UUID
    request_id: UUID
    account_id: UUID
    step: Step
    channel: Channel
    key_id: str


class Spent(BaseModel, frozen=True):
    """What was spent of an account's codes and SMS.

    ``starting`` requests will send an SMS in a moment, and are counted. ``code_at`` and ``sms_at`` are when the oldest
    was made that fills the hour's codes and the day's SMS, None where there is room; ``sms_today`` is of all accounts.
    """

    starting: int
    code_at: datetime | None
    sms_at: datetime | None
    sms_today: int


class Send(BaseModel, frozen=True):
    """One send of one challenge's code, with what its text tells; where it goes stays out of its repr.

    ``awaited`` tells whether the request still is at the step that asks for the code.
    """

    challenge_id: UUID
    number: int
    channel: Channel
    key_id: str
    delivery: Delivery
    awaited: bool
    address: str | None = Field(repr=False)
    request_id: UUID
    journey: Journey
    step: Step
    name: str
    session_type: SessionType | None
    permissions: tuple[Permission, ...]
    ip_whitelist: tuple[str, ...]
    change_to: ChangeTo | None


@dataclass(frozen=True)
class Settled:
    """What became of a send, under which id the provider knows it, and at which try; None: unknown."""

    delivery: Delivery
    failure: str | None = None
    provider_id: str | None = None
    tries: int | None = None


async def begin(connection: Connection, new: NewChallenge, *, window: Window, deadline: datetime) -> None:
    """Take the open request to the challenge's step, with its first send (or authenticator's window)."""
    await connection.execute(
        """WITH challenge AS (
               INSERT INTO challenges (id, request_id, account_id, step, channel, key_id)
               VALUES (%(id)s, %(request_id)s, %(account_id)s, %(step)s, %(channel)s, %(key_id)s)),
           request AS (
               UPDATE requests SET step = %(step)s, deadline = %(deadline)s, changed_at = now()
               WHERE id = %(request_id)s AND outcome IS NULL)
           INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
           VALUES (%(id)s, %(number)s, %(account_id)s, %(channel)s, %(opened_at)s, %(expires_at)s, %(delivery)s)""",
        {**dict(new), **asdict(window), "deadline": deadline, "delivery": _first_delivery(new.channel)},
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


async def tried(
    connection: Connection, challenge_id: UUID, *, account_id: UUID, since: datetime, n: int
) -> tuple[list[Window], datetime | None]:
    """Return all windows of a challenge, oldest first, and when the account's n-th newest wrong code came since."""
    query = f"""SELECT number, opened_at, expires_at, ({verdicts.NTH_NEWEST_WRONG}) AS nth_wrong_at
                FROM code_sends WHERE challenge_id = %(challenge)s ORDER BY number"""
    values = {"challenge": challenge_id, "account": account_id, "since": since, "skipped": n - 1}
    rows = await many(connection, _Tried, query, values)
    return list(rows), next((row.nth_wrong_at for row in rows), None)


async def get_send(connection: Connection, *, challenge_id: UUID, number: int) -> Send | None:
    """Return one send."""
    query = """SELECT s.challenge_id, s.number, s.channel, c.key_id, s.delivery, r.step = c.step AS awaited,
                   CASE WHEN s.channel = 'email' THEN u.email WHEN c.step = 'new_factor_code' THEN r.new_phone
                   ELSE u.phone END AS address, r.id AS request_id, r.journey, r.step, r.name, r.session_type,
                   r.permissions, r.ip_whitelist, r.change_to
               FROM code_sends s JOIN challenges c ON c.id = s.challenge_id
               JOIN requests r ON r.id = c.request_id JOIN users u ON u.id = r.user_id
               WHERE s.challenge_id = %s AND s.number = %s"""
    return await one(connection, Send, query, (challenge_id, number))


async def record_delivery(connection: Connection, *, challenge_id: UUID, number: int, settled: Settled) -> None:
    """Store what became of a send; what was sent stays sent."""
    await connection.execute(
        """UPDATE code_sends SET delivery = %(delivery)s, failure = %(failure)s, settled_at = now(),
               provider_id = coalesce(%(provider_id)s, provider_id), tries = coalesce(%(tries)s, tries)
           WHERE challenge_id = %(challenge_id)s AND number = %(number)s AND delivery <> 'sent'""",
        {**asdict(settled), "challenge_id": challenge_id, "number": number},
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


async def spent(
    connection: Connection, account_id: UUID, *, at: datetime, codes_per_hour: int, sms_per_day: int
) -> Spent:
    """Return what the account spent in the hour and the 24 hours before ``at``, and all accounts on its day (UTC)."""
    query = """SELECT starting,
                   (SELECT opened_at FROM code_sends WHERE account_id = %(account)s
                    AND opened_at > %(at)s - interval '1 hour' AND channel <> 'authenticator'
                    ORDER BY opened_at DESC OFFSET greatest(%(codes)s - 1 - starting, 0) LIMIT 1) AS code_at,
                   (SELECT opened_at FROM code_sends WHERE account_id = %(account)s
                    AND opened_at > %(at)s - interval '1 day' AND channel <> 'authenticator' AND channel = 'sms'
                    ORDER BY opened_at DESC OFFSET greatest(%(sms)s - 1 - starting, 0) LIMIT 1) AS sms_at,
                   coalesce((SELECT made FROM sms_days WHERE day = %(day)s), 0) AS sms_today
               FROM (SELECT count(*) AS starting FROM requests WHERE account_id = %(account)s
                     AND outcome IS NULL AND step = 'starting' AND journey <> 'activate-fix-credentials'
                     AND (two_factor_method = 'sms' OR two_factor_method = 'none' AND change_to = 'sms')) AS about_to"""
    values = {"account": account_id, "at": at, "codes": codes_per_hour, "sms": sms_per_day, "day": at.date()}
    return cast("Spent", await one(connection, Spent, query, values))
