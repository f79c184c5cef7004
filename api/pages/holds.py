"""What a page says of funds permissions that are held back: until when, and because of what."""

from dataclasses import dataclass
from datetime import datetime

from countersign.domain.holding import held_until, hold_ends
from countersign.domain.rules import Rules
from countersign.storage.credentials import Credential
from countersign.storage.users import User

_CHANGED = {
    "email": "your email address",
    "phone": "your phone number",
    "two_factor_method": "your two-factor authentication",
    "authenticator": "your authenticator",
}


@dataclass(frozen=True)
class Hold:
    """Funds permissions begin at ``until``; what the reader changed is empty where another owner's change counts."""

    until: datetime
    changed_at: datetime | None
    changed: str


def hold_of(user: User, credential: Credential | None, *, rules: Rules, at: datetime) -> Hold | None:
    """Return the hold on what the user creates, or edits or activates of the credential; None where there is none."""
    own, there = hold_ends(user.security_changed_at, rules=rules), credential.funds_from if credential else None
    until = held_until(own, there, at=at)
    if until is None:
        return None
    if until != own:
        return Hold(until=until, changed_at=None, changed="")
    changed = [told for name, told in _CHANGED.items() if name in user.security_changed]
    return Hold(until=until, changed_at=user.security_changed_at, changed=" and ".join(changed))
