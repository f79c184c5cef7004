"""Closing requests whose workflow was terminated or is gone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from countersign.domain.messages import SYSTEM
from countersign.domain.requests import Outcome, Step
from countersign.effects.ending import end_request
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
        ended = [execution.id async for execution in self.client.list_workflows(query)]
        ids = [UUID(workflow_id.rpartition("/")[2]) for workflow_id in ended if "/" in workflow_id]
        return [request_id for request_id in ids if await self._close(request_id)]

    async def close_all_ended(self) -> list[UUID]:
        """Ask Temporal about every open request; close those whose workflow ended or is gone; return their ids."""
        async with self.desk.database.connection() as connection:
            open_requests = await requests.every(connection, only_open=True, limit=_EVERY)
        ended = [request for request in open_requests if await self._workflow_ended(request)]
        return [request.id for request in ended if await self._close(request.id)]

    async def _workflow_ended(self, request: Request) -> bool:
        # A request that is starting has no workflow yet; the dispatcher makes it one.
        if request.step is Step.STARTING:
            return False
        try:
            description = await self.client.get_workflow_handle(request.workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise
        return description.status in _ENDED_STATUSES

    async def _close(self, request_id: UUID) -> bool:
        async with self.desk.on_request(request_id, at=datetime.now(UTC), actor=SYSTEM) as (work, request):
            if request.outcome is not None:
                return False
            await end_request(work, request, Outcome.CANCELLED, reason="its workflow was ended in Temporal")
            return True
