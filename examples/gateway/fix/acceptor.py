"""Accepting connections: a Logon, a question to the verifier, and then a session."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from countersign.gateway_client import Allowed, Denied, SessionType, VerifierUnavailable
from examples.gateway.fix.application import Application
from examples.gateway.fix.connection import Connection, Numbers, hang_up
from examples.gateway.fix.logon import DENIED, UNAVAILABLE, asks_for_reset, logon_fault
from examples.gateway.fix.session import FixSession
from examples.gateway.fix.wire import LONGEST_BODY, Message, NoFix, make, number_of, read_message, text_of, type_of
from examples.gateway.parts import Parts
from examples.gateway.serving import fix_tls
from examples.gateway.sessions import Refused

_LOG = logging.getLogger(__name__)
_LINGER_SECONDS = 2.5
_BROKEN = (OSError, TimeoutError, NoFix, asyncio.IncompleteReadError)


class Acceptor:
    """Listens for sessions of one kind."""

    def __init__(self, parts: Parts, session_type: SessionType, *, port: int, application: Application) -> None:
        self._parts = parts
        self._session_type = session_type
        self._port = port
        self._application = application
        self._numbers: dict[str, Numbers] = {}
        self._sessions: dict[str, FixSession] = {}
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for the length of the block, and then log everyone out."""
        settings = self._parts.settings
        tls = fix_tls(settings)
        patience = {"ssl_handshake_timeout": settings.hello_seconds} if tls else {}
        server = await asyncio.start_server(
            self._accept, settings.host, self._port, limit=2 * LONGEST_BODY, ssl=tls, **patience
        )
        try:
            yield
        finally:
            server.close()
            await self._close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(serving)
        try:
            await serving
        except* _BROKEN as broken:
            _LOG.info("A connection broke off: %s", type(broken.exceptions[0]).__name__)
        finally:
            hang_up(writer)
            self._serving.discard(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._parts.settings.hello_seconds):
            logon = await read_message(reader)
        # Whoever begins with anything else is no FIX client, and told nothing (FIX 4.4, volume 2).
        if type_of(logon) != "A":
            return
        client, ip = text_of(logon, 49), str(writer.get_extra_info("peername")[0])
        connection = Connection(writer, own=self._parts.settings.fix_comp_id, client=client, numbers=Numbers())
        decision = await self._decide(connection, logon, ip)
        if isinstance(decision, str):
            await connection.send(make("5", (58, decision)))
            return
        if client in self._sessions:
            await connection.send(make("5", (58, "Already logged on")))
            return
        # Only now: nobody else may touch the numbers of a session.
        connection.numbers = self._numbers.setdefault(client, Numbers())
        heartbeat = number_of(logon, 108) or 0
        session = FixSession(connection, self._application, decision, ip=ip, heartbeat=heartbeat)
        await self._open(session, connection, logon, reader)

    async def _decide(self, connection: Connection, logon: Message, ip: str) -> Allowed | str:
        """Return the decision, or the text that tells why there is no session."""
        header = connection.header_fault(logon)
        fault = logon_fault(logon) or (header[1] if header else None)
        if fault is not None:
            return fault
        try:
            decision = await self._parts.gateway.verify_fix(
                sender_comp_id=text_of(logon, 49),
                username=text_of(logon, 553),
                password=text_of(logon, 554),
                session_type=self._session_type,
                ip=ip,
            )
        except VerifierUnavailable:
            return UNAVAILABLE
        return DENIED if isinstance(decision, Denied) else decision

    async def _open(
        self, session: FixSession, connection: Connection, logon: Message, reader: asyncio.StreamReader
    ) -> None:
        client = text_of(logon, 49)
        self._sessions[client] = session
        try:
            async with self._parts.sessions.opened(session):
                await _begin(session, connection, logon)
                await session.converse(reader)
        except Refused:
            await session.end(DENIED)
        except VerifierUnavailable:
            await session.end(UNAVAILABLE)
        finally:
            del self._sessions[client]

    async def _close(self) -> None:
        await asyncio.gather(
            *(session.end("The gateway stops") for session in self._sessions.values()), return_exceptions=True
        )
        if self._serving:
            await asyncio.wait(self._serving, timeout=_LINGER_SECONDS)
        for serving in tuple(self._serving):
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


async def _begin(session: FixSession, connection: Connection, logon: Message) -> None:
    reset, number, numbers = asks_for_reset(logon), number_of(logon, 34) or 0, connection.numbers
    if reset:
        numbers.reset()
    if number < numbers.incoming:
        await session.end(f"MsgSeqNum too low, expecting {numbers.incoming} but received {number}")
        return
    await session.greet(reset=reset)
    if number > numbers.incoming:
        await session.ask_for_missing()
    else:
        numbers.incoming += 1
