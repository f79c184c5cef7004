"""Each process proves that its keys fit the database before it works, and says which it holds for as long as it does.

The database may come up later than the process, and keys may come and go while it runs; so it looks again and again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from uuid import UUID, uuid4

import psycopg

from countersign.adapters.keyring import KeyRing
from countersign.domain.errors import Unavailable
from countersign.effects.key_fitness import KeysUnfit, register, require_known
from countersign.storage import key_checks
from countersign.storage.database import Database

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5


class KeyWatch:
    """Whether this process may work with its keys; one of the kind verifier makes none known, and only reads."""

    def __init__(self, database: Database, keys: KeyRing, *, kind: Literal["api", "worker", "verifier"]) -> None:
        self._database = database
        self._keys = keys
        self._kind = kind
        self._process_id: UUID = uuid4()
        self._fault: KeysUnfit | None = None
        self._proven = False
        self._stopping = False
        self._found_unfit = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["KeyWatch"]:
        """Look again and again for the length of the block."""
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            # A cancellation that meets a query may end as that query's error, and would be taken for an outage.
            self._stopping = True
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self._let_go()

    @property
    def fits(self) -> bool:
        """Whether the keys were found to fit when last looked at."""
        return self._proven

    async def require(self) -> None:
        """Return when the keys fit; raises ``KeysUnfit``, and ``Unavailable`` while that could not be found out."""
        if self._fault is not None:
            raise self._fault
        if not self._proven:
            await self._look()

    async def unfit(self) -> KeysUnfit:
        """Return the fault, once there is one."""
        await self._found_unfit.wait()
        return self._fault or KeysUnfit()

    async def _watch(self) -> None:
        while not self._stopping:
            try:
                await self._look()
            except (KeysUnfit, Unavailable):
                pass
            except Exception as error:  # noqa: BLE001 - the watch must outlive whatever is ill
                _LOG.warning("The keys could not be checked: %s", type(error).__name__)
            if not self._stopping:
                await asyncio.sleep(_PAUSE_SECONDS if self._proven else _FIRST_PAUSE_SECONDS)

    async def _look(self) -> None:
        try:
            async with self._database.transaction() as connection:
                await (require_known if self._kind == "verifier" else register)(connection, self._keys)
                await key_checks.hold(
                    connection,
                    process_id=self._process_id,
                    kind=self._kind,
                    current_key=self._keys.current,
                    key_ids=self._keys.ids,
                )
        except KeysUnfit as fault:
            self._note(fault)
            raise
        except psycopg.errors.UndefinedTable:
            raise Unavailable("The database is not up to date: run `countersign migrate`.") from None
        self._proven, self._fault = True, None
        self._found_unfit.clear()

    def _note(self, fault: KeysUnfit) -> None:
        if self._fault is None or self._fault.detail != fault.detail:
            _LOG.error("This process does not work: %s", fault)
        self._proven, self._fault = False, fault
        self._found_unfit.set()

    async def _let_go(self) -> None:
        if not self._proven:
            return
        with suppress(Unavailable, psycopg.Error):
            async with self._database.connection() as connection:
                await key_checks.let_go(connection, self._process_id)
