"""The links in mails that stop what the mail tells of: what they are about, and what a press did."""

from enum import StrEnum


class StopKind(StrEnum):
    """What a link stops; the value is part of what its token is derived from."""

    CREDENTIAL = "credential"
    SECURITY_CHANGE = "security_change"


class StopEffect(StrEnum):
    """What the first press of a link did; each later one tells the same and does nothing."""

    CANCELLED = "cancelled"
    DEACTIVATED = "deactivated"
    NOTHING_LEFT = "nothing_left"
    FROZEN = "frozen"
