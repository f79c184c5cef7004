"""Starting a request over HTTP: accepted whenever the database is up."""

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Header, Response
from pydantic import BaseModel
from temporalio.service import RPCError

from api.schemas import RequestOut
from api.services import Caller, Owner, Services, now
from countersign.dispatch.start import start_workflow
from countersign.domain.errors import TwoFactorNotEnabled
from countersign.effects.opening import Replay, remember, replayed
from countersign.effects.work import Work
from countersign.storage.requests import Request

_LOG = logging.getLogger(__name__)
_START_TIMEOUT = timedelta(seconds=2)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body gives the same request; with another body it is refused.",
    ),
]
Opener = Callable[[Work], Awaitable[Request]]


def replay_of(route: str, key: str | None, body: BaseModel | None = None) -> Replay | None:
    """Return what an Idempotency-Key stands for on this route, or None without one."""
    if key is None:
        return None
    canonical = json.dumps(body.model_dump(mode="json") if body else None, sort_keys=True)
    return Replay(route=route, key=key, body=canonical.encode())


async def accept(
    services: Services, owner: Owner, opener: Opener, *, replay: Replay | None, response: Response
) -> RequestOut:
    """Open a request for an owner; answers 202 with its Location, whether Temporal is up or not."""
    try:
        request = await open_and_start(services, owner, opener, account_id=owner.account_id, replay=replay)
    except TwoFactorNotEnabled:
        settings = services.settings
        raise TwoFactorNotEnabled(enable_at=settings.two_factor_settings_url or settings.public_url) from None
    response.headers["Location"] = f"/v1/requests/{request.id}"
    return RequestOut.of(request, rules=services.settings.rules, at=now())


async def open_and_start(
    services: Services, who: Owner | Caller, opener: Opener, *, account_id: UUID, replay: Replay | None
) -> Request:
    """Open a request, or find the one that the Idempotency-Key opened before, and start its workflow."""
    async with services.desk.on_account(account_id, at=now(), actor=who.actor) as work:
        request = await replayed(work, who.user_id, replay)
        if request is not None:
            return request
        request = await opener(work)
        await remember(work, who.user_id, replay, request)
    await _start(services, request)
    return request


async def _start(services: Services, request: Request) -> None:
    try:
        await start_workflow(
            services.core.client, request, task_queue=services.settings.task_queue, patience=_START_TIMEOUT
        )
    except (RPCError, RuntimeError) as error:
        _LOG.warning("The dispatcher will start %s: %s", request.workflow_id, type(error).__name__)
