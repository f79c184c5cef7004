"""A way to the database, or to Temporal, that can be cut, and mended, while everything else goes on."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

_HOST = "127.0.0.1"


@dataclass
class Proxy:
    """Passes on what comes to ``port``, to another port of this machine; with ``tls`` it has that on the outside.

    ``heard`` is what came over TLS, in the clear.
    """

    target: int
    port: int = 0
    tls: ssl.SSLContext | None = None
    heard: bytearray = field(default_factory=bytearray)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _passing: set[asyncio.Future[tuple[None, None]]] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        proxy = cls(port, tls=tls)
        await proxy.mend()
        try:
            yield proxy
        finally:
            await proxy.cut()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, _HOST, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        self._server = None
        await asyncio.sleep(0)
        if self._passing:
            await asyncio.wait(self._passing, timeout=1)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(_HOST, self.target)
        except OSError:
            writer.transport.abort()  # nobody is there: the caller is told so, as by the target itself
            return
        self._open |= {writer, back}
        passing = asyncio.gather(_pump(reader, back, self._hear), _pump(there, writer))
        self._passing.add(passing)
        try:
            await passing
        finally:
            self._passing.discard(passing)
            self._open -= {writer, back}

    def _hear(self, data: bytes) -> None:
        if self.tls is not None:
            self.heard += data


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Callable[[bytes], None] | None = None
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            if hear is not None:
                hear(data)
            writer.write(data)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()
