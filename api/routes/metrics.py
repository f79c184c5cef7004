"""What Prometheus scrapes."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.services import UsedServices
from countersign.exposition import exposition

router = APIRouter(tags=["Health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics in Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def read_metrics(request: Request, services: UsedServices) -> Response:
    """Return HTTP requests, what is open and waits, what the process counts, and the SDK's own; no personal data."""
    counted, own = await asyncio.gather(
        request.app.state.metrics.exposition(services.core.database, task_queue=services.settings.task_queue),
        exposition(services.core, services.watch, request.app.state.sdk),
    )
    return Response(counted + own, media_type=CONTENT_TYPE_LATEST)
