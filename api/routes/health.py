"""Is it alive, is it ready, and which part is ill."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, timedelta
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from api.services import Services, UsedServices, now

router = APIRouter(tags=["Health"])
_TIMEOUT = timedelta(seconds=2)
# A worker that has nothing to do asks every minute; Temporal remembers one that was killed for five.
_POLLED_WITHIN = timedelta(seconds=75)
Health = Literal["up", "down"]
DatabaseHealth = Literal["up", "read_only", "down"]


class Readiness(BaseModel):
    """What works. Without the database and keys that fit it nothing does; without the rest, starts are accepted.

    A database that is ``read_only`` (a full disk, or a server that only reads) shows everything and accepts nothing.
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
    responses={
        503: {"model": Readiness, "description": "Without the database, one that takes writes, or keys that fit it."}
    },
)
async def ready(services: UsedServices, response: Response) -> Readiness:
    """Return 200 while requests can be accepted, and which part is ill."""
    database, keys, temporal, worker = await asyncio.gather(
        _database(services),
        _health(services.watch.require()),
        _health(_temporal(services)),
        _health(_worker(services)),
    )
    if database != "up" or keys != "up":
        response.status_code = 503
    return Readiness(database=database, keys=keys, temporal=temporal, worker=worker)


async def _health(check: Awaitable[object]) -> Health:
    try:
        await asyncio.wait_for(check, 2 * _TIMEOUT.total_seconds())
    except Exception:  # noqa: BLE001 - whatever it is, that part is ill
        return "down"
    return "up"


async def _database(services: Services) -> DatabaseHealth:
    try:
        takes_writes = await asyncio.wait_for(services.core.database.takes_writes(), 2 * _TIMEOUT.total_seconds())
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return "down"
    return "up" if takes_writes else "read_only"


async def _temporal(services: Services) -> None:
    await services.core.client.service_client.check_health(timeout=_TIMEOUT)


async def _worker(services: Services) -> None:
    request = DescribeTaskQueueRequest(
        namespace=services.settings.temporal_namespace,
        task_queue=TaskQueue(name=services.settings.task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await services.core.client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    polled = [poller.last_access_time.ToDatetime(UTC) for poller in answer.pollers]
    if not any(at > now() - _POLLED_WITHIN for at in polled):
        raise LookupError
