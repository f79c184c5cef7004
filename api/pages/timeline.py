"""What happened, in words: the audit trail as people read it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from api.pages import wording
from api.services import Services
from api.trail import HIDDEN_FROM_OWNERS, as_owners_see
from countersign.domain.audit import AuditTag
from countersign.domain.messages import ActorKind
from countersign.domain.stops import StopEffect
from countersign.domain.trading_limits import TradingLimit
from countersign.storage import ledger, users
from countersign.storage.credentials import Credential
from countersign.storage.ledger import AuditEvent

_SHOWN = 200
_EDITED = ("permissions", "ip_whitelist", "trading_limits")
_MOMENT = "%d %b %Y, %H:%M UTC"
_STOPPED = {
    StopEffect.CANCELLED: "the request was cancelled",
    StopEffect.DEACTIVATED: "the key was deactivated",
    StopEffect.NOTHING_LEFT: "nothing was left to stop",
}
_NOBODY = {
    ActorKind.USER: "Someone",
    ActorKind.MAIL_LINK: "The link in a mail",
    ActorKind.SIGNAL: "The exchange's gateway",
    ActorKind.OPS: "Operations",
    ActorKind.SYSTEM: "Countersign",
}


@dataclass(frozen=True)
class Told:
    """One event as people read it."""

    at: datetime
    who: str
    what: str
    detail: str
    ip: str


async def timeline_of_credential(services: Services, credential: Credential) -> list[Told]:
    """Return what happened to a credential, newest first, as an account manager sees it."""
    async with services.core.database.connection() as connection:
        events = await ledger.events_of_credential(
            connection, credential.account_id, credential_id=credential.id, limit=_SHOWN
        )
    return await told(services, events)


async def timeline_for_owners(services: Services, credential: Credential) -> list[Told]:
    """Return what happened to a credential, newest first, as owners of its account see it."""
    account_id, hidden = credential.account_id, HIDDEN_FROM_OWNERS
    async with services.core.database.connection() as connection:
        events = await ledger.events_of_credential(
            connection, account_id, credential_id=credential.id, limit=_SHOWN, hidden=hidden
        )
        events = await as_owners_see(connection, account_id, events)
    return await told(services, events)


async def told(services: Services, events: list[AuditEvent]) -> list[Told]:
    """Return the events in words."""
    names = await _names(services, {event.actor_id for event in events if event.actor_id})
    return [
        Told(
            at=event.at,
            who=_who(event, names),
            what=_what(event),
            detail=_detail(event.details),
            ip=str(event.ip or ""),
        )
        for event in events
    ]


async def _names(services: Services, ids: set[UUID]) -> dict[UUID, str]:
    async with services.core.database.connection() as connection:
        return await users.names(connection, ids)


def _who(event: AuditEvent, names: dict[UUID, str]) -> str:
    kind, name = ActorKind(event.actor_kind), names.get(event.actor_id, "") if event.actor_id else ""
    if kind is ActorKind.MAIL_LINK:
        return f"{_NOBODY[kind]} to {name}"
    return name if event.actor_id else _NOBODY[kind]


def _what(event: AuditEvent) -> str:
    say = _TOLD.get(event.event)
    return say(event.details) if say else _PLAIN.get(event.event, event.event)


_PLAIN: dict[str, str] = {
    AuditTag.TWO_FACTOR_PASSED: "Confirmed by two-factor code",
    AuditTag.NEW_FACTOR_PASSED: "Confirmed by a code of the new method",
    AuditTag.SEED_SHOWN: "Was shown the new authenticator's key",
    AuditTag.RECOVERY_CODES_SHOWN: "Was shown new recovery codes",
    AuditTag.CODE_REQUESTED: "Asked for a new code",
    AuditTag.CREDENTIAL_CREATED: "Created",
    AuditTag.CREDENTIAL_EDITED: "Edited",
    AuditTag.SECRET_SHOWN: "Was shown the secret",
    AuditTag.SECRET_SAVED: "Acknowledged that the secret is saved",
    AuditTag.MANAGER_ASKED: "Account manager was asked",
    AuditTag.MANAGER_REMINDED: "Account manager was reminded",
    AuditTag.MANAGER_ASSIGNED: "An account manager was assigned to the account",
    AuditTag.MANAGER_WITHDRAWN: "An account manager no longer looks after the account",
    AuditTag.STOPPED_BY_OPS: "Stopped in an emergency",
    AuditTag.ISSUING_THAWED: "Issuing was allowed again",
    AuditTag.USER_CHANGED: "Changed how a person is reached or confirms",
    AuditTag.SESSION_BEGUN: "Signed in",
    AuditTag.SESSION_ENDED: "Signed out",
    AuditTag.OTHER_SESSIONS_ENDED: "Signed out all other browsers",
    AuditTag.USER_CHANGE_STOPPED: "Said “This wasn't me” of a change of account security",
}
_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    AuditTag.REQUEST_OPENED: lambda details: f"Began: {_journey(details)}",
    AuditTag.REQUEST_ENDED: lambda details: f"Ended: {_outcome(details)}",
    AuditTag.CREDENTIAL_STATUS: lambda details: f"Became {_status(details.get('after'))}",
    AuditTag.CREDENTIAL_STOPPED: lambda details: f"Said “This wasn't me”; {_STOPPED[details['effect']]}",
    AuditTag.FUNDS_HELD: lambda details: (
        f"Funds permissions begin {datetime.fromisoformat(details['until']):{_MOMENT}}"
    ),
    AuditTag.ISSUING_FROZEN: lambda details: (
        "Issuing was frozen" if details.get("reason") else "Issuing was frozen after too many wrong codes"
    ),
    AuditTag.CODE_WRONG: lambda details: f"Wrong code; tries left: {details.get('attempts_left')}",
    AuditTag.RECOVERY_CODE_USED: lambda details: f"Used a recovery code; codes left: {details.get('codes_left')}",
    AuditTag.ACTIVATION_CHOSEN: lambda details: (
        "Chose ACTIVATE" if details["when"] == "now" else "Chose ACTIVATE LATER"
    ),
    AuditTag.DECISION_REFUSED: lambda details: f"A decision was refused{_so_far(details.get('refused'))}",
    AuditTag.MANAGER_DECIDED: lambda details: "Activated" if details["decision"] == "activate" else "Rejected",
}


def _so_far(refused: int | None) -> str:
    return f" ({refused} by then)" if refused is not None and refused > 1 else ""


def _journey(details: dict[str, Any]) -> str:
    return {str(journey): label for journey, label in wording.JOURNEYS.items()}.get(str(details.get("journey")), "")


def _outcome(details: dict[str, Any]) -> str:
    return {str(outcome): label for outcome, label in wording.OUTCOMES.items()}.get(str(details.get("outcome")), "")


def _status(status: object) -> str:
    return {str(each): label.lower() for each, label in wording.STATUSES.items()}.get(str(status), "")


def _detail(details: dict[str, Any]) -> str:
    if "before" in details and isinstance(details["before"], dict) and "permissions" in details["before"]:
        return "; ".join(filter(None, (_difference(details, what) for what in _EDITED)))
    return str(details.get("reason") or details.get("detail") or "")


def _told(entries: list[Any]) -> list[str]:
    return [TradingLimit.model_validate(each).in_words if isinstance(each, dict) else str(each) for each in entries]


def _difference(details: dict[str, Any], what: str) -> str:
    before, after = (_told(details[side].get(what, [])) for side in ("before", "after"))
    added = [f"+ {each}" for each in after if each not in before]
    removed = [f"− {each}" for each in before if each not in after]  # noqa: RUF001 - a minus sign for people
    return ", ".join([*added, *removed])
