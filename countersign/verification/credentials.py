"""The credentials that calls name: from memory where that is as good as the database, else from there."""

import logging
import time
from collections.abc import Iterable
from uuid import UUID

from countersign.adapters.keyring import KeyFault, KeyRing, Purpose
from countersign.storage import verification
from countersign.storage.database import Database
from countersign.storage.verification import Verifiable
from countersign.verification.cache import Cache
from countersign.verification.gathering import Gathering
from countersign.verification.known import NOBODY, By, Known, Lookup, Whitelist

_LOG = logging.getLogger(__name__)
_PATIENCE_SECONDS = 1.0
_TRIES = 3
_NOBODYS = Lookup(By.ID, str(NOBODY.id))


class Credentials:
    """Reads credentials, opens their secrets, and keeps up to ``size`` of them in memory."""

    def __init__(self, database: Database, keys: KeyRing, *, size: int) -> None:
        self._database = database
        self._keys = keys
        self._cache = Cache(size=size)
        self._changes = 0
        self._reading = Gathering[Lookup, Known | None](self._read, patience=_PATIENCE_SECONDS)

    @property
    def kept(self) -> int:
        """How many are in memory."""
        return len(self._cache)

    def in_memory(self, lookup: Lookup, *, read_since: float) -> tuple[bool, Known | None]:
        """Return whether memory knows what a lookup leads to, by what was read since then, and what it is."""
        return self._cache.find(lookup, read_since=read_since, now=time.monotonic())

    async def read(self, lookups: Iterable[Lookup]) -> dict[Lookup, Known | None]:
        """Return what the database knows of each; raises ``Unavailable``."""
        plausible = [lookup for lookup in lookups if lookup.is_plausible]
        return await self._reading.answers(plausible) if plausible else {}

    async def ping(self) -> None:
        """Return when the database answers; raises ``Unavailable``."""
        await self._reading.answers([_NOBODYS])

    def forget(self, credential_id: UUID) -> None:
        """Read a credential anew at its next use: it was changed."""
        self._changes += 1
        self._cache.drop(credential_id)

    def forget_account(self, account_id: UUID) -> None:
        """Read the credentials of an account anew."""
        self._changes += 1
        self._cache.drop_account(account_id)

    def forget_all(self) -> None:
        """Read everything anew: anything may have been changed."""
        self._changes += 1
        self._cache.clear()

    async def _read(self, lookups: list[Lookup]) -> dict[Lookup, Known | None]:
        found: dict[Lookup, Known | None] = {}
        for _ in range(_TRIES):
            changes, read_at = self._changes, time.monotonic()
            found = {**dict.fromkeys(lookups), **await self._ask(lookups, read_at)}
            # Told of a change while the answer was on its way, nobody knows whether it is from before.
            if changes == self._changes:
                for lookup, known in found.items():
                    self._cache.keep(lookup, known, read_at=read_at)
                break
        return found

    async def _ask(self, lookups: list[Lookup], read_at: float) -> dict[Lookup, Known | None]:
        names = {by: [lookup.name for lookup in lookups if lookup.by is by] for by in By}
        found: dict[Lookup, Known | None] = {}
        async with self._database.connection() as connection:
            if names[By.KEY]:
                for row in await verification.of_keys(connection, names[By.KEY]):
                    found[Lookup(By.KEY, row.public_id)] = self._known(row, read_at)
            if names[By.SESSION_NAME]:
                for row in await verification.of_session_names(connection, names[By.SESSION_NAME]):
                    found[Lookup(By.SESSION_NAME, row.name)] = self._known(row, read_at)
            if names[By.ID]:
                for row in await verification.of_ids(connection, [UUID(name) for name in names[By.ID]]):
                    found[Lookup(By.ID, str(row.id))] = self._known(row, read_at)
        return found

    def _known(self, row: Verifiable, read_at: float) -> Known:
        return Known(
            id=row.id,
            account_id=row.account_id,
            is_active=row.is_active,
            permissions=frozenset(row.permissions),
            funds_from=row.funds_from.timestamp() if row.funds_from else 0.0,
            whitelist=Whitelist(row.ip_whitelist),
            version=row.version,
            read_at=read_at,
            secret=self._secret(row),
            username=row.public_id,
            password_mac=row.password_mac or NOBODY.password_mac,
            mac_key_id=self._mac_key_id(row),
            session_type=row.session_type,
            trading_limits=row.trading_limits,
        )

    def _secret(self, row: Verifiable) -> bytes:
        if row.secret_sealed is None:
            return NOBODY.secret
        try:
            return self._keys.open(Purpose.VERIFIER, row.secret_sealed, bound_to=f"credential:{row.id}")
        except KeyFault as fault:
            # One that was tampered with must not stand in the way of the others that are read with it.
            _LOG.error("The secret of credential %s cannot be used: %s", row.id, fault)
            return NOBODY.secret

    def _mac_key_id(self, row: Verifiable) -> str:
        if row.mac_key_id is None or row.mac_key_id in self._keys.ids:
            return row.mac_key_id or self._keys.current
        _LOG.error("The password of credential %s lies under a key that this process lacks", row.id)
        return self._keys.current

    def password_mac(self, known: Known, password: str) -> bytes:
        """Return the MAC of a password as it is stored for FIX credentials."""
        return self._keys.mac(
            Purpose.FIX_PASSWORD, f"credential:{known.id}:{password}".encode(), key_id=known.mac_key_id
        )
