"""Challenges: opening them, sending again, and checking what a person entered."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import cast
from uuid import UUID, uuid4

import pyotp

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.audit import AuditTag
from countersign.domain.codes import CODE_LENGTH, Window, live, normalize_code, open_window, resend_at, retry_after
from countersign.domain.errors import (
    CodeAlreadyUsed,
    CodeExpired,
    InvalidInput,
    InvalidLink,
    NotAtThisStep,
    ResendTooEarly,
    TooManyCodes,
    TooManyWrongCodes,
    WrongCode,
)
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import CODE_STEPS, TWO_FACTOR_STEPS, WRONG_CODES_OUTCOME, Channel, Journey, Step
from countersign.effects import totp
from countersign.effects.authority import require_thawed
from countersign.effects.ending import end_request, is_overdue
from countersign.effects.notices import tell_owners_of_freeze
from countersign.effects.sms import count_sms, hold_sms, require_sms_left
from countersign.effects.work import Work, found
from countersign.storage import accounts, challenges, requests, verdicts
from countersign.storage.challenges import NewChallenge
from countersign.storage.requests import Request

_HOUR = timedelta(hours=1)
TWO_FACTOR_CHANNELS = {TwoFactorMethod.AUTHENTICATOR: Channel.AUTHENTICATOR, TwoFactorMethod.SMS: Channel.SMS}


async def open_challenge(work: Work, request: Request, *, step: Step, channel: Channel) -> None:
    """Move the request to a step that asks for a code, and open the first window."""
    if channel is Channel.SMS:
        await count_sms(work)
    window = open_window(number=1, at=work.at, rules=work.rules)
    new = NewChallenge(
        id=uuid4(),
        request_id=request.id,
        account_id=work.account.id,
        step=step,
        channel=channel,
        key_id=work.keys.current,
    )
    deadline = _deadline(work, request, step, window)
    await challenges.begin(work.connection, new, window=window, deadline=deadline)


async def resend(work: Work, request: Request) -> None:
    """Send a new code, or open the authenticator's window again; earlier codes stay good for their own time.

    Raises ``NotAtThisStep``, ``CodeExpired``, ``ResendTooEarly``, ``TooManyCodes``, ``TooManySms`` or
    ``SmsSuspended``; all but the first two tell in ``retry_after`` how many seconds to wait.
    """
    if request.step not in CODE_STEPS:
        raise NotAtThisStep(f"No code is asked for at the step {request.step}.", step=request.step)
    # The newest code's end interrupts a FIX creation: no deadline that only tidies up, so a late message loses.
    if request.journey is Journey.CREATE_FIX and is_overdue(request, at=work.at):
        raise CodeExpired
    windows = await challenges.windows(work.connection, _challenge_id(request))
    earliest = resend_at(windows[-1], rules=work.rules)
    if work.at < earliest:
        raise ResendTooEarly(retry_after=retry_after(earliest, at=work.at))
    channel = cast("Channel", request.channel)
    require_thawed(work)
    await require_sendable(work, channel)
    window = await _add_window(work, _challenge_id(request), channel=channel, number=windows[-1].number + 1)
    if request.step in TWO_FACTOR_STEPS:
        deadline = _deadline(work, request, request.step, window)
        await requests.update(work.connection, request.id, deadline=deadline)
    work.audit_request(AuditTag.CODE_REQUESTED, request, step=request.step, number=window.number)


async def require_sends_left(work: Work, channel: Channel) -> None:
    """Raise ``TooManyCodes`` when the account had its codes for this hour, those about to be sent included.

    For SMS also ``TooManySms`` and ``SmsSuspended``.
    """
    if channel is Channel.AUTHENTICATOR:
        return
    codes_per_hour, sms_per_day = work.rules.code_sends_per_hour, work.rules.sms_per_account_and_day
    spent = await challenges.spent(
        work.connection, work.account.id, at=work.at, codes_per_hour=codes_per_hour, sms_per_day=sms_per_day
    )
    if spent.starting >= codes_per_hour:
        raise TooManyCodes(retry_after=60)
    if spent.code_at is not None:
        raise TooManyCodes(retry_after=retry_after(spent.code_at + _HOUR, at=work.at))
    if channel is Channel.SMS:
        require_sms_left(work, spent)


async def require_sendable(work: Work, channel: Channel) -> None:
    """Raise as ``require_sends_left`` does, where the code is made in the same transaction: it will not fail then."""
    await require_sends_left(work, channel)
    if channel is Channel.SMS:
        await hold_sms(work)


async def check_code(work: Work, request: Request, text: str) -> None:
    """Return when the code is right, and use it up; else count it and raise.

    Raises ``WrongCode`` (with ``attempts_left``; the last one ends the step), ``CodeExpired``,
    ``CodeAlreadyUsed``, ``TooManyWrongCodes``, ``IssuingFrozen`` or ``InvalidInput``; only the first is counted.
    """
    windows, nth_wrong_at = await challenges.tried(
        work.connection,
        _challenge_id(request),
        account_id=work.account.id,
        since=work.at - _HOUR,
        n=work.rules.wrong_codes_per_hour,
    )
    _require_attempts_left(work, nth_wrong_at)
    code = normalize_code(text)
    if code is None:
        raise InvalidInput(f"A code has {CODE_LENGTH} digits.")
    good = live(windows, at=work.at)
    if not good:
        raise CodeExpired
    await attempt(work, request, partial(_is_right, work, request, code, good))


async def attempt(work: Work, request: Request, is_right: Callable[[], Awaitable[bool]]) -> None:
    """Count an attempt, then compare: return when it was right, else raise ``WrongCode``; the last ends the step."""
    # Counted before the comparison: whatever happens after it, the attempt was made.
    wrong = await _count_attempt(work, request)
    if await is_right():
        await _solve(work, request)
        return
    await _refuse(work, request, wrong=wrong)


async def require_attempts_left(work: Work) -> None:
    """Raise ``IssuingFrozen``, or ``TooManyWrongCodes`` when the account had its wrong codes for this hour."""
    nth_wrong_at = await verdicts.nth_newest_wrong(
        work.connection, work.account.id, since=work.at - _HOUR, n=work.rules.wrong_codes_per_hour
    )
    _require_attempts_left(work, nth_wrong_at)


def _require_attempts_left(work: Work, nth_wrong_at: datetime | None) -> None:
    require_thawed(work)
    if nth_wrong_at is not None:
        raise TooManyWrongCodes(retry_after=retry_after(nth_wrong_at + _HOUR, at=work.at))


async def check_link(work: Work, request: Request, token: str) -> None:
    """Return when the token is one of this step's activation links, and use it up.

    Raises ``InvalidLink`` or ``IssuingFrozen``; neither is counted.
    """
    require_thawed(work)
    windows = await challenges.windows(work.connection, _challenge_id(request))
    expected = [
        link_token(work.keys, _challenge_id(request), window.number, key_id=request.key_id) for window in windows
    ]
    if not any(hmac.compare_digest(token.encode(), each.encode()) for each in expected):
        raise InvalidLink
    await challenges.solve(work.connection, _challenge_id(request), at=work.at)


def one_time_code(keys: KeyRing, challenge_id: UUID, number: int, *, key_id: str | None) -> str:
    """Return the HOTP value (RFC 4226) of a send: the key is the challenge's own, the counter the send's number."""
    key = keys.mac(Purpose.ONE_TIME_CODE, challenge_id.bytes, key_id=key_id)
    return pyotp.HOTP(base64.b32encode(key).decode(), digits=CODE_LENGTH).at(number)


def link_token(keys: KeyRing, challenge_id: UUID, number: int, *, key_id: str | None) -> str:
    """Return the token of a send's activation link: 256 bits as base64url."""
    mac = keys.mac(Purpose.ACTIVATION_LINK, challenge_id.bytes + number.to_bytes(4), key_id=key_id)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def _challenge_id(request: Request) -> UUID:
    return found(request.challenge_id)


def _deadline(work: Work, request: Request, step: Step, window: Window) -> datetime:
    if step is Step.ACTIVATION_CODE:
        return work.at + work.rules.activation_unconfirmed
    # A FIX creation is interrupted when its newest code runs out (article: FIX Credentials creation).
    if request.journey is Journey.CREATE_FIX:
        return window.expires_at
    return work.at + work.rules.two_factor_idle


async def _add_window(work: Work, challenge_id: UUID, *, channel: Channel, number: int) -> Window:
    window = open_window(number=number, at=work.at, rules=work.rules)
    if channel is Channel.SMS:
        await count_sms(work)
    await challenges.add_send(
        work.connection, challenge_id=challenge_id, account_id=work.account.id, channel=channel, window=window
    )
    return window


async def _count_attempt(work: Work, request: Request) -> int:
    wrong = (request.wrong_codes or 0) + 1
    in_a_row = work.account.wrong_codes_in_a_row + 1
    await challenges.count_wrong_codes(work.connection, _challenge_id(request), wrong=wrong, in_a_row=in_a_row)
    return wrong


async def _uncount_attempt(work: Work, request: Request) -> None:
    wrong, in_a_row = request.wrong_codes or 0, work.account.wrong_codes_in_a_row
    await challenges.count_wrong_codes(work.connection, _challenge_id(request), wrong=wrong, in_a_row=in_a_row)


async def _solve(work: Work, request: Request) -> None:
    await challenges.count_wrong_codes(
        work.connection, _challenge_id(request), wrong=request.wrong_codes or 0, in_a_row=0, solved_at=work.at
    )


async def _refuse(work: Work, request: Request, *, wrong: int) -> None:
    left = max(0, work.rules.wrong_codes_per_step - wrong)
    work.audit_request(AuditTag.CODE_WRONG, request, step=request.step, attempts_left=left)
    if work.account.wrong_codes_in_a_row + 1 >= work.rules.wrong_codes_before_freeze:
        await accounts.set_frozen(work.connection, work.account.id, work.at)
        work.audit_request(AuditTag.ISSUING_FROZEN, request)
        await tell_owners_of_freeze(work, request_id=request.id)
    if left == 0:
        await end_request(work, request, WRONG_CODES_OUTCOME[request.step], reason="too many wrong codes")
    raise WrongCode(attempts_left=left)


async def _is_right(work: Work, request: Request, code: str, windows: list[Window]) -> bool:
    if request.channel is Channel.AUTHENTICATOR:
        return await _is_right_totp(work, request, code)
    expected = [
        one_time_code(work.keys, _challenge_id(request), each.number, key_id=request.key_id) for each in windows
    ]
    return any(hmac.compare_digest(code, each) for each in expected)


async def _is_right_totp(work: Work, request: Request, code: str) -> bool:
    step = await totp.matching_step(work, request, code)
    if step is None:
        return False
    if not await totp.use_step(work, request, step):
        await _uncount_attempt(work, request)
        raise CodeAlreadyUsed
    return True
