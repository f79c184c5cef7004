"""Comparing requests with their workflows, and healing what differs; the database keeps what is true."""

import re
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from countersign.dispatch.start import start_workflow
from countersign.domain.messages import SYSTEM
from countersign.domain.requests import Journey, Step
from countersign.effects.closing import close_without_workflow
from countersign.effects.ending import is_overdue
from countersign.effects.work import Desk
from countersign.storage import requests
from countersign.storage.requests import Request

_JOURNEYS = ", ".join(f"'{journey}'" for journey in Journey)
_OUR_ID = re.compile(f"({'|'.join(Journey)})/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}")
_EVERY = 1_000_000
_RPC_TIMEOUT = timedelta(seconds=10)
# Workflows ring by themselves; one whose worker was away has this long to come first.
_RINGS_LATE = timedelta(minutes=1)


class Kind(StrEnum):
    """How a request and its workflow can differ."""

    ENDED = "ended"
    LOST = "lost"
    BEHIND = "behind"
    ORPHAN = "orphan"


class Difference(BaseModel, frozen=True):
    """One workflow that is not where its request is; ``request_id`` is of the request, if there is one."""

    kind: Kind
    workflow_id: str
    request_id: UUID | None


@dataclass(frozen=True)
class Reconciler:
    """Looks at the requests of the database and the workflows of one task queue."""

    client: Client
    desk: Desk
    task_queue: str

    async def heal_all(self) -> list[Difference]:
        """Heal what can be healed without anybody's word; return all that differed, orphans among it.

        A workflow without a request has no effect, and can be there only because the database was restored, or is
        another one than was meant. Then it would be the worst moment to end them all: that is for the command.
        """
        found = await self.find()
        return [each for each in found if each.kind is Kind.ORPHAN or await self.heal(each)]

    async def find(self) -> list[Difference]:
        """Return what differs, and change nothing. Raises ``RPCError``."""
        # Workflows first: what begins meanwhile is then asked about, and what ends meanwhile is looked up again.
        running = {workflow_id async for workflow_id in self._running()}
        async with self.desk.database.connection() as connection:
            listed = await requests.every(connection, only_open=True, limit=_EVERY)
        under_way = {request.workflow_id: request for request in listed}
        return [
            *[each async for each in self._without_workflow(under_way, running)],
            *_asleep(under_way[workflow_id] for workflow_id in sorted(running & under_way.keys())),
            *[each async for each in self._without_open_request(sorted(running - under_way.keys()))],
        ]

    async def heal(self, difference: Difference) -> bool:
        """Mend one difference if it is still there; tell whether it was. Raises ``RPCError``."""
        async with self.desk.database.connection() as connection:
            request = await requests.get(connection, difference.request_id) if difference.request_id else None
        if request is None:
            return await self._end(difference.workflow_id)
        if difference.kind is Kind.BEHIND:
            return await self._tell(difference.workflow_id)
        if difference.kind is Kind.LOST:
            return await self._start_again(request)
        return await self.close_if_over(request)

    async def close_if_over(self, request: Request) -> bool:
        """Close the request if its workflow ended, or is gone; tell whether it did. Raises ``RPCError``.

        A request that is starting may have no workflow yet: that is left to the dispatcher.
        """
        status = await self._status(request.workflow_id)
        if status is WorkflowExecutionStatus.RUNNING or (status is None and request.step is Step.STARTING):
            return False
        async with self.desk.on_request(request.id, at=datetime.now(UTC), actor=SYSTEM) as (work, present):
            return await close_without_workflow(work, present)

    async def _without_workflow(self, under_way: dict[str, Request], running: set[str]) -> AsyncIterator[Difference]:
        for workflow_id in sorted(under_way.keys() - running):
            request = under_way[workflow_id]
            # Temporal's list lags behind, and a run that ended may have a successor: the workflow itself is asked.
            status = await self._status(workflow_id)
            if status is None and request.step is not Step.STARTING:
                yield Difference(kind=Kind.LOST, workflow_id=workflow_id, request_id=request.id)
            elif status not in {None, WorkflowExecutionStatus.RUNNING}:
                yield Difference(kind=Kind.ENDED, workflow_id=workflow_id, request_id=request.id)

    async def _without_open_request(self, workflow_ids: Iterable[str]) -> AsyncIterator[Difference]:
        for workflow_id in workflow_ids:
            async with self.desk.database.connection() as connection:
                request = await requests.get(connection, UUID(workflow_id.rpartition("/")[2]))
            if request is not None and request.outcome is None:
                continue
            if await self._status(workflow_id) is WorkflowExecutionStatus.RUNNING:
                kind = Kind.ORPHAN if request is None else Kind.BEHIND
                yield Difference(kind=kind, workflow_id=workflow_id, request_id=request.id if request else None)

    async def _running(self) -> AsyncIterator[str]:
        # Others may run workflows in the namespace, too, and start ours by hand under ids of their own.
        ours = f"WorkflowType IN ({_JOURNEYS}) AND TaskQueue = '{self.task_queue}'"
        async for execution in self.client.list_workflows(f"{ours} AND ExecutionStatus = 'Running'"):
            if _OUR_ID.fullmatch(execution.id):
                yield execution.id

    async def _status(self, workflow_id: str) -> WorkflowExecutionStatus | None:
        try:
            description = await self.client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return description.status

    async def _start_again(self, request: Request) -> bool:
        if request.outcome is not None:
            return False
        # It goes on at the step where the request stands, whichever that is.
        await start_workflow(self.client, request, task_queue=self.task_queue, patience=_RPC_TIMEOUT)
        return True

    async def _tell(self, workflow_id: str) -> bool:
        return await _unless_gone(
            self.client.get_workflow_handle(workflow_id).signal("look_again", rpc_timeout=_RPC_TIMEOUT)
        )

    async def _end(self, workflow_id: str) -> bool:
        handle = self.client.get_workflow_handle(workflow_id)
        return await _unless_gone(handle.terminate("its request is not in the database", rpc_timeout=_RPC_TIMEOUT))


def _asleep(running: Iterable[Request]) -> list[Difference]:
    late = datetime.now(UTC) - _RINGS_LATE
    return [
        Difference(kind=Kind.BEHIND, workflow_id=request.workflow_id, request_id=request.id)
        for request in running
        if is_overdue(request, at=late)
    ]


async def _unless_gone(call: Awaitable[None]) -> bool:
    try:
        await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
