"""Notices: who is told what; put into the outbox in the transaction of the effect."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from countersign.domain.credentials import CredentialKind, SessionType
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.permissions import funds_permissions
from countersign.effects.work import Work
from countersign.storage import accounts, notices, users
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request

_KIND_LABELS = {CredentialKind.API_KEY: "API key", CredentialKind.FIX: "FIX credentials"}
_SESSION_LABELS = {None: "", SessionType.TRADE: "trade", SessionType.MARKET_DATA: "market data"}


_NAMELESS = {
    ActorKind.USER: "A user",
    ActorKind.SIGNAL: "The exchange's gateway",
    ActorKind.OPS: "The exchange's operations team",
    ActorKind.SYSTEM: "Countersign",
}


async def tell_owners(
    work: Work, event: str, credential: Credential, *, request_id: UUID | None = None, reason: str = ""
) -> None:
    """Mail every owner of the account."""
    recipients = await accounts.owners(work.connection, work.account.id)
    await _tell(work, recipients, event, await _context(work, credential, reason=reason), request_id=request_id)


async def tell_managers(work: Work, event: str, credential: Credential, *, request_id: UUID) -> None:
    """Mail every account manager assigned to the account."""
    recipients = await accounts.managers(work.connection, work.account.id)
    await _tell(work, recipients, event, await _context(work, credential), request_id=request_id)


def as_requester(work: Work, request: Request, *, at: datetime) -> Work:
    """Return the work as done by who began the request, for a notice that time, not a person, gives rise to."""
    return replace(work, actor=Actor(kind=ActorKind.USER, user_id=request.user_id), at=at)


async def tell_owners_of_freeze(work: Work, *, request_id: UUID) -> None:
    """Mail every owner that issuing is frozen."""
    recipients = await accounts.owners(work.connection, work.account.id)
    await _tell(work, recipients, "issuing_frozen", await _common(work), request_id=request_id)


async def tell_person(work: Work, user_id: UUID, event: str, *, request_id: UUID | None = None, **more: Any) -> None:
    """Mail one person about his or her own account security; the mail tells from which IP address it was done."""
    context = {**await _common(work), "ip": str(work.actor.ip or ""), **more}
    await _tell(work, [user_id], event, context, request_id=request_id)


async def _tell(
    work: Work, recipients: Iterable[UUID], event: str, context: dict[str, Any], *, request_id: UUID | None
) -> None:
    for user_id in recipients:
        await notices.insert(
            work.connection,
            notice_id=uuid4(),
            account_id=work.account.id,
            request_id=request_id,
            user_id=user_id,
            event=event,
            context=context,
        )


async def _context(work: Work, credential: Credential, *, reason: str = "") -> dict[str, Any]:
    return {
        **await _common(work),
        "kind_label": _KIND_LABELS[credential.kind],
        "credential_name": credential.name,
        "session_type": _SESSION_LABELS[credential.session_type],
        "permissions": list(credential.permissions),
        "funds_permissions": list(funds_permissions(credential.permissions)),
        "ip_whitelist": list(credential.ip_whitelist),
        "reason": reason,
    }


async def _common(work: Work) -> dict[str, Any]:
    actor = await users.get(work.connection, work.actor.user_id) if work.actor.user_id else None
    return {
        "account_name": work.account.name,
        "at": work.at.strftime("%Y-%m-%d %H:%M UTC"),
        "actor_name": actor.name if actor else _NAMELESS[work.actor.kind],
    }
