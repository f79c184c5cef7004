"""Where "This wasn't me" in a mail leads: a page whose button stops it. A GET never does; scanners follow links.

Nobody signs in here: the token behind the ``#`` is all the authority there is, and the page's script puts it into the
form. No cookie counts, so a form of another site could do nothing that its author could not do; and the page in the
browser of a mail program, which may hide where a form comes from, must work.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from api.pages.rendering import page
from api.services import UsedServices, client_ip, now
from countersign.domain.errors import InvalidLink, LinkExpired, Unavailable
from countersign.effects.stopping import press

router = APIRouter(prefix="/stop", include_in_schema=False)

Token = Annotated[str, Form(max_length=1000)]


@router.get("/{stop_id}")
async def open_link(http: Request, stop_id: UUID) -> Response:
    """Show what the button does; the same page for every id, and nothing is looked up."""
    return await page(http, "stop.html", stop_id=stop_id, error=None, token="")


@router.post("/{stop_id}")
async def stop(http: Request, stop_id: UUID, services: UsedServices, token: Token = "") -> Response:
    """Stop what the mail told of, and say what was done; pressed again, it says the same."""
    here = client_ip(http)
    try:
        async with services.limiter.proving(http, address=here):
            stopped = await press(services.desk, stop_id, token=token, at=now(), ip=here)
    except LinkExpired as error:
        return await page(http, "stop_expired.html", status=error.status)
    except (InvalidLink, Unavailable) as error:
        # The address has lost the token by now: what could not be stopped yet must not need the mail once more.
        kept = token if isinstance(error, Unavailable) else ""
        return await page(http, "stop.html", status=error.status, stop_id=stop_id, error=error, token=kept)
    return await page(http, "stopped.html", stopped=stopped)
