"""Who may do what, asked anew by every effect."""

from uuid import UUID

from countersign.domain.errors import (
    Forbidden,
    IssuingFrozen,
    IssuingSuspended,
    NotTheRequester,
    PrimeLiquidityRequired,
)
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import ActorKind
from countersign.domain.people import Role
from countersign.effects.work import Work
from countersign.storage import accounts
from countersign.storage.requests import Request

_NOTHING_IS_LOST = (
    "Nothing is lost: active credentials go on working, and you can still deactivate them. "
    "Try again later; your account manager knows when."
)


async def require_owner(work: Work, user_id: UUID) -> None:
    """Raise ``PrimeLiquidityRequired`` unless the user owns this account and it is a Prime Liquidity account."""
    require_role(work, await accounts.role_of(work.connection, account_id=work.account.id, user_id=user_id))


def require_role(work: Work, role: Role | None) -> None:
    """Raise ``PrimeLiquidityRequired`` unless it is an owner's role in a Prime Liquidity account."""
    if role is not Role.OWNER or not work.account.prime_liquidity:
        raise PrimeLiquidityRequired


def require_owned(work: Work, request: Request) -> None:
    """Raise ``PrimeLiquidityRequired`` unless who began the request owned the account when the request was read."""
    require_role(work, request.requester_role)


def require_requester(work: Work, request: Request) -> None:
    """Raise unless the request's user is still an owner, and no other signed-in person is the actor."""
    if work.actor.kind is ActorKind.USER and work.actor.user_id != request.user_id:
        raise NotTheRequester
    require_owned(work, request)


async def require_canceller(work: Work, _request: Request) -> None:
    """Raise unless the actor is an owner of the account, ops, or whoever may signal the workflow."""
    if work.actor.kind is ActorKind.USER and work.actor.user_id is not None:
        await require_owner(work, work.actor.user_id)


async def require_manager(work: Work, user_id: UUID) -> None:
    """Raise ``Forbidden`` unless the user looks after this account and does not belong to it."""
    if not await accounts.is_assigned(work.connection, account_id=work.account.id, user_id=user_id):
        raise Forbidden("Only an account manager assigned to this account may decide.")
    if await accounts.role_of(work.connection, account_id=work.account.id, user_id=user_id) is not None:
        raise Forbidden("An account manager may not decide on an account he or she belongs to.")


def require_thawed(work: Work) -> None:
    """Raise ``IssuingFrozen`` while issuing is frozen for the account, ``IssuingSuspended`` while it all is."""
    if work.account.frozen_at is not None:
        raise IssuingFrozen
    if work.account.house_freeze is HouseFreeze.ALL:
        raise IssuingSuspended(_NOTHING_IS_LOST)


def require_beginning(work: Work) -> None:
    """Raise the same, and ``IssuingSuspended`` while what is open may go on and nothing new may begin."""
    require_thawed(work)
    if work.account.house_freeze is not HouseFreeze.NONE:
        raise IssuingSuspended(_NOTHING_IS_LOST)


async def require_asker(work: Work, user_id: UUID) -> None:
    """Raise unless the activation may still be asked for: by an owner, or by an account manager who began by name."""
    if not work.account.prime_liquidity:
        raise PrimeLiquidityRequired
    require_thawed(work)
    if user_id not in await accounts.managers(work.connection, work.account.id):
        await require_owner(work, user_id)
