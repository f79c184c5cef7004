"""What audit events say of credentials: whoever writes to the credentials alone leaves them unexplained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from countersign.domain.audit import AuditTag, Recorded
from countersign.domain.credentials import CredentialStatus


class Standing(NamedTuple):
    """A credential as the database has it."""

    account_id: str
    id: str
    status: str
    permissions: Sequence[str]
    ip_whitelist: Sequence[str]
    funds_from: datetime | None
    trading_limits: Sequence[Any]


@dataclass
class Told:
    """What the events say last of one credential; None where none of them says anything."""

    number: int = 0
    status: str | None = None
    granted: tuple[list[str], list[str]] | None = None
    held_until: datetime | None = None
    trading_limits: list[Any] | None = None


class Explanations:
    """Gathers what events say of credentials; they are taken in the order of their numbers."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}

    def take(self, event: Recorded) -> None:
        """Take the next event of an account."""
        if event.credential_id is None or not isinstance(event.details, dict):
            return
        told = self._told.setdefault(event.credential_id, Told())
        if _tells(told, event.event, event.details):
            told.number = event.number

    def told_of(self, credential: Standing) -> Told:
        """Return what the events say of the credential."""
        return self._told.get(credential.id, Told())


def tells_all(told: Told, *, of: Standing) -> bool:
    """Tell whether the events say enough to judge the credential by, should earlier ones be missing."""
    knows_limits = told.trading_limits is not None or not of.trading_limits
    return told.status is not None and told.granted is not None and knows_limits


def difference(credential: Standing, told: Told, *, at: datetime) -> str | None:
    """Return in which way the credential is not what the events say, or None if it is; ``at`` is the present."""
    status = told.status or CredentialStatus.INACTIVE
    if credential.status != status:
        return f"is {credential.status}, and the trail leaves it {status}"
    if told.granted != (list(credential.permissions), list(credential.ip_whitelist)):
        return "has not the permissions and the IP whitelist that the trail gives it"
    if list(credential.trading_limits) != (told.trading_limits or []):
        return "has not the trading limits that the trail gives it"
    until = told.held_until
    if until is None or until <= at or (credential.funds_from is not None and credential.funds_from >= until):
        return None
    return f"has its funds permissions before {until:%Y-%m-%d %H:%M} UTC, until when the trail holds them back"


def _tells(told: Told, event: str, details: dict[str, Any]) -> bool:
    if event == AuditTag.CREDENTIAL_STATUS:
        told.status = str(details.get("after"))
    elif event == AuditTag.CREDENTIAL_EDITED:
        _grant(told, details.get("after"))
    elif event == AuditTag.REQUEST_OPENED and str(details.get("journey")).startswith("create-"):
        _grant(told, details)
    elif event == AuditTag.FUNDS_HELD:
        told.held_until = _moment(details.get("until"))
    else:
        return False
    return True


def _grant(told: Told, details: Any) -> None:
    told.granted = _granted(details)
    # Events of releases without trading limits say nothing of them, and leave them as they are.
    limits = details.get("trading_limits") if isinstance(details, dict) else None
    told.trading_limits = limits if isinstance(limits, list) else told.trading_limits


def _granted(details: Any) -> tuple[list[str], list[str]] | None:
    try:
        return list(details["permissions"]), list(details["ip_whitelist"])
    except (KeyError, TypeError):
        return None


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
