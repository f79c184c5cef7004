"""Starting a request over HTTP: accepted whenever the database is up."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel
from temporalio.service import RPCError

from api.quotas import Quota
from api.schemas import RequestOut
from api.services import OWNER_ERRORS, Caller, Owner, Services, UsedOwner, UsedServices, now
from countersign.adapters.temporal_tls import why_not
from countersign.dispatch.start import start_workflow
from countersign.domain.errors import (
    IdempotencyKeyReused,
    IssuingFrozen,
    IssuingSuspended,
    NotFound,
    RequestOpen,
    SmsSuspended,
    TooManyCodes,
    TooManyRequests,
    TooManySms,
    TwoFactorNotEnabled,
    WrongStatus,
)
from countersign.effects.opening import Replay, remember, replayed
from countersign.effects.work import Work
from countersign.storage.requests import Request
from countersign.telemetry.calls import note_request

_LOG = logging.getLogger(__name__)
_START_TIMEOUT = timedelta(seconds=2)

SEND_ERRORS = (TooManyCodes, TooManySms, SmsSuspended)
START_ERRORS = (
    *OWNER_ERRORS,
    TwoFactorNotEnabled,
    IssuingFrozen,
    IssuingSuspended,
    TooManyRequests,
    *SEND_ERRORS,
    IdempotencyKeyReused,
    RequestOpen,
)
ACTIVATION_ERRORS = (*START_ERRORS, NotFound, WrongStatus)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body counts once and gets the same answer. A start with another body "
        "is refused; a message with another body is another message. After a 429 use a new key.",
    ),
]
Opener = Callable[[Work, UUID], Awaitable[Request]]


@dataclass(frozen=True)
class Opening:
    """A POST that starts something: who asks, where the answer goes, and what makes a repetition of it."""

    services: Services
    owner: Owner
    response: Response
    route: str
    idempotency_key: str | None

    async def accept(self, opener: Opener, body: BaseModel | None = None) -> RequestOut:
        """Open a request for the owner; answers 202 with its Location, whether Temporal is up or not."""
        account_id, settings = self.owner.account_id, self.services.settings
        try:
            request = await open_and_start(
                self.services, self.owner, opener, account_id=account_id, replay=self._replay(body)
            )
        except TwoFactorNotEnabled:
            raise TwoFactorNotEnabled(enable_at=settings.enable_two_factor_at) from None
        self.response.headers["Location"] = f"/v1/requests/{request.id}"
        return RequestOut.of(request, rules=settings.rules, at=now())

    def _replay(self, body: BaseModel | None) -> Replay | None:
        if self.idempotency_key is None:
            return None
        canonical = json.dumps(body.model_dump(mode="json") if body else None, sort_keys=True)
        return Replay(route=self.route, key=self.idempotency_key, body=canonical.encode())


async def opening(
    http: HttpRequest,
    response: Response,
    services: UsedServices,
    owner: UsedOwner,
    idempotency_key: IdempotencyKey = None,
) -> Opening:
    """Return the opening that a POST asks for; raises ``TooManyCalls``."""
    await services.spend(http, Quota.STARTS, owner.actor)
    return Opening(services, owner, response, route=http.url.path, idempotency_key=idempotency_key)


UsedOpening = Annotated[Opening, Depends(opening)]


async def open_and_start(
    services: Services, who: Owner | Caller, opener: Opener, *, account_id: UUID, replay: Replay | None
) -> Request:
    """Open a request, or find the one that the Idempotency-Key opened before, and start its workflow."""
    async with services.desk.on_account(account_id, at=now(), actor=who.actor) as work:
        request = await replayed(work, who.user_id, replay)
        if request is not None:
            note_request(request.id)
            return request
        request = await opener(work, who.user_id)
        await remember(work, who.user_id, replay, request)
    await _start(services, request)
    return request


async def _start(services: Services, request: Request) -> None:
    try:
        await start_workflow(
            services.core.client, request, task_queue=services.settings.task_queue, patience=_START_TIMEOUT
        )
    except RuntimeError as error:  # a lazy client that never reached Temporal
        _LOG.warning(
            "The dispatcher will start %s: %s",
            request.workflow_id,
            why_not(error, address=services.settings.temporal_address),
        )
    except RPCError as error:
        _LOG.warning("The dispatcher will start %s: %s", request.workflow_id, error.status.name)
