"""Is it alive, is it ready, and which part is ill."""

import asyncio
from datetime import UTC, timedelta

from fastapi import APIRouter, Response
from pydantic import BaseModel
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from api.services import Services, UsedServices, now
from countersign.health import TIMEOUT, DatabaseHealth, Health, database_health, health, temporal_health

router = APIRouter(tags=["Health"])
# A worker that has nothing to do asks every minute; Temporal remembers one that was killed for five.
_POLLED_WITHIN = timedelta(seconds=75)


class Readiness(BaseModel):
    """What works. Without the database and keys that fit it nothing does; without the rest, starts are accepted.

    A database that is ``read_only`` (a full disk, or a server that only reads) shows everything and accepts nothing: a
    process that was taken out of service for it could not even do that.
    """

    database: DatabaseHealth
    keys: Health
    temporal: Health
    worker: Health


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Return 200 while the process lives."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "Without the database, or keys that fit it."}},
)
async def ready(services: UsedServices, response: Response) -> Readiness:
    """Return 200 while everything can be shown, and which part is ill."""
    database, keys, temporal, worker = await asyncio.gather(
        database_health(services.core.database),
        health(services.watch.require()),
        temporal_health(services.core.client),
        health(_worker(services)),
    )
    if database == "down" or keys != "up":
        response.status_code = 503
    return Readiness(database=database, keys=keys, temporal=temporal, worker=worker)


async def _worker(services: Services) -> None:
    request = DescribeTaskQueueRequest(
        namespace=services.settings.temporal_namespace,
        task_queue=TaskQueue(name=services.settings.task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await services.core.client.workflow_service.describe_task_queue(request, timeout=TIMEOUT)
    polled = [poller.last_access_time.ToDatetime(UTC) for poller in answer.pollers]
    if not any(at > now() - _POLLED_WITHIN for at in polled):
        raise LookupError
