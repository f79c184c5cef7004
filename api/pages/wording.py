"""The words of the articles for what people see, and how moments and spans read."""

import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from api.services import now
from countersign.domain.credentials import CredentialStatus, SessionType
from countersign.domain.holding import held_until
from countersign.domain.people import TwoFactorMethod, mask_email, mask_phone
from countersign.domain.permissions import ALSO_CALLED, EXPLANATIONS, FUNDS, Permission
from countersign.domain.requests import ChangeTo, Channel, Delivery, Journey, Outcome, Step
from countersign.domain.verification import Outcome as Came
from countersign.storage.credentials import Credential

_MINUTE = 60

PERMISSIONS = {level: level.value.replace("_", " ").title() for level in Permission}
STATUSES = {
    CredentialStatus.INACTIVE: "Inactive",
    CredentialStatus.AWAITING_ACTIVATION: "Awaiting activation",
    CredentialStatus.ACTIVE: "Active",
    CredentialStatus.DISCARDED: "Discarded",
}
SESSION_TYPES = {SessionType.TRADE: "Trade session", SessionType.MARKET_DATA: "Market data session"}
METHODS = {
    TwoFactorMethod.NONE: "Off",
    TwoFactorMethod.AUTHENTICATOR: "Authenticator app",
    TwoFactorMethod.SMS: "SMS",
}
JOURNEYS = {
    Journey.CREATE_API_KEY: "Create API key",
    Journey.CREATE_FIX: "Create FIX credentials",
    Journey.EDIT_API_KEY: "Edit API key",
    Journey.ACTIVATE_API_KEY: "Activate API key",
    Journey.ACTIVATE_FIX: "Activate FIX credentials",
    Journey.CHANGE_TWO_FACTOR: "Change two-factor authentication",
}
WAITING_FOR = {
    Step.STARTING: "Starting",
    Step.TWO_FACTOR_CODE: "Waits for your two-factor code",
    Step.NEW_FACTOR_CODE: "Waits for a code of the new method",
    Step.SECRET_SAVED: "Waits for your word that the secret is saved",
    Step.ACTIVATION_CHOICE: "Waits for ACTIVATE or ACTIVATE LATER",
    Step.ACTIVATION_CODE: "Waits for the code from your email",
    Step.ACCOUNT_MANAGER: "Waits for your account manager",
    Step.CLOSED: "Ended",
}
STEPS = {
    Step.STARTING: "Starting",
    Step.TWO_FACTOR_CODE: "Two-factor code",
    Step.NEW_FACTOR_CODE: "Code of the new method",
    Step.SECRET_SAVED: "Secret to be saved",
    Step.ACTIVATION_CHOICE: "Choice to activate",
    Step.ACTIVATION_CODE: "Email code",
    Step.ACCOUNT_MANAGER: "Account manager",
    Step.CLOSED: "Ended",
}
OUTCOMES_SHORT = {
    Outcome.ACTIVATED: "Activated",
    Outcome.LEFT_INACTIVE: "Left inactive",
    Outcome.EXPIRED: "Time ran out",
    Outcome.CANCELLED: "Cancelled",
    Outcome.REFUSED: "Refused",
    Outcome.REJECTED: "Rejected",
    Outcome.ABANDONED: "Discarded",
    Outcome.SUPERSEDED: "Superseded",
    Outcome.CHANGED: "Changed",
}
OUTCOMES = {
    **OUTCOMES_SHORT,
    Outcome.REFUSED: "Refused after too many wrong codes",
    Outcome.REJECTED: "Rejected by the account manager",
    Outcome.ABANDONED: "Discarded, because its secret was never acknowledged as saved",
    Outcome.SUPERSEDED: "Ended by a deactivation",
}
OUTCOME_HEADINGS = {
    **OUTCOMES_SHORT,
    Outcome.ACTIVATED: "Active",
    Outcome.SUPERSEDED: "Ended by a deactivation",
    Outcome.CHANGED: "Two-factor authentication changed",
}
CHANGES = {
    ChangeTo.AUTHENTICATOR: "Authenticator app",
    ChangeTo.SMS: "Codes by SMS",
    ChangeTo.OFF: "Turn off two-factor authentication?",
    ChangeTo.RECOVERY_CODES: "New recovery codes",
}
CALLS = {
    Came.ALLOWED: "Allowed",
    Came.BAD_SIGNATURE: "Denied: wrong signature or password",
    Came.CLOCK: "Denied: the timestamp was more than 20 seconds off",
    Came.REPLAYED: "Denied: the same signature was used before",
    Came.IP_NOT_ALLOWED: "Denied: IP address not on the whitelist",
    Came.PERMISSION: "Denied: permission missing or not in effect yet",
    Came.INACTIVE: "Denied: not active",
    Came.WRONG_SESSION_TYPE: "Denied: the other kind of session",
    Came.TOO_MANY_FAILURES: "Denied: too many failures from that address",
}
CHANNELS = {Channel.AUTHENTICATOR: "Authenticator app", Channel.SMS: "SMS", Channel.EMAIL: "Email"}
DELIVERIES = {
    Delivery.NOT_NEEDED: "Nothing to send",
    Delivery.SENDING: "Being sent",
    Delivery.SENT: "Sent",
    Delivery.FAILED: "Failed",
}


def clock(moment: datetime) -> Markup:
    """Return the moment in UTC as a ``<time>``; the page's script adds the reader's own time to its title."""
    shown = f"{moment:%d %b %Y, %H:%M} UTC".lstrip("0")
    # A list has hundreds of these: nothing in them needs escaping.
    return Markup(f'<time datetime="{moment.isoformat(timespec="seconds")}">{shown}</time>')  # noqa: S704 - of digits


def span(length: timedelta) -> str:
    """Return how long it is, in its two largest units: ``3 h 5 min``, ``4:07`` for less than an hour."""
    seconds = max(0, int(length.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes}:{seconds % 60:02}"


def countdown(moment: datetime) -> Markup:
    """Return the time left until ``moment``; the page's script counts on from there and looks again at its end."""
    left = max(timedelta(), moment - now())
    seconds = int(left.total_seconds()) + 1
    return Markup('<span class="countdown" data-countdown="{}">{}</span>').format(seconds, span(left))


def since(moment: datetime) -> str:
    """Return how long it has been, in its two largest units down to minutes: ``3 h 5 min``, ``less than a minute``."""
    length = now() - moment
    minutes = int(length.total_seconds()) // _MINUTE
    if minutes < _MINUTE:
        return f"{minutes} min" if minutes > 0 else "less than a minute"
    return span(length)


def seconds(count: int) -> str:
    """Return a number of seconds as people say it, rounded up to whole minutes from one minute on."""
    number, unit = (count, "second") if count < _MINUTE else (-(-count // _MINUTE), "minute")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def in_fours(text: str) -> str:
    """Return the text in groups of four characters, to be typed from the screen."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def funds_begin(credential: Credential) -> datetime | None:
    """Return from when on the credential's funds permissions are in effect; None where they are, or it has none."""
    funds = set(credential.permissions) & FUNDS
    return held_until(credential.funds_from, at=now()) if funds else None


def visible(text: str) -> str:
    """Return the text without control and format characters, which could turn a line around or hide in it."""
    return "".join(" " if unicodedata.category(mark) in {"Cc", "Cf", "Zl", "Zp"} else mark for mark in text)


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "countdown": countdown,
    "funds_begin": funds_begin,
    "in_fours": in_fours,
    "mask_email": mask_email,
    "mask_phone": mask_phone,
    "seconds": seconds,
    "since": since,
    "visible": visible,
}
GLOBALS: dict[str, Any] = {
    "ALSO_CALLED": ALSO_CALLED,
    "CALLS": CALLS,
    "CHANGES": CHANGES,
    "CHANNELS": CHANNELS,
    "DELIVERIES": DELIVERIES,
    "EXPLANATIONS": EXPLANATIONS,
    "FUNDS": FUNDS,
    "JOURNEYS": JOURNEYS,
    "METHODS": METHODS,
    "OUTCOMES": OUTCOMES,
    "OUTCOME_HEADINGS": OUTCOME_HEADINGS,
    "OUTCOMES_SHORT": OUTCOMES_SHORT,
    "PERMISSIONS": PERMISSIONS,
    "SESSION_TYPES": SESSION_TYPES,
    "STATUSES": STATUSES,
    "STEPS": STEPS,
    "WAITING_FOR": WAITING_FOR,
}
