"""Requests, read together with their present challenge and its newest send."""

from datetime import datetime
from functools import cache
from typing import LiteralString, cast
from uuid import UUID

import psycopg
from psycopg import sql
from pydantic import BaseModel, Field

from countersign.domain.credentials import SessionType
from countersign.domain.errors import NameTaken, RequestOpen
from countersign.domain.people import Role, TwoFactorMethod
from countersign.domain.permissions import Permission
from countersign.domain.requests import ChangeTo, Channel, Delivery, Journey, Outcome, Step
from countersign.domain.trading_limits import TradingLimits
from countersign.storage.database import Connection, as_json, many, one, scalar


class Address(BaseModel, frozen=True):
    """Where a request is, for whoever has a message for it."""

    id: UUID
    account_id: UUID
    journey: Journey
    step: Step
    outcome: Outcome | None
    deadline: datetime | None

    @property
    def workflow_id(self) -> str:
        """The id of the workflow that carries this request."""
        return f"{self.journey}/{self.id}"


class Request(Address, frozen=True):
    """One approval as it stands; its sealed copy, a new phone number and a kept session are never part of it.

    ``security_changed_at`` and ``requester_role`` are of the person who began it, ``funds_from`` of its credential.
    """

    user_id: UUID
    credential_id: UUID
    credential_version: int
    reason: str | None
    name: str
    name_key: str
    session_type: SessionType | None
    permissions: tuple[Permission, ...]
    ip_whitelist: tuple[str, ...]
    trading_limits: TradingLimits
    two_factor_method: TwoFactorMethod
    change_to: ChangeTo | None
    asked_at: datetime | None
    reminders: int
    reveal_challenge: str | None
    revealed_at: datetime | None
    saved_at: datetime | None
    created_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    challenge_id: UUID | None = None
    channel: Channel | None = None
    key_id: str | None = None
    wrong_codes: int | None = None
    send_number: int | None = None
    send_opened_at: datetime | None = None
    send_expires_at: datetime | None = None
    delivery: Delivery | None = None
    failure: str | None = None
    decisions_refused: int = 0
    security_changed_at: datetime | None = None
    requester_role: Role | None = None
    funds_from: datetime | None = None


class NewRequest(BaseModel, frozen=True):
    """A request about to begin."""

    id: UUID
    account_id: UUID
    user_id: UUID
    credential_id: UUID
    credential_version: int
    journey: Journey
    name: str
    name_key: str
    session_type: SessionType | None = None
    permissions: list[Permission] = []
    ip_whitelist: list[str] = []
    trading_limits: TradingLimits = ()
    two_factor_method: TwoFactorMethod
    change_to: ChangeTo | None = None
    new_phone: str | None = Field(default=None, repr=False)
    reveal_challenge: str | None = None
    kept_session: bytes | None = Field(default=None, repr=False)


# A request of a release without trading limits leaves those of its credential as they are.
COLUMNS = """
    r.id, r.account_id, r.user_id, r.credential_id, r.credential_version, r.journey, r.step, r.outcome, r.reason,
    r.name, r.name_key, r.session_type, r.permissions, r.ip_whitelist, r.two_factor_method, r.change_to,
    r.deadline, r.asked_at, r.reminders, r.reveal_challenge, r.revealed_at, r.saved_at, r.created_at,
    r.changed_at, r.closed_at, c.id AS challenge_id, c.channel, c.key_id, c.wrong_codes, s.number AS send_number,
    s.opened_at AS send_opened_at, s.expires_at AS send_expires_at, s.delivery, s.failure, r.decisions_refused,
    u.security_changed_at, b.role AS requester_role, k.funds_from,
    coalesce(r.trading_limits, CASE WHEN r.outcome IS NULL THEN k.trading_limits END, '[]') AS trading_limits
"""
_BESIDE = """
    JOIN users u ON u.id = r.user_id
    LEFT JOIN memberships b ON b.account_id = r.account_id AND b.user_id = r.user_id
    LEFT JOIN credentials k ON k.id = r.credential_id
    LEFT JOIN challenges c ON c.request_id = r.id AND c.step = r.step
    LEFT JOIN LATERAL (SELECT * FROM code_sends WHERE challenge_id = c.id ORDER BY number DESC LIMIT 1) s ON true
"""
TABLES = f"requests r {_BESIDE}"
ADDRESS = "SELECT id, account_id, journey, step, outcome, deadline FROM requests"
_SELECT = f"SELECT {COLUMNS} FROM {TABLES}"
# Two statements: one with a parameter for it has one plan, which reads what has ended as well.
_OPEN: dict[bool, LiteralString] = {True: " AND r.outcome IS NULL", False: ""}


async def insert(connection: Connection, new: NewRequest) -> Request:
    """Add a request at step ``starting`` and return it; raises ``RequestOpen`` or ``NameTaken``."""
    query = f"""WITH r AS (
                    INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step,
                        name, name_key, session_type, permissions, ip_whitelist, trading_limits, two_factor_method,
                        change_to, new_phone, reveal_challenge, kept_session)
                    VALUES (%(id)s, %(account_id)s, %(user_id)s, %(credential_id)s, %(credential_version)s,
                        %(journey)s, 'starting', %(name)s, %(name_key)s, %(session_type)s, %(permissions)s,
                        %(ip_whitelist)s, %(trading_limits)s, %(two_factor_method)s, %(change_to)s, %(new_phone)s,
                        %(reveal_challenge)s, %(kept_session)s)
                    RETURNING *)
                SELECT {COLUMNS} FROM r {_BESIDE}"""
    values = {**new.model_dump(), "trading_limits": as_json(new.trading_limits)}
    try:
        return cast("Request", await one(connection, Request, query, values))
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "requests_reserved_name":
            raise NameTaken from error
        raise RequestOpen from error


async def get(connection: Connection, request_id: UUID) -> Request | None:
    """Return the request."""
    return await one(connection, Request, f"{_SELECT} WHERE r.id = %s", (request_id,))


async def address(connection: Connection, request_id: UUID) -> Address | None:
    """Return where the request is."""
    return await one(connection, Address, f"{ADDRESS} WHERE id = %s", (request_id,))


async def open_of_credential(connection: Connection, credential_id: UUID) -> Request | None:
    """Return the request that is open about the credential."""
    query = f"{_SELECT} WHERE r.credential_id = %s AND r.outcome IS NULL"
    return await one(connection, Request, query, (credential_id,))


async def latest_of_credential(connection: Connection, credential_id: UUID) -> Request | None:
    """Return the newest request about the credential, open or not."""
    query = f"{_SELECT} WHERE r.credential_id = %s ORDER BY r.created_at DESC LIMIT 1"
    return await one(connection, Request, query, (credential_id,))


async def open_of_user(connection: Connection, *, account_id: UUID, user_id: UUID) -> list[Request]:
    """Return what the user began in the account and is still open."""
    query = f"{_SELECT} WHERE r.account_id = %s AND r.user_id = %s AND r.outcome IS NULL"
    return await many(connection, Request, query, (account_id, user_id))


async def of_account(connection: Connection, account_id: UUID, *, only_open: bool, limit: int) -> list[Request]:
    """Return the account's requests, newest first."""
    query = f"""{_SELECT} WHERE r.account_id = %s{_OPEN[only_open]} ORDER BY r.created_at DESC, r.id LIMIT %s"""
    return await many(connection, Request, query, (account_id, limit))


async def every(connection: Connection, *, only_open: bool, limit: int) -> list[Request]:
    """Return all accounts' requests, newest first: for ops."""
    query = f"{_SELECT} WHERE true{_OPEN[only_open]} ORDER BY r.created_at DESC, r.id DESC LIMIT %s"
    return await many(connection, Request, query, (limit,))


async def of_ids(connection: Connection, ids: list[UUID]) -> list[Request]:
    """Return those requests, newest first."""
    query = f"{_SELECT} WHERE r.id = ANY(%s) ORDER BY r.created_at DESC, r.id DESC"
    return await many(connection, Request, query, (ids,))


async def nth_newest(connection: Connection, account_id: UUID, *, since: datetime, n: int) -> datetime | None:
    """Return when the account's n-th newest request since ``since`` was begun, or None when there were fewer."""
    query = """SELECT created_at FROM requests WHERE account_id = %s AND created_at > %s
               ORDER BY created_at DESC OFFSET %s LIMIT 1"""
    found: datetime | None = await scalar(connection, query, (account_id, since, n - 1))
    return found


async def update(connection: Connection, request_id: UUID, **columns: object) -> None:
    """Set the named columns of an open request; a closed one never changes."""
    await connection.execute(_update(tuple(columns)), {**columns, "request_id": request_id})


@cache
def _update(columns: tuple[str, ...]) -> bytes:
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
    )
    statement = "UPDATE requests SET {}, changed_at = now() WHERE id = %(request_id)s AND outcome IS NULL"
    return sql.SQL(statement).format(assignments).as_bytes()


async def close(connection: Connection, request_id: UUID, *, outcome: Outcome, reason: str | None) -> None:
    """End the request; the sealed copy of its secret, a new phone number and a kept session go with it."""
    await update(
        connection,
        request_id,
        step=Step.CLOSED,
        outcome=outcome,
        reason=reason,
        deadline=None,
        reveal_sealed=None,
        new_phone=None,
        kept_session=None,
        closed_at=datetime.now().astimezone(),
    )


async def count_refused_decision(connection: Connection, request_id: UUID) -> int:
    """Count one more refused decision; return how many there were."""
    query = "UPDATE requests SET decisions_refused = decisions_refused + 1 WHERE id = %s RETURNING decisions_refused"
    return int(await scalar(connection, query, (request_id,)))


async def read_sealed(connection: Connection, request_id: UUID) -> bytes | None:
    """Return the sealed copy of the secret, while there is one."""
    sealed = await scalar(connection, "SELECT reveal_sealed FROM requests WHERE id = %s", (request_id,))
    return bytes(sealed) if sealed is not None else None


async def read_new_phone(connection: Connection, request_id: UUID) -> str | None:
    """Return the phone number that an open change leads to, or None."""
    phone: str | None = await scalar(connection, "SELECT new_phone FROM requests WHERE id = %s", (request_id,))
    return phone


async def read_kept_session(connection: Connection, request_id: UUID) -> bytes | None:
    """Return the hash of the session that outlives an open change, or None where none does."""
    kept = await scalar(connection, "SELECT kept_session FROM requests WHERE id = %s", (request_id,))
    return bytes(kept) if kept is not None else None


async def erase_revealed(connection: Connection, *, before: datetime) -> int:
    """Erase the copies of secrets that were first shown before ``before``; return how many.

    A new authenticator's seed stays until the request ends: its first code is checked with it.
    """
    query = """UPDATE requests SET reveal_sealed = NULL
               WHERE reveal_sealed IS NOT NULL AND revealed_at < %s AND change_to IS NULL"""
    return (await connection.execute(query, (before,))).rowcount


async def set_nudge(connection: Connection, request_id: UUID) -> None:
    """Note that the request's workflow must look again, whoever is about to tell it so."""
    await connection.execute("UPDATE requests SET nudge = true, nudged_at = NULL WHERE id = %s", (request_id,))


async def claim_nudges(connection: Connection, *, limit: int) -> list[Request]:
    """Take requests whose workflow must look again; who stops before it is told leaves it to others, in 15 seconds."""
    query = f"""WITH taken AS (
                    UPDATE requests SET nudged_at = now() WHERE id IN (
                        SELECT id FROM requests
                        WHERE nudge AND (nudged_at IS NULL OR nudged_at < now() - interval '15 seconds')
                        ORDER BY changed_at LIMIT %s FOR UPDATE SKIP LOCKED)
                    RETURNING id)
                {_SELECT} WHERE r.id IN (SELECT id FROM taken)"""
    return await many(connection, Request, query, (limit,))


async def note_nudged(connection: Connection, request_id: UUID) -> None:
    """Note that the workflow was told, unless the request was marked anew since it was taken."""
    query = "UPDATE requests SET nudge = false WHERE id = %s AND nudged_at IS NOT NULL"
    await connection.execute(query, (request_id,))


async def claim_unstarted(connection: Connection, *, older_than: datetime, limit: int) -> list[Request]:
    """Take requests whose workflow may not have been started, so that two dispatchers never take the same."""
    query = f"""WITH taken AS (
                    UPDATE requests SET dispatched_at = now() WHERE id IN (
                        SELECT id FROM requests WHERE step = 'starting' AND outcome IS NULL AND created_at < %(older)s
                        AND (dispatched_at IS NULL OR dispatched_at < now() - interval '15 seconds')
                        ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
                    RETURNING id)
                {_SELECT} WHERE r.id IN (SELECT id FROM taken)"""
    return await many(connection, Request, query, {"older": older_than, "limit": limit})


async def claim_stuck_sends(connection: Connection, *, older_than: datetime, limit: int) -> list[Request]:
    """Take open requests whose newest code is still unsent since before ``older_than``, each once a minute."""
    query = f"""WITH taken AS (
                    UPDATE requests SET dispatched_at = now() WHERE id IN (
                        SELECT r.id FROM code_sends s JOIN challenges c ON c.id = s.challenge_id
                        JOIN requests r ON r.id = c.request_id AND r.step = c.step
                        WHERE s.delivery = 'sending' AND r.outcome IS NULL
                        AND s.created_at < %(older)s AND s.created_at > now() - interval '1 hour'
                        AND (r.dispatched_at IS NULL OR r.dispatched_at < now() - interval '1 minute')
                        LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED)
                    RETURNING id)
                {_SELECT} WHERE r.id IN (SELECT id FROM taken)"""
    return await many(connection, Request, query, {"older": older_than, "limit": limit})
