"""Account security: how the caller confirms, and changing it."""

from functools import partial

from fastapi import APIRouter

from api.addressing import UsedRequest
from api.opening import SEND_ERRORS, START_ERRORS, UsedOpening
from api.problems import documented
from api.quotas import Quota
from api.schemas import RequestOut, RevealIn
from api.security_schemas import (
    EnrolmentIn,
    EnrolmentOut,
    NewTwoFactorChange,
    RecoveryCodeIn,
    RecoveryCodesOut,
    SecurityOut,
)
from api.services import OWNER_ERRORS, UsedOwner, UsedServices, limited, now
from countersign.domain.errors import (
    IssuingFrozen,
    IssuingSuspended,
    NotAtThisStep,
    NotFound,
    NothingChanged,
    NotTheRequester,
    RequestClosed,
    RevealChallengeMissing,
    RevealRefused,
    SecretGone,
    TooManyWrongCodes,
    WrongCode,
)
from countersign.domain.messages import RecoveryCode
from countersign.effects import security
from countersign.effects.security import TwoFactorChange

router = APIRouter(prefix="/v1", tags=["Account security"])

_ERRORS = (*OWNER_ERRORS, NotFound, NotTheRequester, RequestClosed, NotAtThisStep)
_CODE_ERRORS = (WrongCode, TooManyWrongCodes, *SEND_ERRORS, IssuingFrozen, IssuingSuspended, RevealChallengeMissing)
_CODES = [limited(Quota.CODES)]


@router.get("/security", responses=documented(*OWNER_ERRORS))
async def get_security(owner: UsedOwner, services: UsedServices) -> SecurityOut:
    """Return how the caller's two-factor authentication stands."""
    async with services.core.database.connection() as connection:
        return SecurityOut.model_validate(await security.standing(connection, owner.user_id))


@router.post(
    "/security/changes", status_code=202, responses=documented(*START_ERRORS, NothingChanged, RevealChallengeMissing)
)
async def change_two_factor(body: NewTwoFactorChange, opening: UsedOpening) -> RequestOut:
    """Begin a change: it waits for a code of the present method, then for one of the new authenticator or phone.

    Once it is carried out, the person's signed-in browsers are signed out.
    """
    change = TwoFactorChange(to=body.to, phone=body.phone, reveal_challenge=body.reveal_challenge)
    return await opening.accept(partial(security.open_change, change=change), body)


@router.post("/requests/{request_id}/recovery-code", dependencies=_CODES, responses=documented(*_ERRORS, *_CODE_ERRORS))
async def enter_recovery_code(body: RecoveryCodeIn, addressed: UsedRequest) -> RequestOut:
    """Enter a recovery code where a change waits for the code of the present method, which is lost."""
    message = RecoveryCode(actor=addressed.owner.actor, code=body.code, reveal_challenge=body.reveal_challenge)
    return await addressed.send(message)


@router.post("/requests/{request_id}/enrolment", dependencies=_CODES, responses=documented(*_ERRORS, RevealRefused))
async def show_enrolment(body: EnrolmentIn, addressed: UsedRequest) -> EnrolmentOut:
    """Show what the new authenticator is set up with, while its code is awaited."""
    shown = await security.enrolment(
        addressed.services.desk,
        addressed.request.id,
        at=now(),
        actor=addressed.owner.actor,
        verifier=body.reveal_verifier,
    )
    return EnrolmentOut(secret=shown.secret, otpauth_uri=shown.uri)


@router.post(
    "/requests/{request_id}/recovery-codes",
    dependencies=_CODES,
    responses=documented(*_ERRORS, RevealRefused, SecretGone),
)
async def show_recovery_codes(body: RevealIn, addressed: UsedRequest) -> RecoveryCodesOut:
    """Show new recovery codes, within half an hour of the change; earlier ones are good no more."""
    codes = await security.show_recovery_codes(
        addressed.services.desk,
        addressed.request.id,
        verifier=body.reveal_verifier,
        at=now(),
        actor=addressed.owner.actor,
    )
    return RecoveryCodesOut(codes=codes)
