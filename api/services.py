"""What the routes work with, and who is calling."""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.base import SecurityBase

from api.quotas import Limiter, Quota
from api.tokens import TokenVerifier
from countersign.adapters.local_inbox import LocalInbox
from countersign.dispatch.key_watch import KeyWatch
from countersign.dispatch.messenger import Messenger
from countersign.domain.errors import Forbidden, NotSignedIn, PrimeLiquidityRequired, Unavailable
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role
from countersign.effects.work import Desk
from countersign.settings import Settings
from countersign.storage import users
from countersign.storage.requests import Address
from countersign.wiring import Parts


@dataclass(frozen=True)
class Services:
    """The parts of one API process."""

    core: Parts
    messenger: Messenger
    tokens: TokenVerifier
    inbox: LocalInbox | None
    watch: KeyWatch
    limiter: Limiter

    @property
    def desk(self) -> Desk:
        """Opens units of work."""
        return self.core.desk

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.core.settings

    async def spend(self, request: Request, quota: Quota, actor: Actor) -> None:
        """Count one call of a person's; raises ``TooManyCalls`` for one too many."""
        address = str(actor.ip) if actor.ip else None
        await self.limiter.spend(request, quota, address=address, person=actor.user_id)


@dataclass(frozen=True)
class Caller:
    """The person a token names; ``owns`` tells whether the account is his or hers, and of Prime Liquidity.

    ``about`` is the request that the address of the call names, whosever it is.
    """

    user_id: UUID
    account_id: UUID | None
    owns: bool
    staff_role: Role | None
    actor: Actor
    about: Address | None = None


@dataclass(frozen=True)
class Owner:
    """An owner of a Prime Liquidity account."""

    user_id: UUID
    account_id: UUID
    actor: Actor


def services(request: Request) -> Services:
    """Return the parts of this process."""
    found: Services = request.app.state.services
    return found


async def _services(request: Request) -> Services:
    # A dependency that is no coroutine is called in another thread, at every request.
    return services(request)


UsedServices = Annotated[Services, Depends(_services)]
_BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="`countersign token USER` prints one locally.")


async def caller(request: Request, parts: Services, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    """Return who calls; raises ``NotSignedIn``, and ``TooManyCalls`` for an address that fails too often."""
    here = client_ip(request)
    async with parts.limiter.proving(request, address=here):
        if credentials is None:
            raise NotSignedIn
        claims = await parts.tokens.claims(credentials.credentials)
        async with parts.core.database.connection() as connection:
            about = _named(request)
            user = await users.caller(connection, claims.sub, account_id=claims.account, request_id=about)
        if user is None:
            raise NotSignedIn("The token names nobody who is known here.")
    ip = claims.ip or here
    actor = Actor.model_validate({"kind": ActorKind.USER, "user_id": user.id, "ip": ip})
    return Caller(user.id, claims.account, owns=user.owns, staff_role=user.staff_role, actor=actor, about=user.about)


def _named(request: Request) -> UUID | None:
    try:
        return UUID(request.path_params["request_id"])
    except (KeyError, ValueError):
        return None


class _ByToken(SecurityBase):
    """The dependency on the caller: one, and not one of several parts, which FastAPI would go through at every use."""

    model = _BEARER.model
    scheme_name = _BEARER.scheme_name

    async def __call__(self, request: Request) -> Caller:
        """Return who calls."""
        return await caller(request, services(request), await _BEARER(request))


UsedCaller = Annotated[Caller, Depends(_ByToken())]


def limited(quota: Quota) -> Any:
    """Return the dependency of a route whose calls are counted, by person and address."""

    async def spend(request: Request, caller: UsedCaller) -> None:
        await services(request).spend(request, quota, caller.actor)

    return Depends(spend)


async def owner(caller: UsedCaller) -> Owner:
    """Return the calling owner; raises ``PrimeLiquidityRequired`` for anyone else."""
    if caller.account_id is None or not caller.owns:
        raise PrimeLiquidityRequired
    return Owner(user_id=caller.user_id, account_id=caller.account_id, actor=caller.actor)


async def account_manager(caller: UsedCaller) -> Caller:
    """Return the calling account manager; raises ``Forbidden``."""
    if caller.staff_role is not Role.ACCOUNT_MANAGER:
        raise Forbidden("Only account managers may do that.")
    return caller


OWNER_ERRORS = (NotSignedIn, PrimeLiquidityRequired, Unavailable)
UsedOwner = Annotated[Owner, Depends(owner)]
UsedManager = Annotated[Caller, Depends(account_manager)]


def client_ip(request: Request) -> str | None:
    """Return the address of the caller; None where a trusted proxy says something that is none."""
    told = request.client.host if request.client else ""
    try:
        ip_address(told)
    except ValueError:
        return None
    return told


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)
