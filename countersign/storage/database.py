"""The connection pool: it heals after an outage and hands out transactions."""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import TupleRow, class_row, tuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel

from countersign.domain.errors import Unavailable
from countersign.telemetry import spans
from countersign.telemetry.spans import TracedCursor

# A failover cuts connections.
_AWAY = (
    PoolTimeout,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
)

Connection = psycopg.AsyncConnection[TupleRow]
Values = dict[str, Any] | tuple[Any, ...] | None
Row = TypeVar("Row")

_WAIT_SECONDS = 3.0
_REMEMBERED_SECONDS = 15.0
_INSIST_SECONDS = 0.2
_OPTIONS = (
    "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
    # Every statement finds its rows by an index, whatever its values: to plan it anew takes longer than to run it.
    " -c plan_cache_mode=force_generic_plan"
)


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._full_at: float | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            open=False,
            min_size=1,
            max_size=pool_size,
            timeout=_WAIT_SECONDS,
            check=_still_there,
            kwargs={
                "autocommit": True,
                "options": _OPTIONS,
                "connect_timeout": 3,
                "prepare_threshold": 0,
                "cursor_factory": TracedCursor if spans.tracer() else psycopg.AsyncCursor,
            },
        )

    async def open(self) -> None:
        """Start the pool; it does not wait for the database, so the order of starts does not matter."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    async def ping(self) -> None:
        """Return when the database answers; raises ``Unavailable``."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def takes_writes(self) -> bool:
        """Tell whether it does; raises ``Unavailable``.

        A server that only reads takes none, nor is one believed to whose disk was full when something was last refused,
        within 15 seconds.
        """
        async with self.connection() as connection:
            read_only = await scalar(connection, "SHOW transaction_read_only")
        is_full = self._full_at is not None and time.monotonic() < self._full_at + _REMEMBERED_SECONDS
        return read_only == "off" and not is_full

    def pool_stats(self) -> Mapping[str, int]:
        """Return what the pool counts of itself, under the names that psycopg gives it."""
        return self._pool.get_stats()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend an autocommit connection; raises ``Unavailable`` when the database does not answer."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.errors.DiskFull, psycopg.errors.ReadOnlySqlTransaction) as error:
            if isinstance(error, psycopg.errors.DiskFull):
                self._full_at = time.monotonic()
            raise Unavailable("The database takes no changes at present; nothing is lost, try again.") from error
        except _AWAY as error:
            raise Unavailable("The database does not answer; nothing is lost, try again.") from error

    async def insist(self, note: Callable[[Connection], Awaitable[object]]) -> None:
        """Store what nobody else knows, and return once it is stored: a database that is away is waited for.

        ``note`` must be safe to repeat: an answer that was lost looks like a database that is away.
        """
        while True:
            try:
                async with self.connection() as connection:
                    await note(connection)
            except Unavailable:
                await asyncio.sleep(_INSIST_SECONDS)
            else:
                return

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, committed when the block ends without an exception."""
        with spans.step("transaction"):
            async with self.connection() as connection, connection.transaction():
                yield connection


async def _still_there(connection: Connection) -> None:
    """Raise ``OperationalError`` when the server has ended the connection; without a round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    # What an idle connection has to read is a changed setting, or a farewell and then the end.
    while poll.poll(0):
        connection.pgconn.consume_input()


def as_json(models: Iterable[BaseModel] | None) -> Jsonb | None:
    """Return the models as what a column of them takes."""
    return None if models is None else Jsonb([model.model_dump(mode="json") for model in models])


async def many(connection: Connection, model: type[Row], query: LiteralString, values: Values = None) -> list[Row]:
    """Return every row of ``query`` as a ``model``."""
    async with connection.cursor(row_factory=class_row(model)) as cursor:
        return await (await cursor.execute(query, values)).fetchall()


async def one(connection: Connection, model: type[Row], query: LiteralString, values: Values = None) -> Row | None:
    """Return the first row of ``query`` as a ``model``, or None."""
    async with connection.cursor(row_factory=class_row(model)) as cursor:
        return await (await cursor.execute(query, values)).fetchone()


async def column(connection: Connection, query: LiteralString, values: Values = None) -> list[Any]:
    """Return the first column of every row of ``query``."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        return [row[0] for row in await (await cursor.execute(query, values)).fetchall()]


async def scalar(connection: Connection, query: LiteralString, values: Values = None) -> Any:
    """Return the first column of the first row of ``query``, or None."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(query, values)).fetchone()
    return row[0] if row else None
