"""Changes to how a person is reached and confirms: they cancel what is under way, and end the person's sessions."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import phonenumbers
import psycopg
from email_validator import EmailNotValidError, validate_email

from countersign.domain.audit import AuditTag
from countersign.domain.errors import Conflict, InvalidInput, NothingChanged
from countersign.domain.messages import Actor
from countersign.domain.people import TwoFactorMethod, mask_email, mask_phone
from countersign.domain.requests import Outcome
from countersign.effects.ending import end_from_outside, end_overdue_from_outside
from countersign.effects.notices import tell_person
from countersign.effects.stop_links import SECURITY_CHANGE
from countersign.effects.work import Desk, Work, found
from countersign.storage import accounts, oversight, recovery_codes, requests, sessions, users
from countersign.storage.database import Connection
from countersign.storage.requests import Request
from countersign.storage.users import User

_REASON = "email, phone or two-factor method changed"
_COSTLY = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
    phonenumbers.PhoneNumberType.PAGER,
    phonenumbers.PhoneNumberType.UAN,
    phonenumbers.PhoneNumberType.VOICEMAIL,
}


@dataclass(frozen=True)
class UserChange:
    """What is to change; None leaves as it is. Addresses stay out of its repr."""

    email: str | None = None
    phone: str | None = None
    two_factor: TwoFactorMethod | None = None

    def __repr__(self) -> str:
        return f"UserChange(two_factor={self.two_factor})"


async def change_user(desk: Desk, user_id: UUID, change: UserChange, *, at: datetime, actor: Actor) -> list[Request]:
    """Carry out the change and cancel the user's open requests in all accounts; return these as they stood.

    All of the user's browsers are signed out. Raises ``NotFound``, ``NothingChanged``, ``InvalidInput`` for what is no
    address, number or possible method, and ``Conflict`` for an email of someone else or a user whom no account's audit
    trail could tell of.
    """
    async with desk.transaction() as trail:
        trails = [
            await desk.work_on(trail, account_id, at=at, actor=actor)
            for account_id in await oversight.accounts_concerning(trail.connection, user_id)
        ]
        before = found(await users.get(trail.connection, user_id))
        if not trails:
            raise Conflict("This user has no account, so no audit trail could tell of the change.")
        after = _changed(before, change, countries=desk.rules.sms_country_codes)
        await _tell_person(trails[0], before, after)
        return await _carry_out(trails, before, after)


async def change_two_factor(
    work: Work,
    asked: Request,
    *,
    method: TwoFactorMethod,
    phone: str | None,
    totp_seed: bytes | None,
    kept_session: bytes | None,
) -> list[Request]:
    """Let the user confirm otherwise from now on, as the end of the request that asked for it.

    The same as ``change_user`` does, within the transaction of ``work``, but that ``kept_session`` goes on; None as
    phone leaves it as it is.
    """
    trails = [
        replace(work, account=found(await accounts.lock(work.connection, account_id)))
        for account_id in await oversight.accounts_concerning(work.connection, asked.user_id)
    ]
    before = found(await users.get(work.connection, asked.user_id))
    after = before.model_copy(
        update={"two_factor_method": method, "phone": phone or before.phone, "totp_seed": totp_seed}
    )
    await _tell_person(work, before, after, request_id=asked.id)
    return await _carry_out(trails, before, after, request_id=asked.id, kept_session=kept_session)


def parse_email(text: str) -> str:
    """Return the address in its normal form, or raise ``InvalidInput`` without repeating it; asks no DNS."""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        raise InvalidInput("This is no email address.") from None


def parse_phone(text: str, *, countries: Collection[int] = ()) -> str:
    """Return the number in E.164 form, or raise ``InvalidInput`` without repeating it.

    Refused are kinds that cost more than a mobile number, and other country calling codes than ``countries`` if any are
    named: whoever sets a number chooses what each SMS to it costs.
    """
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise InvalidInput("A phone number begins with + and the country code.") from None
    if not phonenumbers.is_valid_number(number):
        raise InvalidInput("There is no such phone number.")
    if phonenumbers.number_type(number) in _COSTLY:
        raise InvalidInput("Codes are not sent to premium-rate, shared-cost and similar numbers; use a mobile number.")
    if countries and number.country_code not in countries:
        allowed = ", ".join(f"+{code}" for code in sorted(countries))
        raise InvalidInput(f"Codes by SMS go to numbers that begin with {allowed}.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _changed(user: User, change: UserChange, *, countries: Collection[int]) -> User:
    if change.two_factor is TwoFactorMethod.AUTHENTICATOR:
        raise InvalidInput("An authenticator is set up by its owner alone.")
    after = user.model_copy(
        update={
            "email": user.email if change.email is None else parse_email(change.email),
            "phone": user.phone if change.phone is None else parse_phone(change.phone, countries=countries),
            "two_factor_method": change.two_factor or user.two_factor_method,
            "totp_seed": None if change.two_factor else user.totp_seed,
        }
    )
    if after.two_factor_method is TwoFactorMethod.SMS and after.phone is None:
        raise InvalidInput("Codes by SMS need a phone number.")
    if not _differences(user, after):
        raise NothingChanged("The user is like that already.")
    return after


async def _carry_out(
    trails: list[Work],
    before: User,
    after: User,
    *,
    request_id: UUID | None = None,
    kept_session: bytes | None = None,
) -> list[Request]:
    await _store(trails[0].connection, before, after)
    changed = list(_differences(before, after))
    await users.note_security_change(trails[0].connection, after.id, at=trails[0].at, changed=changed)
    await sessions.delete_of_user(trails[0].connection, after.id, kept=kept_session)
    different = {"user_id": str(after.id), **_differences(before, after)}
    for work in trails:
        work.audit(AuditTag.USER_CHANGED, request_id=request_id, **different)
    return [request for work in trails for request in await cancel_what_is_under_way(work, after.id, reason=_REASON)]


async def _store(connection: Connection, before: User, after: User) -> None:
    try:
        await users.set_contact(connection, after.id, email=after.email, phone=after.phone)
    except psycopg.errors.UniqueViolation:
        raise Conflict("Another user has that email address.") from None
    if _confirms_otherwise(before, after):
        await users.set_two_factor(connection, after.id, method=after.two_factor_method, totp_seed=after.totp_seed)
    if after.two_factor_method is TwoFactorMethod.NONE:
        await recovery_codes.delete(connection, after.id)


async def cancel_what_is_under_way(work: Work, user_id: UUID, *, reason: str) -> list[Request]:
    """Cancel what the user began in the account and is open; return the requests as they stood."""
    under_way = await requests.open_of_user(work.connection, account_id=work.account.id, user_id=user_id)
    for request in under_way:
        if not await end_overdue_from_outside(work, request):
            await end_from_outside(work, request, Outcome.CANCELLED, reason=reason)
    return under_way


def _confirms_otherwise(before: User, after: User) -> bool:
    by_sms = after.two_factor_method is TwoFactorMethod.SMS
    return (
        after.two_factor_method is not before.two_factor_method
        or after.totp_seed != before.totp_seed
        or (by_sms and after.phone != before.phone)
    )


async def _tell_person(work: Work, before: User, after: User, *, request_id: UUID | None = None) -> None:
    await _tell_of_contact(work, before, after)
    if not _confirms_otherwise(before, after):
        return
    by_sms = after.two_factor_method is TwoFactorMethod.SMS
    await tell_person(
        work,
        after.id,
        "two_factor_changed",
        request_id=request_id,
        stop=SECURITY_CHANGE,
        before=before.two_factor_method,
        method=after.two_factor_method,
        phone=mask_phone(after.phone or "") if by_sms else "",
    )


async def _tell_of_contact(work: Work, before: User, after: User) -> None:
    """Tell of a new email at both addresses, and of a new phone unless it is told of as the one that codes go to."""
    new_email, new_phone = before.email != after.email, before.phone != after.phone
    if not new_email and (not new_phone or _confirms_otherwise(before, after)):
        return
    for address in (before.email, None) if new_email else (None,):
        await tell_person(
            work,
            after.id,
            "contact_changed",
            stop=SECURITY_CHANGE,
            address=address,
            email=mask_email(after.email) if new_email else "",
            phone=mask_phone(after.phone or "") if new_phone else "",
            confirms_otherwise=_confirms_otherwise(before, after),
        )


def _differences(before: User, after: User) -> dict[str, Any]:
    """Return what differs, masked: the audit trail keeps no whole address or number."""
    shown = {
        "email": (mask_email(before.email), mask_email(after.email)),
        "phone": (mask_phone(before.phone or ""), mask_phone(after.phone or "")),
        "two_factor_method": (before.two_factor_method, after.two_factor_method),
    }
    different: dict[str, Any] = {
        name: {"before": old, "after": new}
        for name, (old, new) in shown.items()
        if getattr(before, name) != getattr(after, name)
    }
    if before.totp_seed and after.totp_seed and before.totp_seed != after.totp_seed:
        different["authenticator"] = "replaced"
    return different
