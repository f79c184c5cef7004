"""Beginning a request from a form: what stands in its way, and where it leads."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import Form, Request, Response

from api.opening import Opener, open_and_start
from api.pages.looking_up import unfinished_about
from api.pages.rendering import panel
from api.pages.viewing import Viewed
from api.pages.visitors import Visitor
from api.quotas import Quota
from api.services import Services
from countersign.domain.errors import DomainError, RequestOpen, TwoFactorNotEnabled
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import Step
from countersign.effects.opening import Replay
from countersign.storage.credentials import Credential

# A form sends its own, and one from elsewhere must not carry what PostgreSQL refuses.
Key = Annotated[str, Form(max_length=64, pattern=r"^[\x21-\x7e]*$")]

_PATIENCE_SECONDS = 0.6
_LOOK_SECONDS = 0.03


async def first_of_all(
    http: Request, services: Services, visitor: Visitor, credential: Credential | None, *, doing: str
) -> Response | None:
    """Return the panel about what must be done before: enable two-factor, or end what is open; None if nothing must."""
    _ = visitor.owner
    if visitor.user.two_factor_method is TwoFactorMethod.NONE:
        return await panel(http, "panels/two_factor_needed.html", visitor=visitor, doing=doing)
    if credential is not None:
        return await if_busy(http, services, visitor, credential)
    return None


async def if_busy(http: Request, services: Services, visitor: Visitor, credential: Credential) -> Response | None:
    """Return the panel that leads to the request which is open about the credential; None where none is."""
    waiting = await unfinished_about(services, credential.id)
    if waiting is None:
        return None
    return await panel(http, "panels/busy.html", visitor=visitor, credential=credential, waiting=waiting)


async def begin(
    http: Request,
    services: Services,
    visitor: Visitor,
    opener: Opener,
    *,
    key: str,
    said: dict[str, Any],
    form: str,
    credential: Credential | None = None,
) -> Response:
    """Open the request and show its first step; else the form again, with what was typed and what is wrong."""
    owner, path = visitor.owner, http.url.path
    replay = Replay(route=path, key=key, body=json.dumps(said, sort_keys=True).encode()) if key else None
    try:
        await services.spend(http, Quota.STARTS, owner.actor)
        request = await open_and_start(services, owner, opener, account_id=owner.account_id, replay=replay)
    except TwoFactorNotEnabled:
        return await panel(http, "panels/two_factor_needed.html", visitor=visitor, status=403, doing="do this")
    except DomainError as error:
        if isinstance(error, RequestOpen) and credential is not None:
            busy = await if_busy(http, services, visitor, credential)
            if busy is not None:
                return busy
        return await panel(http, form, visitor=visitor, status=error.status, credential=credential, error=error, **said)
    return await (await _begun(Viewed(http, services, visitor, request))).answer()


async def _begun(view: Viewed) -> Viewed:
    # A worker mostly takes a tenth of a second: waiting for it here spares a panel that says nothing yet.
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while view.stored.step is Step.STARTING and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        view = await view.again()
    return view
