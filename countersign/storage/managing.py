"""What account managers look up: their accounts, what waits for them, and FIX credentials by Session Name."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.credentials import CredentialStatus, SessionType
from countersign.storage.accounts import Account
from countersign.storage.database import Connection, many


class Waiting(BaseModel, frozen=True):
    """An activation that waits for an account manager."""

    session_name: str
    session_type: SessionType
    account_name: str
    asked_by: str
    asked_at: datetime


class FoundCredential(BaseModel, frozen=True):
    """FIX credentials as a search shows them."""

    session_name: str
    session_type: SessionType
    account_name: str
    status: CredentialStatus
    changed_at: datetime


async def accounts_of(connection: Connection, manager: UUID) -> list[Account]:
    """Return the accounts that the account manager looks after, by name."""
    query = """SELECT a.id, a.name, a.prime_liquidity, a.wrong_codes_in_a_row, a.frozen_at
               FROM account_manager_assignments m JOIN accounts a ON a.id = m.account_id
               WHERE m.user_id = %s ORDER BY a.name, a.id"""
    return await many(connection, Account, query, (manager,))


async def waiting(connection: Connection, manager: UUID, *, limit: int) -> list[Waiting]:
    """Return what waits for this account manager, oldest first."""
    query = """SELECT r.name AS session_name, r.session_type, a.name AS account_name, u.name AS asked_by, r.asked_at
               FROM requests r JOIN account_manager_assignments m ON m.account_id = r.account_id AND m.user_id = %s
               JOIN accounts a ON a.id = r.account_id JOIN users u ON u.id = r.user_id
               WHERE r.step = 'account_manager' AND r.outcome IS NULL ORDER BY r.asked_at, r.id LIMIT %s"""
    return await many(connection, Waiting, query, (manager, limit))


async def find(connection: Connection, manager: UUID, *, part: str, limit: int) -> list[FoundCredential]:
    """Return FIX credentials of the manager's accounts whose Session Name without hyphens holds ``part``."""
    query = """SELECT c.name AS session_name, c.session_type, a.name AS account_name, c.status, c.changed_at
               FROM account_manager_assignments m JOIN accounts a ON a.id = m.account_id
               JOIN credentials c ON c.account_id = a.id
               WHERE m.user_id = %s AND c.kind = 'fix' AND c.status <> 'discarded'
               AND strpos(replace(c.name, '-', ''), %s) > 0 ORDER BY c.name LIMIT %s"""
    return await many(connection, FoundCredential, query, (manager, part, limit))
