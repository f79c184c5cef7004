"""The chores beside the workflows: what could not be started, told, sent or erased at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.adapters.temporal import answered_within
from countersign.dispatch.audit_keeping import AuditKeeper
from countersign.dispatch.outbox import Outbox
from countersign.dispatch.start import start_workflow
from countersign.effects.work import Desk
from countersign.storage import heartbeats, requests
from countersign.storage.requests import Request
from countersign.telemetry import calls, spans
from countersign.telemetry.metrics import CHORE_FAILURES, CHORE_SUCCESS, NUDGED, STARTED_LATE

_LOG = logging.getLogger(__name__)
_AT_ONCE = 50
_GIVE_THE_API_TIME = timedelta(seconds=3)
_STUCK_AFTER = timedelta(seconds=15)
_RPC_TIMEOUT = timedelta(seconds=5)
_LOOK_FOR_CHECKPOINT_SECONDS = 60
_PARTITIONS_SECONDS = 3600


@dataclass(frozen=True)
class Dispatcher:
    """Runs in every worker process; what one takes, no other takes."""

    client: Client
    desk: Desk
    outbox: Outbox
    audit: AuditKeeper
    task_queue: str

    async def run(self, *, hurry: float = 1) -> None:
        """Do the chores until cancelled; a failing chore is tried again at its next turn.

        ``hurry``: how much shorter the shortest pauses are, for tests that wait for what comes after them.
        """
        async with asyncio.TaskGroup() as chores:
            chores.create_task(repeat(self.outbox.send_due, seconds=0.5 / hurry))
            chores.create_task(repeat(self.start_unstarted, seconds=1))
            chores.create_task(repeat(self.nudge, seconds=1 / hurry))
            chores.create_task(repeat(self.erase_revealed, seconds=5))
            chores.create_task(repeat(self.beat, seconds=4))
            chores.create_task(repeat(self.audit.checkpoint, seconds=_LOOK_FOR_CHECKPOINT_SECONDS))
            chores.create_task(repeat(self.audit.make_partitions, seconds=_PARTITIONS_SECONDS))

    async def start_unstarted(self) -> None:
        """Start the workflows of requests that were accepted while Temporal did not answer."""
        async with self.desk.database.connection() as connection:
            older_than = datetime.now(UTC) - _GIVE_THE_API_TIME
            waiting = await requests.claim_unstarted(connection, older_than=older_than, limit=_AT_ONCE)
        for request in waiting:
            with _one_of_many("start", request):
                await start_workflow(self.client, request, task_queue=self.task_queue, patience=_RPC_TIMEOUT)
                STARTED_LATE.inc()

    async def nudge(self) -> None:
        """Tell workflows to look again whose request changed without them, or whose code was never sent."""
        async with self.desk.database.connection() as connection:
            changed = await requests.claim_nudges(connection, limit=_AT_ONCE)
            older_than = datetime.now(UTC) - _STUCK_AFTER
            stuck = await requests.claim_stuck_sends(connection, older_than=older_than, limit=_AT_ONCE)
        for request in [*changed, *stuck]:
            with _one_of_many("nudge", request):
                await self._look_again(request)
                NUDGED.inc()

    async def erase_revealed(self) -> None:
        """Erase copies of secrets that were shown and whose two minutes are over."""
        async with self.desk.database.connection() as connection:
            await requests.erase_revealed(connection, before=datetime.now(UTC) - self.desk.rules.reveal_repeatable)

    async def beat(self) -> None:
        """Say that a worker is at work, and that it reaches Temporal: pages say so when none does."""
        if await self.client.service_client.check_health(timeout=_RPC_TIMEOUT):
            async with self.desk.database.connection() as connection:
                await heartbeats.beat(connection, self.task_queue, at=datetime.now(UTC))

    async def _look_again(self, request: Request) -> None:
        handle = self.client.get_workflow_handle(request.workflow_id)
        try:
            async with answered_within(_RPC_TIMEOUT):
                await handle.signal("look_again")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                async with self.desk.database.connection() as connection:
                    await requests.set_nudge(connection, request.id)
                raise
        async with self.desk.database.connection() as connection:
            await requests.note_nudged(connection, request.id)


@contextmanager
def _one_of_many(chore: str, request: Request) -> Iterator[None]:
    # One request that cannot be helped must not keep the others waiting.
    try:
        with calls.begun(request.id), spans.span(f"dispatcher {chore}"):
            yield
    except RPCError as error:
        _LOG.warning("Could not %s %s: %s", chore, request.workflow_id, error.status)


async def repeat(chore: Callable[[], Awaitable[object]], *, seconds: float) -> None:
    """Do the chore until cancelled, whatever it raises, with pauses between."""
    ill = False
    while True:
        try:
            await chore()
            ill = False
            CHORE_SUCCESS.labels(chore.__name__).set_to_current_time()
        except Exception as error:  # noqa: BLE001 - a chore must outlive whatever is ill; it is told once
            if not ill:
                _LOG.warning("%s failed and will be tried again: %s", chore.__name__, type(error).__name__)
            ill = True
            CHORE_FAILURES.labels(chore.__name__).inc()
        await asyncio.sleep(seconds)
