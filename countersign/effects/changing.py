"""Changing how a person confirms, step by step: the present factor, then the new one, then the change itself."""

from countersign.domain.errors import RevealChallengeMissing
from countersign.domain.messages import RecoveryCode
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import ChangeTo, Channel, Journey, Outcome, Step
from countersign.effects.authority import require_requester
from countersign.effects.codes import open_challenge, require_sendable
from countersign.effects.ending import end_overdue, end_request, is_overdue
from countersign.effects.people import change_two_factor
from countersign.effects.recovery import check_recovery_code
from countersign.effects.steps import closed, not_at_this_step, require_step
from countersign.effects.totp import enrolled_seed, new_sealed_seed
from countersign.effects.work import Work, found
from countersign.storage import requests
from countersign.storage.requests import Request


def issues_recovery_codes(request: Request) -> bool:
    """Tell whether new recovery codes are shown once the request is done: they are when two-factor is turned on."""
    if request.journey is not Journey.CHANGE_TWO_FACTOR:
        return False
    return request.change_to is ChangeTo.RECOVERY_CODES or request.two_factor_method is TwoFactorMethod.NONE


async def require_passable(work: Work, request: Request) -> None:
    """Raise ``TooManyCodes`` and the like when the code of the next step could not be sent: none is used up in vain."""
    if request.step is Step.TWO_FACTOR_CODE and request.change_to is ChangeTo.SMS:
        await require_sendable(work, Channel.SMS)


async def pass_recovery_code(work: Work, request: Request, message: RecoveryCode) -> None:
    """Take a recovery code in place of the present factor's code; creating keys needs the factor itself."""
    require_requester(work, request)
    require_step(request, Step.TWO_FACTOR_CODE)
    if request.journey is not Journey.CHANGE_TWO_FACTOR:
        raise not_at_this_step(request)
    # It has no window of its own that would run out before the step does.
    if is_overdue(request, at=work.at):
        await end_overdue(work, request)
        raise closed(await work.reload(request))
    if issues_recovery_codes(request) and message.reveal_challenge is None:
        raise RevealChallengeMissing
    await require_passable(work, request)
    await check_recovery_code(work, request, message.code)
    await proceed(work, request, message.reveal_challenge)


async def proceed(work: Work, request: Request, reveal_challenge: str | None) -> None:
    """After a right code: ask the new factor for one, or carry the change out."""
    await _follow_the_code(work, request, reveal_challenge)
    if request.step is Step.TWO_FACTOR_CODE and found(request.change_to).enrols:
        await ask_for_new_factor(work, request)
    else:
        await _carry_out(work, request)


async def ask_for_new_factor(work: Work, request: Request) -> None:
    """Make the new authenticator's seed, or send a code to the new phone, and wait for the code."""
    if request.change_to is ChangeTo.AUTHENTICATOR:
        await requests.update(work.connection, request.id, reveal_sealed=new_sealed_seed(work, request))
    channel = Channel(found(request.change_to))
    await open_challenge(work, request, step=Step.NEW_FACTOR_CODE, channel=channel)


async def _follow_the_code(work: Work, request: Request, reveal_challenge: str | None) -> None:
    """Show what is shown once to whoever entered the code; who did not begin the change has no session kept."""
    if reveal_challenge == request.reveal_challenge:
        return
    # The session that began it may be a thief's, who waits for the person to enter the code in another.
    reveal_challenge = reveal_challenge or request.reveal_challenge
    await requests.update(work.connection, request.id, reveal_challenge=reveal_challenge, kept_session=None)


async def _carry_out(work: Work, request: Request) -> None:
    change_to = found(request.change_to)
    phone = await requests.read_new_phone(work.connection, request.id)
    seed = await enrolled_seed(work, request) if change_to is ChangeTo.AUTHENTICATOR else None
    kept = await requests.read_kept_session(work.connection, request.id)
    # Ended first: what the person has under way is cancelled by the change, and the end erases all that was read here.
    await end_request(work, request, Outcome.CHANGED)
    if change_to is not ChangeTo.RECOVERY_CODES:
        method = change_to.method
        await change_two_factor(work, request, method=method, phone=phone, totp_seed=seed, kept_session=kept)
