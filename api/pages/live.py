"""What an open page asks every few seconds: whether anything has changed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.pages.rendering import fragment
from api.pages.visitors import UsedVisitor
from api.services import UsedServices

router = APIRouter(include_in_schema=False)


@router.get("/live")
async def look(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    version: Annotated[int, Query()] = -1,
    delayed: Annotated[str, Query(max_length=3)] = "",
) -> Response:
    """Return nothing (204) while all is as it was; else let the page's lists and panels look again."""
    late = await http.app.state.delay.seen_by(services)
    if version == visitor.version and late == bool(delayed):
        return Response(status_code=204)
    answer = fragment("parts/live.html", visitor=visitor, delayed=late)
    answer.headers["HX-Trigger"] = "changed"
    return answer
