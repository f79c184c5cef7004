"""A FIX client that says exactly what a test wants it to say, with simplefix for the bytes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simplefix import FixMessage, FixParser

from tests.support.customers import FixCredentials
from tests.support.issued import IssuedFix
from tests.support.patience import PATIENCE_SECONDS

Said = dict[int, str]


@dataclass
class FixClient:
    """One connection; numbers count up from 1."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str
    target: str = "EXAMPLE"
    number: int = 1

    def __post_init__(self) -> None:
        self._parser = FixParser()

    async def log_on(self, fix: IssuedFix | FixCredentials, **fields: object) -> Said:
        """Return the answer to a Logon."""
        return await self.ask("A", **{"98": 0, "108": 30, "553": fix.username, "554": fix.password, **fields})

    async def ask(self, kind: str, **fields: object) -> Said:
        """Return the answer to a message."""
        await self.say(kind, **fields)
        answer = await self.hear()
        assert answer, "the connection was closed without a word"
        return answer

    async def say(self, kind: str, **fields: object) -> None:
        """Send a message; fields are tags, of the header too."""
        header: dict[str, Any] = {"8": "FIX.4.4", "49": self.sender, "56": self.target, "34": self.number}
        header["52"] = f"{datetime.now(UTC):%Y%m%d-%H:%M:%S}"
        self.number += "34" not in fields
        message = FixMessage()
        for tag, value in {**header, "35": kind, **fields}.items():
            message.append_pair(int(tag), value)
        await self.send(message.encode())

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def hear(self) -> Said:
        """Return the next message, or nothing at the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := self._parser.get_message()) is None:
                more = await self.reader.read(4096)
                if not more:
                    return {}
                self._parser.append_buffer(more)
        return {int(tag): value.decode() for tag, value in message.pairs}


@asynccontextmanager
async def fix_client(port: int, sender: str, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FixClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        yield FixClient(reader, writer, sender)
    finally:
        writer.close()
