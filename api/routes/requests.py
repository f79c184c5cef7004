"""Requests: where they stand, and the messages people send to them."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.addressing import UsedRequest
from api.opening import SEND_ERRORS
from api.problems import documented
from api.quotas import Quota
from api.schemas import ActivationIn, CodeIn, LinkIn, RequestOut, RevealIn, SecretOut, TwoFactorCodeIn
from api.services import OWNER_ERRORS, UsedOwner, UsedServices, limited, now
from countersign.domain.errors import (
    CodeAlreadyUsed,
    CodeExpired,
    InvalidLink,
    IssuingFrozen,
    IssuingSuspended,
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

router = APIRouter(prefix="/v1/requests", tags=["Requests"])

_ERRORS = (*OWNER_ERRORS, NotFound)
_MESSAGE_ERRORS = (*_ERRORS, NotTheRequester, RequestClosed, NotAtThisStep)
_CODE_ERRORS = (*_MESSAGE_ERRORS, WrongCode, CodeExpired, TooManyWrongCodes, IssuingFrozen, IssuingSuspended)
_TWO_FACTOR_ERRORS = (*_CODE_ERRORS, CodeAlreadyUsed, RevealChallengeMissing, *SEND_ERRORS)
_RESEND_ERRORS = (*_MESSAGE_ERRORS, ResendTooEarly, *SEND_ERRORS)
_REVEAL_ERRORS = (*_ERRORS, NotTheRequester, NotAtThisStep, RevealRefused, SecretGone)
_CODES = [limited(Quota.CODES)]


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
async def get_request(addressed: UsedRequest) -> RequestOut:
    """Return where a request stands."""
    return await addressed.shown()


@router.delete("/{request_id}", responses=documented(*_ERRORS, RequestClosed))
async def cancel_request(addressed: UsedRequest) -> RequestOut:
    """Cancel the request; any owner of the account may."""
    return await addressed.send(Cancel(actor=addressed.owner.actor))


@router.post("/{request_id}/two-factor-code", dependencies=_CODES, responses=documented(*_TWO_FACTOR_ERRORS))
async def enter_two_factor_code(body: TwoFactorCodeIn, addressed: UsedRequest) -> RequestOut:
    """Enter the SMS or authenticator code."""
    actor = addressed.owner.actor
    message = TwoFactorCode(actor=actor, code=body.code, step=body.step, reveal_challenge=body.reveal_challenge)
    return await addressed.send(message)


@router.post("/{request_id}/two-factor-code/resend", dependencies=_CODES, responses=documented(*_RESEND_ERRORS))
@router.post("/{request_id}/activation-code/resend", dependencies=_CODES, responses=documented(*_RESEND_ERRORS))
async def resend_code(addressed: UsedRequest) -> RequestOut:
    """Resend: a new code; earlier ones stay good for their own five minutes."""
    return await addressed.send(ResendCode(actor=addressed.owner.actor))


@router.post("/{request_id}/secret", dependencies=_CODES, responses=documented(*_REVEAL_ERRORS))
async def show_secret(body: RevealIn, addressed: UsedRequest) -> SecretOut:
    """Show the secret: once, and again for two minutes in case the answer was lost."""
    actor = addressed.owner.actor
    shown = await reveal(
        addressed.services.desk, addressed.request.id, verifier=body.reveal_verifier, at=now(), actor=actor
    )
    return SecretOut.of(shown)


@router.post("/{request_id}/secret-saved", responses=documented(*_MESSAGE_ERRORS, SecretNotShown))
async def acknowledge_secret(addressed: UsedRequest) -> RequestOut:
    """Tick that the secret is saved."""
    return await addressed.send(SecretSaved(actor=addressed.owner.actor))


@router.post(
    "/{request_id}/activation", responses=documented(*_MESSAGE_ERRORS, TooManyCodes, IssuingFrozen, IssuingSuspended)
)
async def choose_activation(body: ActivationIn, addressed: UsedRequest) -> RequestOut:
    """ACTIVATE or ACTIVATE LATER."""
    actor = addressed.owner.actor
    return await addressed.send(Activate(actor=actor) if body.when == "now" else ActivateLater(actor=actor))


@router.post("/{request_id}/activation-code", dependencies=_CODES, responses=documented(*_CODE_ERRORS))
async def enter_activation_code(body: CodeIn, addressed: UsedRequest) -> RequestOut:
    """Enter the code from the mail."""
    return await addressed.send(ActivationCode(actor=addressed.owner.actor, code=body.code))


@router.post(
    "/{request_id}/activation-link",
    dependencies=_CODES,
    responses=documented(*_MESSAGE_ERRORS, InvalidLink, IssuingFrozen, IssuingSuspended),
)
async def follow_activation_link(body: LinkIn, addressed: UsedRequest) -> RequestOut:
    """Press the button on the page that the mail's link opens."""
    return await addressed.send(ActivationCode(actor=addressed.owner.actor, link_token=body.token))
