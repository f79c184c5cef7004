"""Sealed values as they lie in their rows, for sealing them anew; whoever changed one meanwhile wins."""

from typing import LiteralString
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.storage.database import Connection, many
from countersign.storage.key_uses import key_id_of


class SealedSecret(BaseModel, frozen=True):
    """An API secret for the verifier; ``id`` is the credential's."""

    id: UUID
    account_id: UUID
    sealed: bytes = Field(repr=False)


class SealedSeed(BaseModel, frozen=True):
    """The seed of an authenticator; ``id`` is the user's."""

    id: UUID
    sealed: bytes = Field(repr=False)


class SealedReveal(BaseModel, frozen=True):
    """What a request shows once; ``id`` is the request's."""

    id: UUID
    account_id: UUID
    is_enrolment: bool
    sealed: bytes = Field(repr=False)


async def secrets_under_others(connection: Connection, key_id: str, *, after: UUID, limit: int) -> list[SealedSecret]:
    """Return API secrets that lie under other keys than ``key_id``, by id from ``after`` on."""
    query = f"""SELECT id, account_id, secret_sealed AS sealed FROM credentials
                WHERE {_under_another("secret_sealed")} ORDER BY id LIMIT %(limit)s"""
    return await many(connection, SealedSecret, query, {"key": key_id, "after": after, "limit": limit})


async def seeds_under_others(connection: Connection, key_id: str, *, after: UUID, limit: int) -> list[SealedSeed]:
    """Return seeds that lie under other keys than ``key_id``, by id from ``after`` on."""
    query = f"""SELECT id, totp_seed AS sealed FROM users
                WHERE {_under_another("totp_seed")} ORDER BY id LIMIT %(limit)s"""
    return await many(connection, SealedSeed, query, {"key": key_id, "after": after, "limit": limit})


async def reveals_under_others(connection: Connection, key_id: str, *, after: UUID, limit: int) -> list[SealedReveal]:
    """Return what is to be shown once and lies under other keys than ``key_id``, by id from ``after`` on."""
    query = f"""SELECT id, account_id, change_to IS NOT NULL AS is_enrolment, reveal_sealed AS sealed FROM requests
                WHERE {_under_another("reveal_sealed")} ORDER BY id LIMIT %(limit)s"""
    return await many(connection, SealedReveal, query, {"key": key_id, "after": after, "limit": limit})


async def replace_secret(connection: Connection, old: SealedSecret, sealed: bytes) -> bool:
    """Put ``sealed`` in the place of ``old``; False when that is no longer there."""
    query = "UPDATE credentials SET secret_sealed = %s WHERE id = %s AND secret_sealed = %s"
    return (await connection.execute(query, (sealed, old.id, old.sealed))).rowcount == 1


async def replace_seed(connection: Connection, old: SealedSeed, sealed: bytes) -> bool:
    """Put ``sealed`` in the place of ``old``; False when that is no longer there."""
    query = "UPDATE users SET totp_seed = %s WHERE id = %s AND totp_seed = %s"
    return (await connection.execute(query, (sealed, old.id, old.sealed))).rowcount == 1


async def replace_reveal(connection: Connection, old: SealedReveal, sealed: bytes) -> bool:
    """Put ``sealed`` in the place of ``old``; False when that is no longer there."""
    query = "UPDATE requests SET reveal_sealed = %s WHERE id = %s AND reveal_sealed = %s"
    return (await connection.execute(query, (sealed, old.id, old.sealed))).rowcount == 1


def _under_another(sealed: LiteralString) -> LiteralString:
    return f"id > %(after)s AND {sealed} IS NOT NULL AND {key_id_of(sealed)} <> %(key)s"
