"""Credentials. Sealed secrets are written here and read by nobody but a verifier."""

from datetime import datetime
from typing import cast
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.errors import NameTaken
from countersign.domain.permissions import Permission
from countersign.domain.trading_limits import TradingLimits
from countersign.storage.database import Connection, as_json, many, one, scalar


class Credential(BaseModel, frozen=True):
    """An API key or FIX credentials, without any secret."""

    id: UUID
    account_id: UUID
    kind: CredentialKind
    name: str
    public_id: str
    session_type: SessionType | None
    permissions: tuple[Permission, ...]
    ip_whitelist: tuple[str, ...]
    trading_limits: TradingLimits
    status: CredentialStatus
    version: int
    created_by: UUID
    created_at: datetime
    changed_at: datetime
    funds_from: datetime | None


class NewCredential(BaseModel, frozen=True):
    """What is stored when a credential comes into being, its secret sealed or as a MAC."""

    id: UUID
    account_id: UUID
    kind: CredentialKind
    name: str
    name_key: str
    public_id: str
    session_type: SessionType | None
    permissions: list[Permission]
    ip_whitelist: list[str]
    trading_limits: TradingLimits = ()
    secret_sealed: bytes | None = None
    password_mac: bytes | None = None
    mac_key_id: str | None = None
    created_by: UUID


class NameUse(BaseModel, frozen=True):
    """The open creation that reserves a name, and whether a credential has it."""

    reserved_by: UUID | None
    taken: bool


COLUMNS = """id, account_id, kind, name, public_id, session_type, permissions, ip_whitelist, trading_limits, status,
              version, created_by, created_at, changed_at, funds_from"""


async def insert(connection: Connection, new: NewCredential) -> Credential:
    """Add an inactive credential of version 1 and return it; raises ``NameTaken``."""
    # Not by a UniqueViolation: the caller goes on in its transaction after NameTaken.
    query = f"""INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, session_type, permissions,
                    ip_whitelist, trading_limits, status, secret_sealed, password_mac, mac_key_id, created_by)
                VALUES (%(id)s, %(account_id)s, %(kind)s, %(name)s, %(name_key)s, %(public_id)s, %(session_type)s,
                    %(permissions)s, %(ip_whitelist)s, %(trading_limits)s, 'inactive', %(secret_sealed)s,
                    %(password_mac)s, %(mac_key_id)s, %(created_by)s)
                ON CONFLICT DO NOTHING RETURNING {COLUMNS}"""
    values = {**new.model_dump(), "trading_limits": as_json(new.trading_limits)}
    added = await one(connection, Credential, query, values)
    if added is None:
        raise NameTaken
    return added


async def get(
    connection: Connection, *, account_id: UUID, credential_id: UUID, kind: CredentialKind | None = None
) -> Credential | None:
    """Return a credential of the account that was not discarded; of that kind, if one is given."""
    query = f"""SELECT {COLUMNS} FROM credentials WHERE id = %s AND account_id = %s AND status <> 'discarded'
                AND (%s::text IS NULL OR kind = %s)"""
    return await one(connection, Credential, query, (credential_id, account_id, kind, kind))


async def by_session_name(connection: Connection, name: str) -> Credential | None:
    """Return the FIX credential of that Session Name, whosever it is."""
    query = f"SELECT {COLUMNS} FROM credentials WHERE name = %s AND kind = 'fix' AND status <> 'discarded'"
    return await one(connection, Credential, query, (name,))


async def of_account(connection: Connection, *, account_id: UUID, kind: CredentialKind) -> list[Credential]:
    """Return the account's credentials of one kind, newest first."""
    query = f"""SELECT {COLUMNS} FROM credentials
                WHERE account_id = %s AND kind = %s AND status <> 'discarded' ORDER BY created_at DESC, id"""
    return await many(connection, Credential, query, (account_id, kind))


async def change(
    connection: Connection,
    *,
    credential_id: UUID,
    version: int,
    status: CredentialStatus,
    request_id: UUID | None = None,
    permissions: list[Permission] | None = None,
    ip_whitelist: list[str] | None = None,
    trading_limits: TradingLimits | None = None,
) -> Credential | None:
    """Change the credential if it still has ``version``; return it as it is then, or None if it has another.

    The open request ``request_id``, in whose name it is changed, goes on with the new version.
    Only to await activation is no new version: what was shown is still what will be activated. A discarded
    credential loses its secret with the same statement.
    """
    query = f"""WITH changed AS (
                    UPDATE credentials SET status = %(status)s, changed_at = now(),
                       version = version + CASE WHEN %(status)s = 'awaiting_activation' THEN 0 ELSE 1 END,
                       permissions = coalesce(%(permissions)s, permissions),
                       ip_whitelist = coalesce(%(ip_whitelist)s, ip_whitelist),
                       trading_limits = coalesce(%(trading_limits)s, trading_limits),
                       secret_sealed = CASE WHEN %(status)s = 'discarded' THEN NULL ELSE secret_sealed END,
                       password_mac = CASE WHEN %(status)s = 'discarded' THEN NULL ELSE password_mac END
                    WHERE id = %(id)s AND version = %(version)s RETURNING {COLUMNS}),
                request AS (
                    UPDATE requests r SET credential_version = changed.version, changed_at = now() FROM changed
                    WHERE r.id = %(request_id)s AND r.outcome IS NULL AND r.credential_version <> changed.version)
                SELECT {COLUMNS} FROM changed"""
    values = {
        "id": credential_id,
        "version": version,
        "status": status,
        "request_id": request_id,
        "permissions": permissions,
        "ip_whitelist": ip_whitelist,
        "trading_limits": as_json(trading_limits),
    }
    return await one(connection, Credential, query, values)


async def switch_off_all(connection: Connection, account_id: UUID) -> list[Credential]:
    """Make every active credential of the account inactive; return them as they are then, by name."""
    query = f"""WITH changed AS (
                    UPDATE credentials SET status = 'inactive', version = version + 1, changed_at = now()
                    WHERE account_id = %s AND status = 'active' RETURNING {COLUMNS})
                SELECT {COLUMNS} FROM changed ORDER BY name, id"""
    return await many(connection, Credential, query, (account_id,))


async def activated_by(connection: Connection, *, account_id: UUID, user_id: UUID, since: datetime) -> list[Credential]:
    """Return the account's active credentials that requests of the user's activated since then."""
    query = f"""SELECT {COLUMNS} FROM credentials c WHERE account_id = %s AND status = 'active' AND EXISTS (
                    SELECT 1 FROM requests r WHERE r.credential_id = c.id AND r.user_id = %s
                    AND r.outcome = 'activated' AND r.closed_at >= %s)
                ORDER BY id"""
    return await many(connection, Credential, query, (account_id, user_id, since))


async def hold_funds(connection: Connection, credential_id: UUID, until: datetime | None) -> None:
    """Store from when on the credential's funds permissions are in effect; None: they are."""
    await connection.execute("UPDATE credentials SET funds_from = %s WHERE id = %s", (until, credential_id))


async def count(connection: Connection, account_id: UUID) -> int:
    """Return how many credentials the account has, open creations included."""
    query = """SELECT (SELECT count(*) FROM credentials WHERE account_id = %(id)s AND status <> 'discarded')
               + (SELECT count(*) FROM requests r WHERE account_id = %(id)s AND outcome IS NULL
                  AND journey LIKE 'create-%%' AND NOT EXISTS
                      (SELECT 1 FROM credentials c WHERE c.id = r.credential_id))"""
    return int(await scalar(connection, query, {"id": account_id}))


async def name_use(connection: Connection, *, account_id: UUID, name_key: str) -> NameUse:
    """Return who uses the (folded) name of an API key in the account."""
    query = """SELECT (SELECT id FROM requests WHERE account_id = %(account)s AND name_key = %(name)s
                       AND outcome IS NULL AND journey = 'create-api-key') AS reserved_by,
                   EXISTS (SELECT FROM credentials WHERE account_id = %(account)s AND name_key = %(name)s
                           AND kind = 'api_key' AND status <> 'discarded') AS taken"""
    use = await one(connection, NameUse, query, {"account": account_id, "name": name_key})
    return cast("NameUse", use)
