"""What the product asks of PostgreSQL, counted at the client, by who asks: an API call, an activity, the outbox."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from psycopg import AsyncConnection, AsyncCursor
from temporalio import activity

STATEMENTS, TRANSACTIONS, ROUND_TRIPS = "statements", "transactions", "round trips"
_ASKING: ContextVar[str | None] = ContextVar("asking", default=None)
# The pool asks nothing to see whether a connection lives: that is a round trip, but no statement.
_CHECK = ""


@dataclass
class Statements:
    """Counts for the activities of one task queue, and for what is done within ``by``; all else is not looked at.

    Round trips are the times that somebody waits for the server: statements, BEGIN and COMMIT, and the pool's look at a
    connection that it lends. Not among them is the preparation of a statement that a connection has seen five times.
    """

    task_queue: str
    counted: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @contextmanager
    def by(self, name: str) -> Iterator[None]:
        """Count what is asked in this block, and in tasks that it starts, under this name."""
        before = _ASKING.set(name)
        try:
            yield
        finally:
            _ASKING.reset(before)

    def take(self) -> dict[str, Counter[str]]:
        """Return what was counted since the last time."""
        taken, self.counted = dict(self.counted), defaultdict(Counter)
        return taken

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count for the length of a block."""
        execute, transaction, wait = AsyncCursor.execute, AsyncConnection.transaction, AsyncConnection.wait

        async def counted_execute(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            self._note(STATEMENTS, int(query != _CHECK))
            return await execute(cursor, query, *arguments, **options)

        def counted_transaction(connection: Any, *arguments: Any, **options: Any) -> Any:
            self._note(TRANSACTIONS)
            return transaction(connection, *arguments, **options)

        async def counted_wait(connection: Any, exchange: Any, *arguments: Any, **options: Any) -> Any:
            return await wait(connection, self._counted_exchange(exchange), *arguments, **options)

        with (
            patch.object(AsyncCursor, "execute", counted_execute),
            patch.object(AsyncConnection, "transaction", counted_transaction),
            patch.object(AsyncConnection, "wait", counted_wait),
        ):
            yield

    def _counted_exchange(self, exchange: Any) -> Generator[Any, Any, Any]:
        # One that never waits sends nothing: the commit of a connection without a transaction.
        try:
            wanted = next(exchange)
            self._note(ROUND_TRIPS)
            while True:
                wanted = exchange.send((yield wanted))
        except StopIteration as done:
            return done.value

    def _note(self, what: str, count: int = 1) -> None:
        if (name := self._asking()) is not None:
            self.counted[name][what] += count

    def _asking(self) -> str | None:
        if not activity.in_activity():
            return _ASKING.get()
        info = activity.info()
        return info.activity_type if info.task_queue == self.task_queue else None
