"""Users, their roles and their two-factor method."""

from enum import StrEnum

_SHORTEST_PHONE = 6


class TwoFactorMethod(StrEnum):
    """How a user confirms with a second factor."""

    NONE = "none"
    AUTHENTICATOR = "authenticator"
    SMS = "sms"


class Role(StrEnum):
    """What a user is to an account, or to the house."""

    OWNER = "owner"
    MEMBER = "member"
    ACCOUNT_MANAGER = "account_manager"
    OPS = "ops"


def mask_phone(phone: str) -> str:
    """Return the phone number with all but its last two digits hidden; a very short one is hidden whole."""
    return f"•••{phone[-2:]}" if len(phone) >= _SHORTEST_PHONE else "•••"


def mask_email(email: str) -> str:
    """Return the address with all but the first letter of its local part hidden, and a single letter too."""
    local, _, domain = email.rpartition("@")
    if not local:
        return "•••"
    shown = local[0] if len(local) > 1 else ""
    return f"{shown}•••@{domain}"
