"""Closing requests whose workflow was terminated or is gone."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from countersign.domain.errors import NotFound
from countersign.domain.messages import SYSTEM
from countersign.domain.requests import Outcome, Step
from countersign.effects.ending import end_from_outside, end_overdue_from_outside
from countersign.effects.work import Desk
from countersign.storage import requests
from countersign.storage.requests import Request

_ENDED_BADLY = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"
_ENDED_STATUSES = {
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.COMPLETED,
}
_EVERY = 1_000_000


@dataclass(frozen=True)
class Reconciler:
    """Compares requests with their workflows; the database keeps what is true."""

    client: Client
    desk: Desk

    async def close_recently_ended(self, *, within: timedelta) -> list[UUID]:
        """Close requests whose workflow ended badly within that time; return their ids. One query to Temporal."""
        since = (datetime.now(UTC) - within).isoformat()
        query = f"{_ENDED_BADLY} AND CloseTime > '{since}'"
        ended = {execution.id async for execution in self.client.list_workflows(query)}
        suspects = [request for workflow_id in ended if (request := await self._open_request(workflow_id))]
        # A run that ended badly may have a successor (a reset), so the workflow itself is asked.
        return [request.id for request in suspects if await self.close_if_ended(request)]

    async def close_all_ended(self) -> list[UUID]:
        """Ask Temporal about every open request; close those whose workflow ended or is gone; return their ids."""
        async with self.desk.database.connection() as connection:
            open_requests = await requests.every(connection, only_open=True, limit=_EVERY)
        return [request.id for request in open_requests if await self.close_if_ended(request)]

    async def close_if_ended(self, request: Request) -> bool:
        """Close the request if its workflow ended or is gone; tell whether it did. Raises ``RPCError``."""
        return await self._workflow_ended(request) and await self._close(request.id)

    async def _open_request(self, workflow_id: str) -> Request | None:
        request_id = _request_id(workflow_id)
        if request_id is None:
            return None
        async with self.desk.database.connection() as connection:
            request = await requests.get(connection, request_id)
        if request is None or request.outcome is not None or request.workflow_id != workflow_id:
            return None
        return request

    async def _workflow_ended(self, request: Request) -> bool:
        try:
            description = await self.client.get_workflow_handle(request.workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                # A request that is starting may have no workflow yet; the dispatcher makes it one.
                return request.step is not Step.STARTING
            raise
        return description.status in _ENDED_STATUSES

    async def _close(self, request_id: UUID) -> bool:
        with suppress(NotFound):
            return await self._close_open(request_id)
        return False

    async def _close_open(self, request_id: UUID) -> bool:
        async with self.desk.on_request(request_id, at=datetime.now(UTC), actor=SYSTEM) as (work, request):
            if request.outcome is not None:
                return False
            if not await end_overdue_from_outside(work, request):
                await end_from_outside(work, request, Outcome.CANCELLED, reason="its workflow was ended in Temporal")
            return True


def _request_id(workflow_id: str) -> UUID | None:
    # Others may run workflows in the namespace, too.
    try:
        return UUID(workflow_id.rpartition("/")[2])
    except ValueError:
        return None
