"""A way to the database that falls silent without a word: bytes are taken, and never arrive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

_HOST = "127.0.0.1"
_LISTENS = b"LISTEN "


@dataclass
class Swallowing:
    """Passes on what comes to ``port``, until it swallows what listeners, or all, send and are sent."""

    target: int
    port: int = 0
    swallows_listeners: bool = False
    swallows_all: bool = False
    _listeners: set[asyncio.StreamReader] = field(default_factory=set)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        proxy = cls(port)
        server = await asyncio.start_server(proxy._pass_on, _HOST, 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.end_connections()

    def end_connections(self) -> None:
        """End all, with a word."""
        for writer in self._open:
            writer.transport.abort()

    def end_listeners(self) -> None:
        """End those of listeners."""
        for reader in self._listeners:
            reader.feed_eof()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(_HOST, self.target)
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back, client=reader), self._pump(there, writer, client=reader))
        finally:
            self._open -= {writer, back}
            self._listeners.discard(reader)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: asyncio.StreamReader
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if reader is client and _LISTENS in data:
                    self._listeners.add(client)
                if not (self.swallows_all or (self.swallows_listeners and client in self._listeners)):
                    writer.write(data)
                    await writer.drain()
        with suppress(ConnectionError):
            writer.close()
