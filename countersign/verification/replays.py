"""A state-changing call is let through once: its signature is remembered for as long as it would be in time.

In memory first, so that this process refuses at once and even while the database starts anew; then in a table that all
verifiers share.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from countersign.domain.errors import Unavailable
from countersign.storage import used_signatures
from countersign.storage.database import Database
from countersign.verification.gathering import Gathering
from countersign.verification.schemes import WINDOW_SECONDS

_PATIENCE_SECONDS = 1.0
_MINUTE_SECONDS = 60
# The window, and as much again for clocks of verifiers that differ.
_KEPT_SECONDS = 3 * WINDOW_SECONDS
_FORGET_EVERY_SECONDS = 20.0
_AT_MOST = 200_000
_LOG = logging.getLogger(__name__)


class Signed(NamedTuple):
    """A signature: the minute of Unix time that it names, and a digest of it."""

    minute: int
    digest: bytes

    @classmethod
    def of(cls, credential_id: UUID, timestamp: str, mac: bytes) -> "Signed":
        """Return the signature of a call whose timestamp is in time; the MAC is ours, so that there is one spelling."""
        digest = hashlib.blake2b(mac, key=credential_id.bytes, digest_size=16).digest()
        return cls(int(float(timestamp)) // _MINUTE_SECONDS, digest)


class Replays:
    """Tells signatures that come for the first time from others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: OrderedDict[Signed, float] = OrderedDict()
        self._using = Gathering[Signed, bool](self._use, patience=_PATIENCE_SECONDS)

    async def first_comers(self, signatures: Sequence[Signed]) -> list[bool]:
        """Return for each, in order, whether it comes for the first time; raises ``Unavailable``, and then none did."""
        is_new = [self._remember(each) for each in signatures]
        new = [each for each, fresh in zip(signatures, is_new, strict=True) if fresh]
        if not new:
            return is_new
        try:
            used = await self._using.answers(new)
        except Unavailable:
            # The caller is told that nothing was decided, and may come again with the same.
            for each in new:
                self._seen.pop(each, None)
            raise
        return [fresh and used[each] for each, fresh in zip(signatures, is_new, strict=True)]

    async def keep_tidy(self) -> None:
        """Remove, again and again, what is too old to be in time."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_SECONDS)
            before = int(time.time() - _KEPT_SECONDS) // _MINUTE_SECONDS
            try:
                async with self._database.connection() as connection:
                    await used_signatures.forget(connection, before_minute=before)
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - it must outlive whatever is ill
                _LOG.warning("Old signatures could not be removed: %s", type(error).__name__)

    def _remember(self, signed: Signed) -> bool:
        now = time.monotonic()
        while self._seen and (len(self._seen) >= _AT_MOST or next(iter(self._seen.values())) < now - _KEPT_SECONDS):
            self._seen.popitem(last=False)
        if signed in self._seen:
            return False
        self._seen[signed] = now
        return True

    async def _use(self, signatures: list[Signed]) -> dict[Signed, bool]:
        minutes, digests = [each.minute for each in signatures], [each.digest for each in signatures]
        async with self._database.connection() as connection:
            new = set(await used_signatures.use(connection, minutes=minutes, digests=digests))
        return {each: each.digest in new for each in signatures}
