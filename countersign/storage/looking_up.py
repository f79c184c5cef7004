"""What ops look up for whoever calls: people, the mails that were to reach them, and credentials of all accounts."""

import re
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.domain.people import Role, TwoFactorMethod
from countersign.storage import accounts
from countersign.storage.accounts import Account
from countersign.storage.credentials import COLUMNS, Credential
from countersign.storage.database import Connection, many


class Found(BaseModel, frozen=True):
    """A person as ops find him or her; address and number stay out of its repr."""

    id: UUID
    name: str
    email: str = Field(repr=False)
    phone: str | None = Field(repr=False)
    two_factor_method: TwoFactorMethod
    staff_role: Role | None
    recovery_codes: int
    accounts: list[dict[str, str]]


class Mailed(BaseModel, frozen=True):
    """A notice, whom it is to, and what became of it; ``tries`` counts those that failed and the one that did not."""

    id: UUID
    event: str
    user_id: UUID
    name: str
    request_id: UUID | None
    created_at: datetime
    due_at: datetime
    tries: int
    sent_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    provider_id: str | None
    unwritable: bool


_MAILED = """
    SELECT n.id, n.event, n.user_id, u.name, n.request_id, n.created_at, n.due_at, n.attempts AS tries, n.sent_at,
           n.failed_at, n.failure, n.provider_id, n.unwritable
    FROM notices n JOIN users u ON u.id = n.user_id
"""


async def people(connection: Connection, text: str, *, limit: int) -> list[Found]:
    """Return people by their id or whole email, or by a part of their name; each with accounts and roles there."""
    query = """SELECT u.id, u.name, u.email, u.phone, u.two_factor_method, u.staff_role,
                   (SELECT count(*) FROM recovery_codes c WHERE c.user_id = u.id AND c.used_at IS NULL)
                   AS recovery_codes,
                   coalesce((SELECT jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name, 'role', m.role)
                                              ORDER BY a.name)
                             FROM memberships m JOIN accounts a ON a.id = m.account_id WHERE m.user_id = u.id), '[]')
                   AS accounts
               FROM users u WHERE u.name ILIKE %(part)s OR lower(u.email) = lower(%(text)s) OR u.id::text = %(text)s
               ORDER BY u.name, u.id LIMIT %(limit)s"""
    part = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
    return await many(connection, Found, query, {"text": text, "part": part, "limit": limit})


async def mails_of_account(connection: Connection, account_id: UUID, *, limit: int) -> list[Mailed]:
    """Return the notices of an account, newest first."""
    query = f"{_MAILED} WHERE n.account_id = %s ORDER BY n.created_at DESC, n.id LIMIT %s"
    return await many(connection, Mailed, query, (account_id, limit))


async def mails_waiting(connection: Connection, *, limit: int) -> list[Mailed]:
    """Return the notices that are not out yet, of all accounts, the oldest first."""
    query = f"""{_MAILED} WHERE n.sent_at IS NULL AND n.failed_at IS NULL ORDER BY n.created_at, n.id LIMIT %s"""
    return await many(connection, Mailed, query, (limit,))


async def credential(connection: Connection, text: str) -> list[Credential]:
    """Return the credential with that id, API key or Session Name, discarded ones too."""
    query = f"""SELECT {COLUMNS} FROM credentials WHERE public_id = %(text)s
                UNION SELECT {COLUMNS} FROM credentials WHERE name = %(text)s AND kind = 'fix'
                UNION SELECT {COLUMNS} FROM credentials WHERE id = %(id)s"""
    return await many(connection, Credential, query, {"text": text, "id": _uuid(text)})


async def accounts_called(connection: Connection, text: str) -> list[Account]:
    """Return the accounts with that id or name, in whatever case it is written."""
    query = f"SELECT {accounts.COLUMNS} FROM accounts a WHERE a.id = %(id)s OR lower(a.name) = lower(%(text)s) LIMIT 2"
    return await many(connection, Account, query, {"text": text, "id": _uuid(text)})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
