"""Sessions of signed-in browsers; the token itself is never stored, only its SHA-256."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from countersign.storage.database import Connection, many, one


class Session(BaseModel):
    """A signed-in browser."""

    model_config = ConfigDict(frozen=True)

    token_hash: bytes
    user_id: UUID
    account_id: UUID | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


async def insert(connection: Connection, session: Session) -> None:
    """Add a session, and forget those that are over."""
    await connection.execute("DELETE FROM sessions WHERE expires_at < %s", (session.created_at,))
    await connection.execute(
        """INSERT INTO sessions (token_hash, user_id, account_id, created_at, seen_at, expires_at)
           VALUES (%(token_hash)s, %(user_id)s, %(account_id)s, %(created_at)s, %(seen_at)s, %(expires_at)s)""",
        session.model_dump(),
    )


async def get(connection: Connection, token_hash: bytes, *, at: datetime, seen_since: datetime) -> Session | None:
    """Return the session if it has not ended by ``at`` and was used since ``seen_since``."""
    query = "SELECT * FROM sessions WHERE token_hash = %s AND expires_at > %s AND seen_at > %s"
    return await one(connection, Session, query, (token_hash, at, seen_since))


async def of_user(connection: Connection, user_id: UUID, *, at: datetime, seen_since: datetime) -> list[Session]:
    """Return the user's sessions that have not ended by ``at`` and were used since ``seen_since``, newest first."""
    query = """SELECT * FROM sessions WHERE user_id = %s AND expires_at > %s AND seen_at > %s
               ORDER BY created_at DESC, token_hash"""
    return await many(connection, Session, query, (user_id, at, seen_since))


async def touch(connection: Connection, token_hash: bytes, *, at: datetime) -> None:
    """Note that the session was used."""
    await connection.execute("UPDATE sessions SET seen_at = %s WHERE token_hash = %s", (at, token_hash))


async def choose_account(connection: Connection, token_hash: bytes, account_id: UUID) -> None:
    """Let the session act for another account."""
    await connection.execute("UPDATE sessions SET account_id = %s WHERE token_hash = %s", (account_id, token_hash))


async def delete(connection: Connection, token_hash: bytes) -> None:
    """End the session."""
    await connection.execute("DELETE FROM sessions WHERE token_hash = %s", (token_hash,))


async def delete_of_user(connection: Connection, user_id: UUID, *, kept: bytes | None) -> None:
    """End all sessions of the user, but the one whose token has the hash ``kept``."""
    query = "DELETE FROM sessions WHERE user_id = %s AND token_hash IS DISTINCT FROM %s::bytea"
    await connection.execute(query, (user_id, kept))
