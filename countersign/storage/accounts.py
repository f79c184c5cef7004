"""Accounts, memberships and assignments of account managers."""

from datetime import datetime
from typing import LiteralString, cast
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.audit import GENESIS
from countersign.domain.freezing import HouseFreeze
from countersign.domain.people import Role
from countersign.storage import house_freezes
from countersign.storage.database import Connection, column, many, one, scalar


class Account(BaseModel, frozen=True):
    """A customer account; ``house_freeze`` is what is frozen for all of them."""

    id: UUID
    name: str
    prime_liquidity: bool
    wrong_codes_in_a_row: int
    frozen_at: datetime | None
    house_freeze: HouseFreeze


class LockedAccount(Account, frozen=True):
    """An account that is locked, and where its chain of audit events ends."""

    audit_number: int
    audit_mac: bytes


class _Locked(LockedAccount, frozen=True):
    own: bool


class Told(BaseModel, frozen=True):
    """Users who are told what another user, or nobody, did."""

    ids: list[UUID]
    actor_name: str | None


class _Membership(Account, frozen=True):
    role: Role


# Read along with the account, so that to ask it costs no statement.
COLUMNS = f"""a.id, a.name, a.prime_liquidity, a.wrong_codes_in_a_row, a.frozen_at,
              coalesce(({house_freezes.NEWEST}), 'none') AS house_freeze"""
_LOCKED = f"{COLUMNS}, a.audit_number, coalesce(a.audit_mac, %(genesis)s) AS audit_mac"
_OWNERS = "SELECT user_id FROM memberships WHERE account_id = %(account)s AND role = 'owner' ORDER BY user_id"
_MANAGERS = """
    SELECT s.user_id FROM account_manager_assignments s JOIN users u ON u.id = s.user_id
    WHERE s.account_id = %(account)s AND u.staff_role = 'account_manager'
    AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.account_id = s.account_id AND m.user_id = s.user_id)
    ORDER BY s.user_id
"""


async def insert(connection: Connection, *, account_id: UUID, name: str, prime_liquidity: bool) -> None:
    """Add an account; the same id again changes nothing."""
    await connection.execute(
        "INSERT INTO accounts (id, name, prime_liquidity) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (account_id, name, prime_liquidity),
    )


async def get(connection: Connection, account_id: UUID) -> Account | None:
    """Return the account without locking it."""
    return await one(connection, Account, f"SELECT {COLUMNS} FROM accounts a WHERE a.id = %s", (account_id,))


async def lock(connection: Connection, account_id: UUID) -> LockedAccount | None:
    """Return the account, locked until the transaction ends: effects on one account happen one after another."""
    query = f"SELECT {_LOCKED} FROM accounts a WHERE a.id = %(id)s FOR UPDATE"
    return await one(connection, LockedAccount, query, {"id": account_id, "genesis": GENESIS})


async def lock_of_request(connection: Connection, request_id: UUID) -> LockedAccount | None:
    """Return the account of a request, locked until the transaction ends.

    A change of two-factor authentication reaches into every account of its person: all are locked, in one order.
    """
    query = f"""SELECT {_LOCKED} FROM requests r JOIN accounts a ON a.id = r.account_id
                WHERE r.id = %(id)s AND r.journey <> 'change-two-factor' FOR UPDATE OF a"""
    account = await one(connection, LockedAccount, query, {"id": request_id, "genesis": GENESIS})
    return account or await _lock_of_change(connection, request_id)


async def _lock_of_change(connection: Connection, request_id: UUID) -> LockedAccount | None:
    query = f"""SELECT {_LOCKED}, a.id = r.account_id AS own FROM requests r
                CROSS JOIN LATERAL (
                    SELECT r.account_id
                    UNION SELECT account_id FROM memberships WHERE user_id = r.user_id
                    UNION SELECT account_id FROM account_manager_assignments WHERE user_id = r.user_id
                    UNION SELECT account_id FROM requests WHERE user_id = r.user_id AND outcome IS NULL
                ) AS concerned
                JOIN accounts a ON a.id = concerned.account_id
                WHERE r.id = %(id)s ORDER BY a.id FOR UPDATE OF a"""
    locked = await many(connection, _Locked, query, {"id": request_id, "genesis": GENESIS})
    return next((account for account in locked if account.own), None)


async def set_frozen(connection: Connection, account_id: UUID, at: datetime | None) -> None:
    """Freeze issuing from ``at``, or thaw it with None."""
    await connection.execute(
        "UPDATE accounts SET frozen_at = %s, wrong_codes_in_a_row = 0 WHERE id = %s", (at, account_id)
    )


async def add_member(connection: Connection, *, account_id: UUID, user_id: UUID, role: Role) -> None:
    """Make a user owner or member of an account."""
    await connection.execute(
        "INSERT INTO memberships (account_id, user_id, role) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (account_id, user_id, role),
    )


async def role_of(connection: Connection, *, account_id: UUID, user_id: UUID) -> Role | None:
    """Return the user's role in the account, or None."""
    query = "SELECT role FROM memberships WHERE account_id = %s AND user_id = %s"
    role = await scalar(connection, query, (account_id, user_id))
    return Role(role) if role else None


async def assign_manager(connection: Connection, *, account_id: UUID, user_id: UUID) -> None:
    """Let an account manager look after an account."""
    await connection.execute(
        "INSERT INTO account_manager_assignments (account_id, user_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (account_id, user_id),
    )


async def withdraw_manager(connection: Connection, *, account_id: UUID, user_id: UUID) -> None:
    """Let the account manager look after the account no more."""
    query = "DELETE FROM account_manager_assignments WHERE account_id = %s AND user_id = %s"
    await connection.execute(query, (account_id, user_id))


async def is_assigned(connection: Connection, *, account_id: UUID, user_id: UUID) -> bool:
    """Tell whether the user is an account manager who looks after the account now."""
    query = """SELECT 1 FROM account_manager_assignments s JOIN users u ON u.id = s.user_id
               WHERE s.account_id = %s AND s.user_id = %s AND u.staff_role = 'account_manager'"""
    return bool(await scalar(connection, query, (account_id, user_id)))


async def managers(connection: Connection, account_id: UUID) -> list[UUID]:
    """Return the ids of the account managers assigned to the account, never a member's."""
    return await column(connection, _MANAGERS, {"account": account_id})


async def owners(connection: Connection, account_id: UUID) -> list[UUID]:
    """Return the ids of the account's owners."""
    return await column(connection, _OWNERS, {"account": account_id})


async def told_owners(connection: Connection, account_id: UUID, *, actor_id: UUID | None) -> Told:
    """Return the ids of the account's owners, with the name of the user who acts."""
    return await _told(connection, _OWNERS, account_id, actor_id)


async def told_managers(connection: Connection, account_id: UUID, *, actor_id: UUID | None) -> Told:
    """Return the ids of the account managers assigned to the account, with the name of the user who acts."""
    return await _told(connection, _MANAGERS, account_id, actor_id)


async def _told(connection: Connection, who: LiteralString, account_id: UUID, actor_id: UUID | None) -> Told:
    query = f"SELECT ARRAY({who}) AS ids, (SELECT name FROM users WHERE id = %(actor)s) AS actor_name"
    told = await one(connection, Told, query, {"account": account_id, "actor": actor_id})
    return cast("Told", told)


async def members(connection: Connection, account_id: UUID) -> list[UUID]:
    """Return the ids of all who belong to the account."""
    return await column(connection, "SELECT user_id FROM memberships WHERE account_id = %s", (account_id,))


async def of_user(connection: Connection, user_id: UUID) -> list[tuple[Account, Role]]:
    """Return the accounts that the user belongs to, by name, with his or her role in each."""
    query = f"""SELECT {COLUMNS}, m.role FROM accounts a JOIN memberships m ON m.account_id = a.id
                WHERE m.user_id = %s ORDER BY a.name, a.id"""
    rows = await many(connection, _Membership, query, (user_id,))
    return [(Account.model_validate(row.model_dump(exclude={"role"})), row.role) for row in rows]


async def audit_position(connection: Connection, account_id: UUID | None, *, manager: UUID) -> int:
    """Return a number that grows with every audit event of the account, and of those the user looks after."""
    query = """SELECT coalesce(sum(audit_number), 0) FROM accounts WHERE id = ANY (ARRAY(
                   SELECT %(account)s::uuid
                   UNION SELECT account_id FROM account_manager_assignments WHERE user_id = %(manager)s))"""
    return int(await scalar(connection, query, {"account": account_id, "manager": manager}))
