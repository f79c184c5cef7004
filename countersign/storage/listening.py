"""A connection of its own that hears what other transactions told with NOTIFY."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self
from uuid import uuid4

import psycopg
from psycopg import Notify, sql
from psycopg.rows import tuple_row

_CONNECT_SECONDS = 2


class Listening:
    """Hears one channel, and its own voice: what it says comes back after all that was told before it.

    So whoever hears his own word has missed nothing until he said it, and who does not, may have. All of it raises
    ``psycopg.Error`` when the connection ends; one that swallows everything raises nothing, and hears nothing.
    """

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]], own: str) -> None:
        self._connection = connection
        self._own = own

    @classmethod
    async def begin(cls, url: str, channel: str) -> Self:
        """Connect and listen."""
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=tuple_row, connect_timeout=_CONNECT_SECONDS
        )
        own = f"{channel}_{uuid4().hex}"
        for each in (channel, own):
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(each)))
        return cls(connection, own)

    async def say(self, word: str) -> None:
        """Say a word that only this listener hears."""
        await self._connection.execute("SELECT pg_notify(%s, %s)", (self._own, word))

    async def heard(self, *, seconds: float) -> AsyncIterator[Notify]:
        """Yield what is heard within so many seconds."""
        async for notice in self._connection.notifies(timeout=seconds):
            yield notice

    def is_own(self, notice: Notify) -> bool:
        """Tell whether it was this listener that said so."""
        return notice.channel == self._own

    async def end(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error, asyncio.TimeoutError):
            await self._connection.close()
