"""Stopping what a mail told of: "This wasn't me", without signing in."""

from uuid import UUID

from fastapi import APIRouter, Request

from api.problems import documented
from api.schemas import LinkIn, StoppedOut
from api.services import UsedServices, client_ip, now
from countersign.domain.errors import InvalidLink, LinkExpired, TooManyCalls, Unavailable
from countersign.effects.stopping import press

router = APIRouter(prefix="/v1/stops", tags=["Account security"])


@router.post("/{stop_id}", responses=documented(InvalidLink, LinkExpired, TooManyCalls, Unavailable))
async def stop(http: Request, stop_id: UUID, body: LinkIn, services: UsedServices) -> StoppedOut:
    """Stop what the mail told of. The token from the fragment of its link is all that is needed.

    Sent again, it does nothing and gets the same answer. A wrong token and an unknown id are told alike.
    """
    here = client_ip(http)
    async with services.limiter.proving(http, address=here):
        stopped = await press(services.desk, stop_id, token=body.token, at=now(), ip=here)
    return StoppedOut(effect=stopped.effect, stopped_at=stopped.at)
