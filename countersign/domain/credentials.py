"""Credentials: kinds, statuses and the one table of legal transitions."""

from enum import StrEnum

from countersign.domain.errors import WrongStatus


class CredentialKind(StrEnum):
    """What a customer trades with."""

    API_KEY = "api_key"
    FIX = "fix"


class SessionType(StrEnum):
    """The FIX credential's purpose (article: FOR TRADE SESSION, FOR MARKET DATA SESSION)."""

    TRADE = "trade"
    MARKET_DATA = "market_data"


class CredentialStatus(StrEnum):
    """Only ``active`` opens anything."""

    INACTIVE = "inactive"
    AWAITING_ACTIVATION = "awaiting_activation"
    ACTIVE = "active"
    DISCARDED = "discarded"


TRANSITIONS: dict[CredentialStatus, frozenset[CredentialStatus]] = {
    CredentialStatus.INACTIVE: frozenset(
        {CredentialStatus.AWAITING_ACTIVATION, CredentialStatus.ACTIVE, CredentialStatus.DISCARDED}
    ),
    CredentialStatus.AWAITING_ACTIVATION: frozenset({CredentialStatus.ACTIVE, CredentialStatus.INACTIVE}),
    CredentialStatus.ACTIVE: frozenset({CredentialStatus.INACTIVE}),
    CredentialStatus.DISCARDED: frozenset(),
}


def move(status: CredentialStatus, to: CredentialStatus) -> CredentialStatus:
    """Return ``to`` when the transition is legal, else raise ``WrongStatus``."""
    if to not in TRANSITIONS[status]:
        raise WrongStatus(f"A credential that is {status} cannot become {to}.", credential_status=status)
    return to
