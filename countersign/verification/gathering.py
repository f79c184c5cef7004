"""Questions to the database, gathered: while some are asked others wait and go together, the same one is asked once."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

from countersign.domain.errors import Unavailable

_LOG = logging.getLogger(__name__)
_MOST_AT_A_TIME = 500
_AT_ONCE = 4

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Gathering(Generic[K, V]):
    """Puts questions to ``ask``, which answers many of them; at most four times at once, each ``patience`` seconds."""

    def __init__(self, ask: Callable[[list[K]], Coroutine[Any, Any, dict[K, V]]], *, patience: float) -> None:
        self._ask = ask
        self._patience = patience
        self._asked: dict[K, asyncio.Future[V | Unavailable]] = {}
        self._waiting: list[K] = []
        self._running: set[asyncio.Task[None]] = set()
        self._given_up: set[asyncio.Task[dict[K, V]]] = set()

    async def answers(self, questions: Iterable[K]) -> dict[K, V]:
        """Return the answer to each question; raises ``Unavailable`` when there is none in time."""
        futures = {question: self._future(question) for question in questions}
        self._ask_on()
        # Some wait for their turn first.
        await asyncio.wait(futures.values(), timeout=2 * self._patience)
        return {question: _answered(future) for question, future in futures.items()}

    def _future(self, question: K) -> "asyncio.Future[V | Unavailable]":
        future = self._asked.get(question)
        if future is None:
            future = self._asked[question] = asyncio.get_running_loop().create_future()
            self._waiting.append(question)
        return future

    def _ask_on(self) -> None:
        while self._waiting and len(self._running) < _AT_ONCE:
            batch, self._waiting = self._waiting[:_MOST_AT_A_TIME], self._waiting[_MOST_AT_A_TIME:]
            running = asyncio.create_task(self._run(batch))
            self._running.add(running)
            running.add_done_callback(self._ended)

    def _ended(self, running: "asyncio.Task[None]") -> None:
        self._running.discard(running)
        self._ask_on()

    async def _run(self, batch: list[K]) -> None:
        found = await self._in_time(batch)
        for question in batch:
            future = self._asked.pop(question)
            future.set_result(found if isinstance(found, Unavailable) else found[question])

    async def _in_time(self, batch: list[K]) -> dict[K, V] | Unavailable:
        asking = asyncio.create_task(self._ask(batch))
        # Not by a timeout around it: on a connection that swallows everything a cancelled query ends after ten seconds.
        done, _ = await asyncio.wait({asking}, timeout=self._patience)
        if not done:
            self._give_up(asking)
            return Unavailable("The database does not answer in time.")
        try:
            return asking.result()
        except Unavailable as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is told
            _LOG.warning("The database could not be asked: %s", type(error).__name__)
            return Unavailable("The database could not be asked.")

    def _give_up(self, task: "asyncio.Task[dict[K, V]]") -> None:
        self._given_up.add(task)
        task.add_done_callback(self._forget)
        task.cancel()

    def _forget(self, task: "asyncio.Task[dict[K, V]]") -> None:
        self._given_up.discard(task)
        if not task.cancelled():
            task.exception()


def _answered(future: "asyncio.Future[V | Unavailable]") -> V:
    if not future.done():
        raise Unavailable("The database does not answer in time.")
    found = future.result()
    if isinstance(found, Unavailable):
        raise found
    return found
