"""What must never happen twice or unseen: audit events, used statements, idempotency keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import BaseModel, IPvAnyAddress

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


EVENT_COLUMNS = "account_id, number, event, at, actor_kind, actor_id, ip, request_id, credential_id, details"


async def append(  # noqa: PLR0913 - the columns of one row
    connection: Connection,
    *,
    account_id: UUID,
    event: str,
    actor_kind: str,
    actor_id: UUID | None,
    ip: str | None,
    request_id: UUID | None,
    credential_id: UUID | None,
    details: dict[str, Any],
) -> None:
    """Append the account's next audit event; numbers have no gaps because the account is locked."""
    await connection.execute(
        """WITH next AS (UPDATE accounts SET audit_number = audit_number + 1 WHERE id = %(account)s
                         RETURNING audit_number)
           INSERT INTO audit_events (account_id, number, event, actor_kind, actor_id, ip, request_id, credential_id,
                                     details)
           SELECT %(account)s, audit_number, %(event)s, %(actor_kind)s, %(actor)s, %(ip)s, %(request)s, %(credential)s,
                  %(details)s FROM next""",
        {
            "account": account_id,
            "event": event,
            "actor_kind": actor_kind,
            "actor": actor_id,
            "ip": ip,
            "request": request_id,
            "credential": credential_id,
            "details": Jsonb(details),
        },
    )


async def events(
    connection: Connection, account_id: UUID, *, before: int | None, limit: int, hidden: Sequence[str] = ()
) -> list[AuditEvent]:
    """Return the account's audit events, newest first, below number ``before``; none of those called ``hidden``."""
    query = f"""SELECT {EVENT_COLUMNS} FROM audit_events
                WHERE account_id = %s AND (%s::bigint IS NULL OR number < %s) AND event <> ALL(%s)
                ORDER BY number DESC LIMIT %s"""
    return await many(connection, AuditEvent, query, (account_id, before, before, list(hidden), limit))


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
