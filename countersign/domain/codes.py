"""One-time codes: windows, resends and the verdict on an entered code.

SMS and email codes are HOTP values (RFC 4226) whose counter is the number of the send; authenticator codes
are TOTP values (RFC 6238), each time step good once (section 5.2).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from countersign.domain.rules import Rules

CODE_LENGTH = 6
_CODE = re.compile(rf"[0-9]{{{CODE_LENGTH}}}")
_GROUPING = re.compile("[\\s\u2010-\u2015-]")


@dataclass(frozen=True)
class Window:
    """One send of a code, or one opening of the authenticator's window."""

    number: int
    opened_at: datetime
    expires_at: datetime


def open_window(*, number: int, at: datetime, rules: Rules) -> Window:
    """Return the window of send ``number`` made at ``at``."""
    return Window(number=number, opened_at=at, expires_at=at + rules.code_lifetime)


def live(windows: list[Window], *, at: datetime) -> list[Window]:
    """Return the windows still good at ``at``; a window is dead from its expiry on, to the microsecond."""
    return [window for window in windows if at < window.expires_at]


def resend_at(newest: Window, *, rules: Rules) -> datetime:
    """Return when the next code may be asked for."""
    return newest.opened_at + rules.resend_after


def retry_after(moment: datetime, *, at: datetime) -> int:
    """Return the whole seconds from ``at`` until ``moment``, at least 1 (RFC 9110, Retry-After)."""
    return max(1, -int((at - moment) // timedelta(seconds=1)))


def normalize_code(text: str) -> str | None:
    """Return the six ASCII digits of what a person typed (spaces and hyphens allowed), or None."""
    digits = _GROUPING.sub("", text)
    return digits if _CODE.fullmatch(digits) else None
