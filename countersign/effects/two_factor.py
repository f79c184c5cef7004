"""What the right two-factor code brings about, by journey."""

from collections.abc import Awaitable, Callable

from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialStatus
from countersign.domain.errors import RevealChallengeMissing
from countersign.domain.messages import TwoFactorCode
from countersign.domain.requests import TWO_FACTOR_STEPS, Journey, Step
from countersign.effects import changing
from countersign.effects.activation import activate
from countersign.effects.authority import require_requester
from countersign.effects.codes import check_code
from countersign.effects.ending import change_status, credential_of
from countersign.effects.granting import granted
from countersign.effects.holding import hold_funds
from countersign.effects.notices import tell_owners
from countersign.effects.secrets import make_credential
from countersign.effects.steps import require_step
from countersign.effects.work import Work, found
from countersign.storage import requests
from countersign.storage.requests import Request


async def pass_two_factor(work: Work, request: Request, message: TwoFactorCode) -> None:
    """Check the code and carry out what it confirms."""
    require_requester(work, request)
    require_step(request, message.step or _step_of_codes(request))
    if _shows_something_once(request) and message.reveal_challenge is None:
        raise RevealChallengeMissing
    await changing.require_passable(work, request)
    await check_code(work, request, message.code)
    work.audit_request(_PASSED[request.step], request, method=request.channel)
    await _CONFIRMED[request.journey](work, request, message)


def _step_of_codes(request: Request) -> Step:
    return request.step if request.step in TWO_FACTOR_STEPS else Step.TWO_FACTOR_CODE


def _shows_something_once(request: Request) -> bool:
    return request.journey.creates or changing.issues_recovery_codes(request)


async def _created(work: Work, request: Request, message: TwoFactorCode) -> None:
    credential, sealed = await make_credential(work, request)
    await hold_funds(work, request, credential)
    await requests.update(
        work.connection,
        request.id,
        step=Step.SECRET_SAVED,
        deadline=work.at + work.rules.secret_unacknowledged,
        reveal_challenge=message.reveal_challenge,
        reveal_sealed=sealed,
    )


async def _edited(work: Work, request: Request, _message: TwoFactorCode) -> None:
    credential = found(await credential_of(work, request))
    edited = await change_status(
        work,
        request,
        credential,
        CredentialStatus.INACTIVE,
        permissions=list(request.permissions),
        ip_whitelist=list(request.ip_whitelist),
        trading_limits=request.trading_limits,
    )
    edited = await hold_funds(work, request, edited)
    work.audit_request(
        AuditTag.CREDENTIAL_EDITED,
        request,
        before=granted(credential),
        after=granted(request),
    )
    await requests.update(
        work.connection,
        request.id,
        step=Step.ACTIVATION_CHOICE,
        deadline=work.at + work.rules.activation_unconfirmed,
    )
    await tell_owners(work, "credential_edited", edited, request_id=request.id)


async def _activated(work: Work, request: Request, _message: TwoFactorCode) -> None:
    await activate(work, request)


async def _proven(work: Work, request: Request, message: TwoFactorCode) -> None:
    await changing.proceed(work, request, message.reveal_challenge)


_PASSED = {Step.TWO_FACTOR_CODE: AuditTag.TWO_FACTOR_PASSED, Step.NEW_FACTOR_CODE: AuditTag.NEW_FACTOR_PASSED}
_CONFIRMED: dict[Journey, Callable[[Work, Request, TwoFactorCode], Awaitable[None]]] = {
    Journey.CREATE_API_KEY: _created,
    Journey.CREATE_FIX: _created,
    Journey.EDIT_API_KEY: _edited,
    Journey.ACTIVATE_API_KEY: _activated,
    Journey.CHANGE_TWO_FACTOR: _proven,
}
