"""Notices: who is told what; put into the outbox in the transaction of the effect."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from countersign.domain.credentials import CredentialKind, SessionType
from countersign.domain.holding import held_until
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.permissions import funds_permissions
from countersign.domain.stops import StopKind
from countersign.domain.trading_limits import TradingLimits
from countersign.effects.holding import funds_begin_at
from countersign.effects.stop_links import MOMENT, Stoppable, add_stop_link
from countersign.effects.work import Work
from countersign.storage import accounts, notices, users
from countersign.storage.accounts import Told
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request

_KIND_LABELS = {CredentialKind.API_KEY: "API key", CredentialKind.FIX: "FIX credentials"}
_SESSION_LABELS = {None: "", SessionType.TRADE: "trade", SessionType.MARKET_DATA: "market data"}
_NAMED = 20

_NAMELESS = {
    ActorKind.USER: "A user",
    ActorKind.MAIL_LINK: "The link in a mail",
    ActorKind.SIGNAL: "The exchange's gateway",
    ActorKind.OPS: "The exchange's operations team",
    ActorKind.SYSTEM: "Countersign",
}


async def tell_owners(
    work: Work,
    event: str,
    about: Credential | Request,
    *,
    request_id: UUID | None = None,
    stop: Stoppable | None = None,
    **more: Any,
) -> None:
    """Mail every owner of the account; ``stop`` is what the link in the mail stops, if it carries one."""
    told = await _owners(work)
    context = {**_context(work, told, about), **more}
    await _tell(work, told.ids, event, context, request_id=request_id, stop=stop)


async def warn_owners(work: Work, request: Request, *, before: Credential | None = None) -> None:
    """Mail every owner at once that a key with funds permissions, or an edit that lets a key do more, is asked for."""
    told = await _owners(work)
    context = {
        **_context(work, told, request),
        "ip": str(work.actor.ip or ""),
        "permissions_before": list(before.permissions) if before else [],
        "ip_whitelist_before": list(before.ip_whitelist) if before else [],
        "trading_limits_before": _told_limits(before.trading_limits) if before else [],
        "edits": before is not None,
    }
    stop = Stoppable(StopKind.CREDENTIAL, credential_id=request.credential_id, from_version=request.credential_version)
    await _tell(work, told.ids, "more_access_requested", context, request_id=request.id, stop=stop)


async def tell_managers(work: Work, event: str, credential: Credential, *, request_id: UUID) -> None:
    """Mail every account manager assigned to the account."""
    told = await accounts.told_managers(work.connection, work.account.id, actor_id=work.actor.user_id)
    await _tell(work, told.ids, event, _context(work, told, credential), request_id=request_id)


def as_requester(work: Work, request: Request, *, at: datetime) -> Work:
    """Return the work as done by who began the request, for a notice that time, not a person, gives rise to."""
    return replace(work, actor=Actor(kind=ActorKind.USER, user_id=request.user_id), at=at)


async def tell_owners_of_freeze(work: Work, *, request_id: UUID) -> None:
    """Mail every owner that issuing is frozen."""
    told = await _owners(work)
    await _tell(work, told.ids, "issuing_frozen", _common(work, told.actor_name), request_id=request_id)


async def tell_owners_of_ops_freeze(work: Work) -> None:
    """Mail every owner that ops froze issuing."""
    told = await _owners(work)
    await _tell(work, told.ids, "issuing_frozen_by_ops", _common(work, told.actor_name), request_id=None)


async def tell_owners_of_stop(work: Work, *, names: list[str], ended: int) -> None:
    """Mail every owner that ops stopped the account: one mail, however many credentials went off."""
    told = await _owners(work)
    context = {**_common(work, told.actor_name), "names": names[:_NAMED], "more": len(names[_NAMED:]), "ended": ended}
    await _tell(work, told.ids, "account_stopped", context, request_id=None)


async def tell(work: Work, recipients: Iterable[UUID], event: str) -> None:
    """Mail these people what happened in the account, and from which IP address it was done."""
    context = {**_common(work, await _actor_name(work)), "ip": str(work.actor.ip or "")}
    await _tell(work, recipients, event, context, request_id=None)


async def tell_person(
    work: Work,
    user_id: UUID,
    event: str,
    *,
    request_id: UUID | None = None,
    stop: Stoppable | None = None,
    address: str | None = None,
    **more: Any,
) -> None:
    """Mail one person about his or her own account security; the mail tells from which IP address it was done.

    It goes to the present address of the person, or to ``address``, which is erased once it is sent.
    """
    context = {**_common(work, await _actor_name(work)), "ip": str(work.actor.ip or ""), **more}
    await _tell(work, [user_id], event, context, request_id=request_id, stop=stop, address=address)


async def _tell(
    work: Work,
    recipients: Iterable[UUID],
    event: str,
    context: dict[str, Any],
    *,
    request_id: UUID | None,
    stop: Stoppable | None = None,
    address: str | None = None,
) -> None:
    told = {
        user_id: await add_stop_link(work, user_id, stop, request_id=request_id) if stop else None
        for user_id in recipients
    }
    await notices.insert(
        work.connection,
        account_id=work.account.id,
        request_id=request_id,
        event=event,
        context=context,
        told=told,
        address=address,
    )


async def _owners(work: Work) -> Told:
    return await accounts.told_owners(work.connection, work.account.id, actor_id=work.actor.user_id)


def _context(work: Work, told: Told, about: Credential | Request) -> dict[str, Any]:
    funds = funds_permissions(about.permissions)
    if isinstance(about, Request):
        funds_from = funds_begin_at(about, rules=work.rules, at=work.at)
    else:
        funds_from = held_until(about.funds_from, at=work.at) if funds else None
    return {
        **_common(work, told.actor_name),
        "kind_label": _KIND_LABELS[CredentialKind.FIX if about.session_type else CredentialKind.API_KEY],
        "credential_name": about.name,
        "session_type": _SESSION_LABELS[about.session_type],
        "permissions": list(about.permissions),
        "funds_permissions": list(funds),
        "funds_from": funds_from.strftime(MOMENT) if funds_from else "",
        "ip_whitelist": list(about.ip_whitelist),
        "trading_limits": _told_limits(about.trading_limits),
        "reason": "",
    }


def _told_limits(limits: TradingLimits) -> list[str]:
    return [limit.in_words for limit in limits]


async def _actor_name(work: Work) -> str | None:
    user_id = work.actor.user_id
    return (await users.names(work.connection, [user_id])).get(user_id) if user_id else None


def _common(work: Work, actor_name: str | None) -> dict[str, Any]:
    return {
        "account_name": work.account.name,
        "at": work.at.strftime(MOMENT),
        "actor_name": _called(work.actor.kind, actor_name),
    }


def _called(kind: ActorKind, name: str | None) -> str:
    # Who of ops it was stands in the trail; customers deal with the exchange.
    if name is None or kind is ActorKind.OPS:
        return _NAMELESS[kind]
    return f"{_NAMELESS[kind]} to {name}" if kind is ActorKind.MAIL_LINK else name
