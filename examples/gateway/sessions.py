"""Sessions that are open, WebSocket and FIX: each ends as soon as its credential is not good for it any more."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from countersign.gateway_client import Allowed, GatewayClient, Lost, Revoked, VerifierUnavailable

_LOG = logging.getLogger(__name__)
REVOKED = "Your credential was changed or deactivated"
IN_DOUBT = "Your credential cannot be verified now, try again later"


class Session(Protocol):
    """A connection that was let in."""

    decision: Allowed
    ip: str

    async def end(self, text: str) -> None:
        """Tell the client why, and close, whether it reads that or not."""


class Refused(Exception):
    """The credential was revoked while the session was being opened."""


class OpenSessions:
    """Follows what is revoked, and ends what was let in with it."""

    def __init__(self, gateway: GatewayClient, *, doubt_seconds: float) -> None:
        self._gateway = gateway
        self._doubt_seconds = doubt_seconds
        self._sessions: set[Session] = set()
        self._doubted_since: float | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._sessions)

    @asynccontextmanager
    async def opened(self, session: Session) -> AsyncIterator[None]:
        """Watch over a session for the length of the block; raises ``Refused`` and ``VerifierUnavailable``."""
        self._sessions.add(session)
        try:
            # What was revoked between the decision and this moment was told when the session was not yet here.
            if not await self._is_good(session):
                raise Refused
            yield
        finally:
            self._sessions.discard(session)

    async def follow(self) -> None:
        """Follow for ever."""
        async for news in self._gateway.revocations():
            if isinstance(news, Revoked):
                self._end(self._let_in_before(news), REVOKED)
            elif isinstance(news, Lost):
                await self._verify_anew()

    def _let_in_before(self, news: Revoked) -> list[Session]:
        return [
            session
            for session in self._sessions
            if session.decision.credential_id == news.credential_id and session.decision.version <= news.version
        ]

    async def _verify_anew(self) -> None:
        sessions = list(self._sessions)
        try:
            # The client puts them into as few questions as they fit in.
            good = await asyncio.gather(*(self._is_good(session) for session in sessions))
        except VerifierUnavailable as error:
            _LOG.warning("Open sessions could not be verified anew: %s", error)
            self._doubt(sessions)
            return
        self._doubted_since = None
        self._end((session for session, is_good in zip(sessions, good, strict=True) if not is_good), REVOKED)

    def _doubt(self, sessions: list[Session]) -> None:
        now = time.monotonic()
        self._doubted_since = self._doubted_since or now
        if now - self._doubted_since >= self._doubt_seconds:
            self._end(sessions, IN_DOUBT)

    def _end(self, sessions: Iterable[Session], text: str) -> None:
        # Not waited for: a client that does not read must not keep the others' sessions open.
        for session in sessions:
            ending = asyncio.create_task(session.end(text))
            self._ending.add(ending)
            ending.add_done_callback(self._ended)

    def _ended(self, ending: "asyncio.Task[None]") -> None:
        self._ending.discard(ending)
        if not ending.cancelled() and ending.exception() is not None:
            _LOG.info("A session broke off at its end: %s", type(ending.exception()).__name__)

    async def _is_good(self, session: Session) -> bool:
        decision = session.decision
        answer = await self._gateway.verify_session(
            credential_id=decision.credential_id, version=decision.version, ip=session.ip
        )
        return answer.allowed
