"""Changes to how a person is reached and confirms: they cancel what the person has under way."""

from dataclasses import dataclass
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
from countersign.effects.work import Desk, Work, found
from countersign.storage import accounts, oversight, requests, users
from countersign.storage.database import Connection
from countersign.storage.requests import Request
from countersign.storage.users import User

_REASON = "email, phone or two-factor method changed"


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

    Raises ``NotFound``, ``NothingChanged``, ``InvalidInput`` for what is no address, number or possible method, and
    ``Conflict`` for an email of someone else or a user whom no account's audit trail could tell of.
    """
    async with desk.database.transaction() as connection:
        trails = [
            await _on_account(desk, connection, account_id, at=at, actor=actor)
            for account_id in await oversight.accounts_concerning(connection, user_id)
        ]
        before = found(await users.get(connection, user_id))
        if not trails:
            raise Conflict("This user has no account, so no audit trail could tell of the change.")
        after = _changed(before, change)
        await _store(connection, before, after)
        return [request for work in trails for request in await _tell_and_cancel(work, before, after)]


def parse_email(text: str) -> str:
    """Return the address in its normal form, or raise ``InvalidInput`` without repeating it; asks no DNS."""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        raise InvalidInput("This is no email address.") from None


def parse_phone(text: str) -> str:
    """Return the number in E.164 form, or raise ``InvalidInput`` without repeating it."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise InvalidInput("A phone number begins with + and the country code.") from None
    if not phonenumbers.is_valid_number(number):
        raise InvalidInput("There is no such phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


async def _on_account(desk: Desk, connection: Connection, account_id: UUID, *, at: datetime, actor: Actor) -> Work:
    account = found(await accounts.lock(connection, account_id))
    return Work(connection=connection, account=account, at=at, actor=actor, rules=desk.rules, keys=desk.keys)


def _changed(user: User, change: UserChange) -> User:
    if change.two_factor is TwoFactorMethod.AUTHENTICATOR:
        raise InvalidInput("An authenticator is set up by its owner alone.")
    after = user.model_copy(
        update={
            "email": user.email if change.email is None else parse_email(change.email),
            "phone": user.phone if change.phone is None else parse_phone(change.phone),
            "two_factor_method": change.two_factor or user.two_factor_method,
        }
    )
    if after.two_factor_method is TwoFactorMethod.SMS and after.phone is None:
        raise InvalidInput("Codes by SMS need a phone number.")
    if not _differences(user, after):
        raise NothingChanged("The user is like that already.")
    return after


async def _store(connection: Connection, before: User, after: User) -> None:
    try:
        await users.set_contact(connection, after.id, email=after.email, phone=after.phone)
    except psycopg.errors.UniqueViolation:
        raise Conflict("Another user has that email address.") from None
    if after.two_factor_method is not before.two_factor_method:
        await users.set_two_factor(connection, after.id, method=after.two_factor_method, totp_seed=None)


async def _tell_and_cancel(work: Work, before: User, after: User) -> list[Request]:
    await work.audit(AuditTag.USER_CHANGED, user_id=str(after.id), **_differences(before, after))
    under_way = await requests.open_of_user(work.connection, account_id=work.account.id, user_id=after.id)
    for request in under_way:
        await _end(work, request)
    return under_way


async def _end(work: Work, request: Request) -> None:
    if not await end_overdue_from_outside(work, request):
        await end_from_outside(work, request, Outcome.CANCELLED, reason=_REASON)


def _differences(before: User, after: User) -> dict[str, Any]:
    """Return what differs, masked: the audit trail keeps no whole address or number."""
    shown = {
        "email": (mask_email(before.email), mask_email(after.email)),
        "phone": (mask_phone(before.phone or ""), mask_phone(after.phone or "")),
        "two_factor_method": (before.two_factor_method, after.two_factor_method),
    }
    return {
        name: {"before": old, "after": new}
        for name, (old, new) in shown.items()
        if getattr(before, name) != getattr(after, name)
    }
