"""Sealing anew under the current key, value by value, while everything runs."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from countersign.adapters.keyring import KeyFault, KeyRing, Purpose
from countersign.storage import accounts, oversight, sealed_values
from countersign.storage.database import Connection, Database
from countersign.storage.key_uses import Kind
from countersign.storage.sealed_values import SealedReveal, SealedSecret, SealedSeed

_AT_ONCE = 100
_BEFORE_ALL = UUID(int=0)


@dataclass
class Resealed:
    """How many values of each kind were sealed anew, and which could not be opened."""

    counts: Counter[Kind] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


class _Sealed(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def sealed(self) -> bytes: ...


Row = TypeVar("Row", bound=_Sealed)


class _Read(Protocol[Row]):
    async def __call__(self, connection: Connection, key_id: str, *, after: UUID, limit: int) -> list[Row]: ...


@dataclass(frozen=True)
class _Place(Generic[Row]):
    """One column of sealed values: how its rows are read, locked as effects lock them, and replaced."""

    read: _Read[Row]
    lock: Callable[[Connection, Row], Awaitable[object]]
    replace: Callable[[Connection, Row, bytes], Awaitable[bool]]
    seal: Callable[[Row], tuple[Kind, Purpose, str]]


async def reseal(database: Database, keys: KeyRing) -> Resealed:
    """Seal every API secret, seed and copy for a reveal that lies under another key anew under the current one.

    Each value in a transaction of its own; it may be broken off and run again at any time, and whatever changes or
    erases a value meanwhile wins. What cannot be opened stays as it is and is told.
    """
    done = Resealed()
    await _reseal_place(database, keys, _SECRETS, done)
    await _reseal_place(database, keys, _SEEDS, done)
    await _reseal_place(database, keys, _REVEALS, done)
    return done


async def _reseal_place(database: Database, keys: KeyRing, place: _Place[Row], done: Resealed) -> None:
    async for old in _each(database, keys, place):
        kind, purpose, bound_to = place.seal(old)
        try:
            sealed = keys.seal(purpose, keys.open(purpose, old.sealed, bound_to=bound_to), bound_to=bound_to)
        except KeyFault:
            done.unreadable.append(f"{kind}: {bound_to}")
            continue
        async with database.transaction() as connection:
            await place.lock(connection, old)
            done.counts[kind] += await place.replace(connection, old, sealed)


async def _each(database: Database, keys: KeyRing, place: _Place[Row]) -> AsyncIterator[Row]:
    after = _BEFORE_ALL
    while True:
        async with database.connection() as connection:
            rows = await place.read(connection, keys.current, after=after, limit=_AT_ONCE)
        for row in rows:
            yield row
            after = row.id
        if not rows:
            return


async def _lock_account(connection: Connection, secret: SealedSecret) -> None:
    await accounts.lock(connection, secret.account_id)


async def _lock_accounts_of_user(connection: Connection, seed: SealedSeed) -> None:
    for account_id in await oversight.accounts_concerning(connection, seed.id):
        await accounts.lock(connection, account_id)


async def _lock_of_request(connection: Connection, reveal: SealedReveal) -> None:
    await accounts.lock_of_request(connection, reveal.id)


def _of_reveal(reveal: SealedReveal) -> tuple[Kind, Purpose, str]:
    if reveal.is_enrolment:
        return Kind.ENROLMENT, Purpose.ENROLMENT, f"request:{reveal.id}"
    return Kind.REVEAL, Purpose.REVEAL, f"request:{reveal.id}"


_SECRETS = _Place(
    read=sealed_values.secrets_under_others,
    lock=_lock_account,
    replace=sealed_values.replace_secret,
    seal=lambda secret: (Kind.API_SECRET, Purpose.VERIFIER, f"credential:{secret.id}"),
)
_SEEDS = _Place(
    read=sealed_values.seeds_under_others,
    lock=_lock_accounts_of_user,
    replace=sealed_values.replace_seed,
    seal=lambda seed: (Kind.TOTP_SEED, Purpose.TOTP_SEED, f"user:{seed.id}"),
)
_REVEALS = _Place(
    read=sealed_values.reveals_under_others,
    lock=_lock_of_request,
    replace=sealed_values.replace_reveal,
    seal=_of_reveal,
)
