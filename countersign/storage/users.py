"""Users: how to reach them and how they confirm."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from countersign.domain.people import Role, TwoFactorMethod
from countersign.storage import requests
from countersign.storage.database import Connection, many, one
from countersign.storage.requests import Address


class User(BaseModel):
    """A person; address and number stay out of its repr."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    email: str
    phone: str | None
    two_factor_method: TwoFactorMethod
    totp_seed: bytes | None
    totp_last_step: int
    staff_role: Role | None
    created_at: datetime
    security_changed_at: datetime | None = None
    security_changed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"User(id={self.id})"

    __str__ = __repr__


class Caller(BaseModel, frozen=True):
    """A person, what he or she is in the account that a call is for, and where the request is that it is about."""

    id: UUID
    staff_role: Role | None
    two_factor_method: TwoFactorMethod
    role: Role | None
    prime_liquidity: bool | None
    about: Address | None

    @property
    def owns(self) -> bool:
        """Whether he or she owns the account, and it is one of Prime Liquidity."""
        return self.role is Role.OWNER and bool(self.prime_liquidity)


class _Named(BaseModel, frozen=True):
    id: UUID
    name: str


async def insert(
    connection: Connection,
    *,
    user_id: UUID,
    name: str,
    email: str,
    phone: str | None = None,
    staff_role: Role | None = None,
) -> None:
    """Add a user without two-factor; the same id again changes nothing."""
    await connection.execute(
        """INSERT INTO users (id, name, email, phone, two_factor_method, staff_role)
           VALUES (%s, %s, %s, %s, 'none', %s) ON CONFLICT DO NOTHING""",
        (user_id, name, email, phone, staff_role),
    )


async def get(connection: Connection, user_id: UUID) -> User | None:
    """Return the user."""
    return await one(connection, User, "SELECT * FROM users WHERE id = %s", (user_id,))


async def caller(
    connection: Connection, user_id: UUID, *, account_id: UUID | None, request_id: UUID | None = None
) -> Caller | None:
    """Return who calls, as what in that account, and where that request is, whosever it is."""
    query = f"""SELECT u.id, u.staff_role, u.two_factor_method, m.role, a.prime_liquidity, to_jsonb(r) AS about
                FROM users u
                LEFT JOIN memberships m ON m.user_id = u.id AND m.account_id = %s
                LEFT JOIN accounts a ON a.id = m.account_id
                LEFT JOIN LATERAL ({requests.ADDRESS} WHERE id = %s) r ON true WHERE u.id = %s"""
    return await one(connection, Caller, query, (account_id, request_id, user_id))


async def names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of those users."""
    rows = await many(connection, _Named, "SELECT id, name FROM users WHERE id = ANY(%s)", (list(ids),))
    return {row.id: row.name for row in rows}


async def set_contact(connection: Connection, user_id: UUID, *, email: str, phone: str | None) -> None:
    """Store where mails and SMS go."""
    await connection.execute("UPDATE users SET email = %s, phone = %s WHERE id = %s", (email, phone, user_id))


async def set_two_factor(
    connection: Connection, user_id: UUID, *, method: TwoFactorMethod, totp_seed: bytes | None
) -> None:
    """Store the two-factor method; a sealed seed goes with the authenticator only."""
    await connection.execute(
        "UPDATE users SET two_factor_method = %s, totp_seed = %s WHERE id = %s", (method, totp_seed, user_id)
    )


async def note_security_change(connection: Connection, user_id: UUID, *, at: datetime, changed: list[str]) -> None:
    """Store when and what was last changed of how the user is reached or confirms."""
    await connection.execute(
        "UPDATE users SET security_changed_at = greatest(security_changed_at, %s), security_changed = %s WHERE id = %s",
        (at, changed, user_id),
    )


async def renew_hold(connection: Connection, user_id: UUID, *, at: datetime) -> None:
    """Let the hold that the user's last change brought about begin anew."""
    await connection.execute(
        "UPDATE users SET security_changed_at = greatest(security_changed_at, %s) WHERE id = %s", (at, user_id)
    )


async def begin_totp_steps(connection: Connection, user_id: UUID, step: int) -> None:
    """Use up the first time step of a new authenticator, whatever was used of the one before."""
    await connection.execute("UPDATE users SET totp_last_step = %s WHERE id = %s", (step, user_id))


async def use_totp_step(connection: Connection, user_id: UUID, step: int) -> bool:
    """Use up a TOTP time step (RFC 6238, 5.2); False when it, or a later one, was used before."""
    done = await connection.execute(
        "UPDATE users SET totp_last_step = %s WHERE id = %s AND totp_last_step < %s", (step, user_id, step)
    )
    return done.rowcount == 1
