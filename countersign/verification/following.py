"""Following changes: each is told by PostgreSQL in the transaction that makes it, and what hears it is held to account.

Four times a second the follower says a word to itself over the same connection. A word that came back proves that
every change from before it was said was heard, so memory is as good as the database up to then. When no word has come
back for a second (the connection was cut, swallows everything, or leads through a pool that cannot listen), memory is
good for half a second after it was read, and another connection is tried.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from psycopg import Notify

from countersign.domain.verification import Lost, Revoked
from countersign.storage.listening import Listening
from countersign.verification.credentials import Credentials
from countersign.verification.subscribing import Subscribers

_LOG = logging.getLogger(__name__)
_CHANNEL = "verification"
_WORD_SECONDS = 0.25
_TRUSTED_SECONDS = 1.0
_UNPROVEN_SECONDS = 0.5
_CONNECT_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
_NEVER = float("-inf")


class Follower:
    """Lets ``credentials`` forget what was changed, and tells ``subscribers`` of what was revoked."""

    def __init__(self, url: str, credentials: Credentials, subscribers: Subscribers) -> None:
        self._url = url
        self._credentials = credentials
        self._subscribers = subscribers
        self._proven_at = _NEVER
        self._given_up: set[asyncio.Task[None]] = set()

    @property
    def is_proven(self) -> bool:
        """Whether all changes but those of the last moment were heard."""
        return time.monotonic() - self._proven_at < _TRUSTED_SECONDS

    def good_since(self) -> float:
        """Return the moment (monotonic) since when a credential must have been read to be believed."""
        return _NEVER if self.is_proven else time.monotonic() - _UNPROVEN_SECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Follower"]:
        """Follow for the length of the block."""
        following = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            following.cancel()
            for task in self._given_up:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        while True:
            listening = asyncio.create_task(self._listen())
            try:
                await self._until_it_fails(listening)
            finally:
                self._give_up(listening)
            if self._proven_at != _NEVER:
                self._proven_at = _NEVER
                self._subscribers.tell(Lost())
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _until_it_fails(self, listening: "asyncio.Task[None]") -> None:
        """Return when it ends, or nothing was proven for too long."""
        begun_at = time.monotonic()
        while not listening.done():
            await asyncio.wait({listening}, timeout=_WORD_SECONDS)
            since_begun = time.monotonic() - begun_at
            if not self.is_proven and since_begun > _CONNECT_SECONDS + _TRUSTED_SECONDS:
                _LOG.warning("Changes were not heard for a second; listening anew")
                return

    def _give_up(self, listening: "asyncio.Task[None]") -> None:
        # Not waited for: on a connection that swallows everything it takes ten seconds.
        self._given_up.add(listening)
        listening.add_done_callback(self._ended)
        listening.cancel()

    def _ended(self, listening: "asyncio.Task[None]") -> None:
        self._given_up.discard(listening)
        if not listening.cancelled() and (error := listening.exception()) is not None:
            _LOG.warning("Changes are not heard any more: %s", type(error).__name__)

    async def _listen(self) -> None:
        listening = await Listening.begin(self._url, _CHANNEL)
        try:
            await self._hear(listening)
        finally:
            await listening.end()

    async def _hear(self, listening: Listening) -> None:
        # Whatever was changed before it began to listen was not heard.
        self._credentials.forget_all()
        self._subscribers.tell(Lost())
        while True:
            said_at = time.monotonic()
            await listening.say(repr(said_at))
            async for notice in listening.heard(seconds=_WORD_SECONDS):
                if listening.is_own(notice):
                    self._proven_at = float(notice.payload)
                else:
                    self._take(notice)

    def _take(self, notice: Notify) -> None:
        try:
            self._read(notice.payload.split())
        except ValueError:
            # Whoever may connect to the database may say anything; what is not understood may be about anything.
            self._credentials.forget_all()
            self._subscribers.tell(Lost())

    def _read(self, words: list[str]) -> None:
        match words:
            case ["credential", credential_id, version, effect]:
                revoked = Revoked(credential_id=UUID(credential_id), version=int(version))
                self._credentials.forget(revoked.credential_id)
                if effect == "revoked":
                    self._subscribers.tell(revoked)
            case ["account", account_id]:
                self._credentials.forget_account(UUID(account_id))
                self._subscribers.tell(Lost())
            case _:
                raise ValueError
