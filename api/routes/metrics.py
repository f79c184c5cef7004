"""What Prometheus scrapes."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.services import UsedServices

router = APIRouter(tags=["Health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics in Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def read_metrics(request: Request, services: UsedServices) -> Response:
    """Return HTTP requests, open requests and what waits; no personal data."""
    body = await request.app.state.metrics.exposition(services.core.database)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
