"""What account managers look up: their accounts, what waits for them, and FIX credentials by Session Name."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.credentials import CredentialStatus, SessionType
from countersign.domain.requests import Journey, Step
from countersign.storage import accounts
from countersign.storage.accounts import Account
from countersign.storage.database import Connection, many, one


class Waiting(BaseModel, frozen=True):
    """An activation that waits for an account manager."""

    session_name: str
    session_type: SessionType
    account_name: str
    asked_by: str
    asked_at: datetime


class Entry(BaseModel, frozen=True):
    """FIX credentials to decide on, and the request that is open about them, if one is."""

    session_name: str
    session_type: SessionType
    account_id: UUID
    account_name: str
    status: CredentialStatus
    version: int
    request_id: UUID | None
    journey: Journey | None
    step: Step | None
    asked_at: datetime | None

    @property
    def workflow_id(self) -> str | None:
        """The id of the workflow that carries the open request."""
        return f"{self.journey}/{self.request_id}" if self.request_id else None


class FoundCredential(BaseModel, frozen=True):
    """FIX credentials as a search shows them."""

    session_name: str
    session_type: SessionType
    account_name: str
    status: CredentialStatus
    changed_at: datetime


# The oldest that wait, and then what is told of those alone. In the order of their index: who looks after many accounts
# has soon enough of them, and all that wait for anybody are few beside what has ended.
_OLDEST = """SELECT r.id FROM requests r WHERE r.step = 'account_manager' AND r.outcome IS NULL
             AND r.account_id IN (SELECT account_id FROM account_manager_assignments WHERE user_id = %(manager)s)
             ORDER BY r.asked_at, r.id LIMIT %(limit)s"""
_ENTRY = """SELECT c.name AS session_name, c.session_type, a.id AS account_id, a.name AS account_name, c.status,
                   c.version, r.id AS request_id, r.journey, r.step, r.asked_at"""


async def accounts_of(connection: Connection, manager: UUID) -> list[Account]:
    """Return the accounts that the account manager looks after, by name."""
    query = f"""SELECT {accounts.COLUMNS}
               FROM account_manager_assignments m JOIN accounts a ON a.id = m.account_id
               WHERE m.user_id = %s ORDER BY a.name, a.id"""
    return await many(connection, Account, query, (manager,))


async def waiting(connection: Connection, manager: UUID, *, limit: int) -> list[Waiting]:
    """Return what waits for this account manager, oldest first."""
    query = f"""SELECT r.name AS session_name, r.session_type, a.name AS account_name, u.name AS asked_by, r.asked_at
                FROM ({_OLDEST}) AS oldest JOIN requests r ON r.id = oldest.id
                JOIN accounts a ON a.id = r.account_id JOIN users u ON u.id = r.user_id ORDER BY r.asked_at, r.id"""
    return await many(connection, Waiting, query, {"manager": manager, "limit": limit})


async def queue(connection: Connection, manager: UUID, *, limit: int) -> list[Entry]:
    """Return what waits for this account manager as it is decided on, oldest first."""
    query = f"""{_ENTRY} FROM ({_OLDEST}) AS oldest JOIN requests r ON r.id = oldest.id
                JOIN credentials c ON c.id = r.credential_id AND c.status <> 'discarded'
                JOIN accounts a ON a.id = r.account_id ORDER BY r.asked_at, r.id"""
    return await many(connection, Entry, query, {"manager": manager, "limit": limit})


async def entry(connection: Connection, manager: UUID, *, session_name: str) -> Entry | None:
    """Return the FIX credentials of that Session Name, if their account is one that the manager looks after."""
    query = f"""{_ENTRY} FROM credentials c
                JOIN account_manager_assignments m ON m.account_id = c.account_id AND m.user_id = %s
                JOIN accounts a ON a.id = c.account_id
                LEFT JOIN requests r ON r.credential_id = c.id AND r.outcome IS NULL
                WHERE c.name = %s AND c.kind = 'fix' AND c.status <> 'discarded'"""
    return await one(connection, Entry, query, (manager, session_name))


async def find(connection: Connection, manager: UUID, *, part: str, limit: int) -> list[FoundCredential]:
    """Return FIX credentials of the manager's accounts whose Session Name without hyphens holds ``part``."""
    query = """SELECT c.name AS session_name, c.session_type, a.name AS account_name, c.status, c.changed_at
               FROM account_manager_assignments m JOIN accounts a ON a.id = m.account_id
               JOIN credentials c ON c.account_id = a.id
               WHERE m.user_id = %s AND c.kind = 'fix' AND c.status <> 'discarded'
               AND strpos(replace(c.name, '-', ''), %s) > 0 ORDER BY c.name LIMIT %s"""
    return await many(connection, FoundCredential, query, (manager, part, limit))
