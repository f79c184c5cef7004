"""What must never happen twice or unseen: audit events, used statements, idempotency keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, IPvAnyAddress

from countersign.domain.audit import GENESIS, Place, Recorded
from countersign.storage.database import Connection, many, one


class AuditEvent(BaseModel, frozen=True):
    """Who did what, when and from where; never a code or a secret."""

    account_id: UUID
    number: int
    event: str
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    ip: IPvAnyAddress | None
    request_id: UUID | None
    credential_id: UUID | None
    details: dict[str, Any]


class IdempotencyRecord(BaseModel, frozen=True):
    """What a key was used for."""

    body_hash: bytes
    request_id: UUID


class AuditHeadMoved(Exception):
    """The account's chain of audit events went on meanwhile: an event appended now would fork it."""


class _Head(BaseModel, frozen=True):
    number: int
    mac: bytes


EVENT_COLUMNS = "account_id, number, event, at, actor_kind, actor_id, ip, request_id, credential_id, details"


async def head(connection: Connection, account_id: UUID) -> Place:
    """Return where the account's chain of audit events ends; raises ``AuditHeadMoved`` for an account that is gone."""
    query = "SELECT audit_number AS number, coalesce(audit_mac, %s) AS mac FROM accounts WHERE id = %s"
    found = await one(connection, _Head, query, (GENESIS, account_id))
    if found is None:
        raise AuditHeadMoved(account_id)
    return Place(found.number, found.mac)


async def append(connection: Connection, events: Sequence[Recorded], *, after: Place) -> None:
    """Append events of one account and move the head on to the last; ``AuditHeadMoved`` unless it is ``after`` still.

    Nothing may write what is signed but the caller: no column has a default here.
    """
    last = events[-1]
    done = await connection.execute(
        f"""WITH moved AS (UPDATE accounts SET audit_number = %(number)s, audit_mac = %(mac)s
                           WHERE id = %(account_id)s AND audit_number = %(after_number)s
                           AND coalesce(audit_mac, %(genesis)s) = %(after_mac)s RETURNING id)
            INSERT INTO audit_events ({EVENT_COLUMNS}, key_id, mac)
            SELECT moved.id, number, event, at, actor_kind, actor_id, ip, request_id, credential_id, details, key_id,
                   decode(mac, 'hex')
            FROM moved, jsonb_to_recordset(%(events)s) AS e (
                number bigint, event text, at timestamptz, actor_kind text, actor_id uuid, ip inet, request_id uuid,
                credential_id uuid, details jsonb, key_id text, mac text)""",
        {
            "account_id": last.account_id,
            "number": last.number,
            "mac": last.mac,
            "after_number": after.number,
            "after_mac": after.mac,
            "genesis": GENESIS,
            "events": Jsonb([_written(each) for each in events]),
        },
    )
    if done.rowcount != len(events):
        raise AuditHeadMoved(last.account_id)


def _written(event: Recorded) -> dict[str, Any]:
    at, mac = event.at, event.mac
    return {**event._asdict(), "at": at.isoformat() if at else None, "mac": mac.hex() if mac else None}


async def events(
    connection: Connection, account_id: UUID, *, before: int | None, limit: int, hidden: Sequence[str] = ()
) -> list[AuditEvent]:
    """Return the account's audit events, newest first, below number ``before``; none of those called ``hidden``."""
    # Not "before IS NULL OR …": of that no index makes use once the statement is prepared for any value.
    query = f"""SELECT {EVENT_COLUMNS} FROM audit_events
                WHERE account_id = %s AND number < coalesce(%s, {2**63 - 1}) AND event <> ALL(%s)
                ORDER BY number DESC LIMIT %s"""
    return await many(connection, AuditEvent, query, (account_id, before, list(hidden), limit))


async def events_of_credential(
    connection: Connection, account_id: UUID, *, credential_id: UUID, limit: int, hidden: Sequence[str] = ()
) -> list[AuditEvent]:
    """Return the audit events about one credential, newest first; none of those called ``hidden``."""
    query = f"""SELECT {EVENT_COLUMNS} FROM audit_events
                WHERE account_id = %s AND credential_id = %s AND event <> ALL(%s) ORDER BY number DESC LIMIT %s"""
    return await many(connection, AuditEvent, query, (account_id, credential_id, list(hidden), limit))


async def use_statement(connection: Connection, statement_id: str, *, request_id: UUID) -> bool:
    """Use up an account manager's statement; False when it was used before."""
    done = await connection.execute(
        "INSERT INTO used_statements (id, request_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (statement_id, request_id),
    )
    return done.rowcount == 1


async def find_idempotency(
    connection: Connection, *, account_id: UUID, user_id: UUID, route: str, key: str
) -> IdempotencyRecord | None:
    """Return what the key was used for before."""
    query = """SELECT body_hash, request_id FROM idempotency_keys
               WHERE account_id = %s AND user_id = %s AND route = %s AND key = %s"""
    return await one(connection, IdempotencyRecord, query, (account_id, user_id, route, key))


async def insert_idempotency(
    connection: Connection,
    *,
    account_id: UUID,
    user_id: UUID,
    route: str,
    key: str,
    record: IdempotencyRecord,
) -> None:
    """Remember what the key is used for."""
    await connection.execute(
        """INSERT INTO idempotency_keys (account_id, user_id, route, key, body_hash, request_id)
           VALUES (%s, %s, %s, %s, %s, %s)""",
        (account_id, user_id, route, key, record.body_hash, record.request_id),
    )
