"""Requests: where they stand, and the messages people send to them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.delivery import deliver
from api.opening import IdempotencyKey
from api.problems import documented
from api.routes.api_keys import OWNER_ERRORS
from api.schemas import ActivationIn, CodeIn, LinkIn, RequestOut, RevealIn, SecretOut, TwoFactorCodeIn
from api.services import Owner, Services, UsedOwner, UsedServices, now
from countersign.domain.errors import (
    CodeAlreadyUsed,
    CodeExpired,
    InvalidLink,
    NotAtThisStep,
    NotFound,
    NotTheRequester,
    RequestClosed,
    ResendTooEarly,
    RevealChallengeMissing,
    RevealRefused,
    SecretGone,
    SecretNotShown,
    TooManyCodes,
    TooManyWrongCodes,
    WrongCode,
)
from countersign.domain.messages import (
    Activate,
    ActivateLater,
    ActivationCode,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
)
from countersign.effects.secrets import reveal
from countersign.storage import requests
from countersign.storage.requests import Request

router = APIRouter(prefix="/v1/requests", tags=["Requests"])

_ERRORS = (*OWNER_ERRORS, NotFound)
_MESSAGE_ERRORS = (*_ERRORS, NotTheRequester, RequestClosed, NotAtThisStep)
_CODE_ERRORS = (*_MESSAGE_ERRORS, WrongCode, CodeExpired, TooManyWrongCodes)


@router.get("", responses=documented(*OWNER_ERRORS))
async def list_requests(
    owner: UsedOwner,
    services: UsedServices,
    *,
    only_open: Annotated[bool, Query(alias="open", description="Leave out those that have ended.")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[RequestOut]:
    """Return the account's requests, newest first."""
    async with services.core.database.connection() as connection:
        rows = await requests.of_account(connection, owner.account_id, only_open=only_open, limit=limit)
    shown = [RequestOut.of(row, rules=services.settings.rules, at=now()) for row in rows]
    return [each for each in shown if not only_open or each.outcome is None]


@router.get("/{request_id}", responses=documented(*_ERRORS))
async def get_request(request_id: UUID, owner: UsedOwner, services: UsedServices) -> RequestOut:
    """Return where a request stands."""
    request = await _find(services, owner, request_id)
    return RequestOut.of(request, rules=services.settings.rules, at=now())


@router.delete("/{request_id}", responses=documented(*_ERRORS, RequestClosed))
async def cancel_request(
    request_id: UUID, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Cancel the request; any owner of the account may."""
    request = await _find(services, owner, request_id)
    return await deliver(services, request, Cancel(actor=owner.actor), idempotency_key=idempotency_key)


@router.post(
    "/{request_id}/two-factor-code", responses=documented(*_CODE_ERRORS, CodeAlreadyUsed, RevealChallengeMissing)
)
async def enter_two_factor_code(
    request_id: UUID,
    body: TwoFactorCodeIn,
    owner: UsedOwner,
    services: UsedServices,
    idempotency_key: IdempotencyKey = None,
) -> RequestOut:
    """Enter the SMS or authenticator code."""
    request = await _find(services, owner, request_id)
    message = TwoFactorCode(actor=owner.actor, code=body.code, reveal_challenge=body.reveal_challenge)
    return await deliver(services, request, message, idempotency_key=idempotency_key)


@router.post(
    "/{request_id}/two-factor-code/resend", responses=documented(*_MESSAGE_ERRORS, ResendTooEarly, TooManyCodes)
)
@router.post(
    "/{request_id}/activation-code/resend", responses=documented(*_MESSAGE_ERRORS, ResendTooEarly, TooManyCodes)
)
async def resend_code(
    request_id: UUID, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Resend: a new code; earlier ones stay good for their own five minutes."""
    request = await _find(services, owner, request_id)
    return await deliver(services, request, ResendCode(actor=owner.actor), idempotency_key=idempotency_key)


@router.post(
    "/{request_id}/secret", responses=documented(*_ERRORS, NotTheRequester, NotAtThisStep, RevealRefused, SecretGone)
)
async def show_secret(request_id: UUID, body: RevealIn, owner: UsedOwner, services: UsedServices) -> SecretOut:
    """Show the secret: once, and again for two minutes in case the answer was lost."""
    await _find(services, owner, request_id)
    shown = await reveal(services.desk, request_id, verifier=body.reveal_verifier, at=now(), actor=owner.actor)
    return SecretOut.of(shown)


@router.post("/{request_id}/secret-saved", responses=documented(*_MESSAGE_ERRORS, SecretNotShown))
async def acknowledge_secret(
    request_id: UUID, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Tick that the secret is saved."""
    request = await _find(services, owner, request_id)
    return await deliver(services, request, SecretSaved(actor=owner.actor), idempotency_key=idempotency_key)


@router.post("/{request_id}/activation", responses=documented(*_MESSAGE_ERRORS, TooManyCodes))
async def choose_activation(
    request_id: UUID,
    body: ActivationIn,
    owner: UsedOwner,
    services: UsedServices,
    idempotency_key: IdempotencyKey = None,
) -> RequestOut:
    """ACTIVATE or ACTIVATE LATER."""
    request = await _find(services, owner, request_id)
    message = Activate(actor=owner.actor) if body.when == "now" else ActivateLater(actor=owner.actor)
    return await deliver(services, request, message, idempotency_key=idempotency_key)


@router.post("/{request_id}/activation-code", responses=documented(*_CODE_ERRORS))
async def enter_activation_code(
    request_id: UUID, body: CodeIn, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Enter the code from the mail."""
    request = await _find(services, owner, request_id)
    message = ActivationCode(actor=owner.actor, code=body.code)
    return await deliver(services, request, message, idempotency_key=idempotency_key)


@router.post("/{request_id}/activation-link", responses=documented(*_MESSAGE_ERRORS, InvalidLink))
async def follow_activation_link(
    request_id: UUID, body: LinkIn, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Press the button on the page that the mail's link opens."""
    request = await _find(services, owner, request_id)
    message = ActivationCode(actor=owner.actor, link_token=body.token)
    return await deliver(services, request, message, idempotency_key=idempotency_key)


async def _find(services: Services, owner: Owner, request_id: UUID) -> Request:
    async with services.core.database.connection() as connection:
        request = await requests.get(connection, request_id)
    if request is None or request.account_id != owner.account_id:
        raise NotFound
    return request
