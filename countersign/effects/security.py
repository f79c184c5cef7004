"""A person's account security as its pages and routes need it: how it stands, changing it, and what is shown once."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import pyotp

from countersign.domain.audit import AuditTag
from countersign.domain.errors import (
    InvalidInput,
    NothingChanged,
    RequestOpen,
    RevealChallengeMissing,
    SecretGone,
    TwoFactorNotEnabled,
)
from countersign.domain.messages import Actor
from countersign.domain.people import TwoFactorMethod, mask_email, mask_phone
from countersign.domain.requests import ChangeTo, Channel, Journey, Outcome, Step
from countersign.effects.authority import require_owner, require_requester, require_thawed
from countersign.effects.changing import issues_recovery_codes
from countersign.effects.codes import TWO_FACTOR_CHANNELS, require_sends_left
from countersign.effects.ending import end_overdue_from_outside, is_overdue
from countersign.effects.opening import open_request
from countersign.effects.people import parse_phone
from countersign.effects.recovery import replace_recovery_codes
from countersign.effects.secrets import require_verifier
from countersign.effects.steps import closed, not_at_this_step, require_step
from countersign.effects.totp import enrolling_seed
from countersign.effects.work import Desk, Work, found
from countersign.storage import accounts, recovery_codes, requests, users
from countersign.storage.database import Connection
from countersign.storage.requests import NewRequest, Request
from countersign.storage.users import User
from countersign.telemetry.calls import name_request

_ISSUER = "Countersign"


@dataclass(frozen=True)
class SecurityStanding:
    """How a person confirms; number and address are masked."""

    two_factor_method: TwoFactorMethod
    phone: str | None
    email: str
    recovery_codes_left: int
    open_change: UUID | None


@dataclass(frozen=True)
class TwoFactorChange:
    """What is to change, and who begins it; without ``phone``, SMS go to the number on file.

    Only the verifier of ``reveal_challenge`` (S256, RFC 7636) sees a new seed that no code comes before. The browser
    session whose token has the hash ``kept_session`` outlives the change if it enters all codes itself.
    """

    to: ChangeTo
    phone: str | None = field(default=None, repr=False)
    reveal_challenge: str | None = None
    kept_session: bytes | None = field(default=None, repr=False)
    request_id: UUID = field(default_factory=name_request)


@dataclass(frozen=True)
class Enrolment:
    """What a new authenticator is set up with: the seed in base32, and the URI that its QR code holds."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def standing(connection: Connection, user_id: UUID) -> SecurityStanding:
    """Return how the user's two-factor authentication stands; raises ``NotFound``."""
    user = found(await users.get(connection, user_id))
    change = await requests.open_of_credential(connection, user_id)
    is_open = change is not None and not is_overdue(change, at=datetime.now(UTC))
    return SecurityStanding(
        two_factor_method=user.two_factor_method,
        phone=mask_phone(user.phone) if user.phone else None,
        email=mask_email(user.email),
        recovery_codes_left=await recovery_codes.count_unused(connection, user_id),
        open_change=change.id if change is not None and is_open else None,
    )


async def open_change(work: Work, user_id: UUID, *, change: TwoFactorChange) -> Request:
    """Open a change of the user's two-factor authentication.

    Raises ``NothingChanged``, ``TwoFactorNotEnabled`` (recovery codes stand in for a method), ``InvalidInput`` for the
    number, ``RevealChallengeMissing``, ``RequestOpen``, and what stops every journey before it starts.
    """
    await require_owner(work, user_id)
    require_thawed(work)
    user = found(await users.get(work.connection, user_id))
    new_phone = _new_phone(user, change.to, change.phone, countries=work.rules.sms_country_codes)
    _require_change(user, change.to, new_phone)
    _require_challenge(user, change)
    await _require_none_open(work, user_id)
    await require_sends_left(work, _first_channel(user, change.to))
    return await open_request(work, _request(work, user, change, new_phone))


async def enrolment(
    desk: Desk, request_id: UUID, *, at: datetime, actor: Actor, verifier: str | None = None
) -> Enrolment:
    """Return what the new authenticator is set up with, while its code is awaited.

    Whoever sent a reveal challenge, with the code of the present factor or where there is none at the beginning, must
    give its verifier here: nobody else sees the seed. Raises ``RevealRefused``, ``NotTheRequester``, ``NotAtThisStep``
    or ``RequestClosed``.
    """
    async with desk.on_request(request_id, at=at, actor=actor) as (work, request):
        require_requester(work, request)
        if is_overdue(request, at=at):
            raise closed(request)
        require_step(request, Step.NEW_FACTOR_CODE)
        if request.change_to is not ChangeTo.AUTHENTICATOR:
            raise not_at_this_step(request)
        if request.reveal_challenge is not None:
            require_verifier(request, verifier or "")
        seed = await enrolling_seed(work, request)
        user = found(await users.get(work.connection, request.user_id))
        await _note_first_showing(work, request)
    return Enrolment(seed, pyotp.TOTP(seed).provisioning_uri(name=user.email, issuer_name=_ISSUER))


async def show_recovery_codes(desk: Desk, request_id: UUID, *, verifier: str, at: datetime, actor: Actor) -> list[str]:
    """Return new recovery codes, which replace earlier ones, to whoever entered the code that ended the change.

    Raises ``RevealRefused``, ``NotTheRequester``, ``NotAtThisStep``, ``RequestClosed``, and ``SecretGone`` half an hour
    after the change.
    """
    async with desk.on_request(request_id, at=at, actor=actor) as (work, request):
        require_requester(work, request)
        _require_codes_issued(request, at=at)
        require_verifier(request, verifier)
        if at >= found(request.closed_at) + work.rules.recovery_codes_showable:
            raise SecretGone("The time to show them is over; ask for new ones.")
        user = found(await users.get(work.connection, request.user_id))
        if user.two_factor_method is TwoFactorMethod.NONE:
            raise SecretGone("Two-factor authentication was turned off since.")
        return await replace_recovery_codes(work, request)


async def _note_first_showing(work: Work, request: Request) -> None:
    if request.revealed_at is None:
        await requests.update(work.connection, request.id, revealed_at=work.at)
        work.audit_request(AuditTag.SEED_SHOWN, request)


def _require_codes_issued(request: Request, *, at: datetime) -> None:
    if not issues_recovery_codes(request):
        raise not_at_this_step(request)
    if request.outcome is None and not is_overdue(request, at=at):
        raise not_at_this_step(request)
    if request.outcome is not Outcome.CHANGED:
        raise closed(request)


def _new_phone(user: User, to: ChangeTo, phone: str | None, *, countries: Collection[int]) -> str | None:
    if to is not ChangeTo.SMS:
        if phone is not None:
            raise InvalidInput("A phone number goes with SMS alone.")
        return None
    if phone is None and user.phone is None:
        raise InvalidInput("Codes by SMS need a phone number.")
    return user.phone if phone is None else parse_phone(phone, countries=countries)


def _require_change(user: User, to: ChangeTo, new_phone: str | None) -> None:
    method = user.two_factor_method
    if to is ChangeTo.RECOVERY_CODES:
        if method is TwoFactorMethod.NONE:
            raise TwoFactorNotEnabled
        return
    if to is not ChangeTo.AUTHENTICATOR and to.method is method and new_phone in {None, user.phone}:
        raise NothingChanged("Two-factor authentication is like that already.")


def _require_challenge(user: User, change: TwoFactorChange) -> None:
    at_once = user.two_factor_method is TwoFactorMethod.NONE and change.to is ChangeTo.AUTHENTICATOR
    if at_once and change.reveal_challenge is None:
        raise RevealChallengeMissing("Without a reveal challenge nobody could be shown the new authenticator's key.")


async def _require_none_open(work: Work, user_id: UUID) -> None:
    request = await requests.open_of_credential(work.connection, user_id)
    if request is None:
        return
    there = await _where_it_is(work, request)
    if not await end_overdue_from_outside(there, request):
        detail = "A change of your two-factor authentication is still open; resume or cancel it."
        raise RequestOpen(detail, request_id=str(request.id))


async def _where_it_is(work: Work, request: Request) -> Work:
    # A person may have begun it in another account, and what ends it belongs to that one's trail.
    if request.account_id == work.account.id:
        return work
    return replace(work, account=found(await accounts.lock(work.connection, request.account_id)))


def _first_channel(user: User, to: ChangeTo) -> Channel:
    return TWO_FACTOR_CHANNELS.get(user.two_factor_method) or Channel(to)


def _request(work: Work, user: User, change: TwoFactorChange, new_phone: str | None) -> NewRequest:
    name = _NAMES[change.to].format(phone=mask_phone(new_phone or ""))
    return NewRequest(
        id=change.request_id,
        account_id=work.account.id,
        user_id=user.id,
        # What the request is about is the person: one change at a time, in whichever account.
        credential_id=user.id,
        credential_version=1,
        journey=Journey.CHANGE_TWO_FACTOR,
        name=name,
        name_key=name,
        two_factor_method=user.two_factor_method,
        change_to=change.to,
        new_phone=new_phone,
        reveal_challenge=change.reveal_challenge,
        kept_session=change.kept_session,
    )


_NAMES = {
    ChangeTo.AUTHENTICATOR: "Two-factor by authenticator",
    ChangeTo.SMS: "Two-factor by SMS {phone}",
    ChangeTo.OFF: "Two-factor off",
    ChangeTo.RECOVERY_CODES: "Two-factor recovery codes",
}
