"""Who looks at a page: a person whom the session cookie names."""

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response

from api.pages.wording import visible
from api.quotas import Quota
from api.services import Caller, Owner, Services, UsedServices, client_ip, now
from countersign.domain.errors import (
    ActingForAnother,
    CrossSite,
    Forbidden,
    PrimeLiquidityRequired,
    SessionEnded,
)
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role
from countersign.effects.sessions import SessionWork
from countersign.settings import Settings
from countersign.storage import accounts, sessions, users
from countersign.storage.accounts import Account
from countersign.storage.database import Connection
from countersign.storage.sessions import Session
from countersign.storage.users import User

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_TOUCH_AFTER = timedelta(minutes=1)
_ACTING_FOR = "acting_for"
_ACTING_FOR_HEADER = "x-acting-for"


@dataclass(frozen=True)
class Visitor:
    """A signed-in person, and the account he or she acts for; ``version`` grows with every change to be seen."""

    user: User
    account: Account | None
    memberships: tuple[tuple[Account, Role], ...]
    actor: Actor
    version: int
    token: str = field(repr=False)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts that he or she belongs to, by name."""
        return tuple(account for account, _ in self.memberships)

    @property
    def owned(self) -> tuple[Account, ...]:
        """The accounts of Prime Liquidity among them that he or she owns."""
        return tuple(each for each, role in self.memberships if role is Role.OWNER and each.prime_liquidity)

    @property
    def is_owner(self) -> bool:
        """Whether he or she acts for an owned account of Prime Liquidity."""
        return self.account in self.owned

    @property
    def acting_for(self) -> str:
        """What every form carries, so that it acts for nobody but whom it was shown to, and for no other account."""
        return f"{self.user.id}/{self.account.id if self.account else '-'}"

    @property
    def caller(self) -> Caller:
        """The same person as the API knows him or her."""
        account_id = self.account.id if self.account else None
        return Caller(self.user.id, account_id, owns=self.is_owner, staff_role=self.user.staff_role, actor=self.actor)

    @property
    def owner(self) -> Owner:
        """The same person as an owner; raises ``PrimeLiquidityRequired`` for anyone else."""
        if self.account is None or not self.is_owner:
            raise PrimeLiquidityRequired
        return Owner(self.user.id, self.account.id, self.actor)

    def reveal_verifier(self, request_id: UUID) -> str:
        """Return the verifier of a creation's reveal (RFC 7636): this session's alone, stored nowhere."""
        digest = hmac.digest(self.token.encode(), b"reveal\n" + request_id.bytes, hashlib.sha256)
        return _base64url(digest)

    def reveal_challenge(self, request_id: UUID) -> str:
        """Return the S256 challenge of the verifier (RFC 7636, 4.2)."""
        return _base64url(hashlib.sha256(self.reveal_verifier(request_id).encode()).digest())


async def visitor(request: Request, parts: UsedServices) -> Visitor:
    """Return who looks at the page.

    Raises ``SessionEnded``, ``CrossSite`` for a form of another site, ``ActingForAnother`` for a page that was
    opened before the person, or the account acted for, changed in another tab, and ``TooManyCalls`` for an address
    that has no session too often.
    """
    if request.method not in _SAFE_METHODS:
        require_same_origin(request, parts.settings)
    token = request.cookies.get(cookie_name(parts.settings), "")
    async with parts.limiter.proving(request, address=client_ip(request)):
        if not token:
            raise SessionEnded
        found = await _signed_in(request, parts, token)
    _require_same(found, await _shown_to(request))
    return found


UsedVisitor = Annotated[Visitor, Depends(visitor)]


def limited(quota: Quota) -> Any:
    """Return the dependency of a page whose calls are counted, by person and address."""

    async def spend(request: Request, visitor: UsedVisitor, parts: UsedServices) -> None:
        await parts.spend(request, quota, visitor.actor)

    return Depends(spend)


async def manager_visitor(visitor: UsedVisitor) -> Visitor:
    """Return the account manager who looks at the page; raises ``Forbidden``."""
    if visitor.user.staff_role is not Role.ACCOUNT_MANAGER:
        raise Forbidden("This page is for account managers.")
    return visitor


async def ops_visitor(visitor: UsedVisitor) -> Visitor:
    """Return who of ops looks at the page; raises ``Forbidden``."""
    if visitor.user.staff_role is not Role.OPS:
        raise Forbidden("This page is for the exchange's operations team.")
    return visitor


UsedManagerVisitor = Annotated[Visitor, Depends(manager_visitor)]
UsedOpsVisitor = Annotated[Visitor, Depends(ops_visitor)]


def new_session(settings: Settings, response: Response, *, user_id: UUID, account_id: UUID | None) -> Session:
    """Return a fresh session, to be stored, and give the browser its cookie, whatever cookie there was before."""
    token, at = secrets.token_urlsafe(32), now()
    response.set_cookie(cookie_name(settings), token, path="/", secure=settings.is_https, httponly=True, samesite="lax")
    return Session(
        token_hash=token_hash(token),
        user_id=user_id,
        account_id=account_id,
        created_at=at,
        seen_at=at,
        expires_at=at + settings.rules.session_lifetime,
    )


async def end_session(request: Request, parts: Services, response: Response) -> None:
    """Sign out: the session, if there is one, is gone at the server, too."""
    settings = parts.settings
    if token := request.cookies.get(cookie_name(settings)):
        with suppress(SessionEnded):
            visitor = await _signed_in(request, parts, token)
            await session_work(parts, visitor).end(token_hash(token))
    response.delete_cookie(cookie_name(settings), path="/", secure=settings.is_https, httponly=True, samesite="lax")


def session_work(parts: Services, visitor: Visitor) -> SessionWork:
    """Return the work on the visitor's own sessions."""
    return SessionWork(parts.desk, visitor.user.id, at=now(), actor=visitor.actor)


def cookie_name(settings: Settings) -> str:
    """Return the session cookie's name; the prefix (RFC 6265bis, 4.1.3) keeps other hosts from setting it."""
    return "__Host-countersign" if settings.is_https else "countersign"


def token_hash(token: str) -> bytes:
    """Return what is stored of a session's token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def require_same_origin(request: Request, settings: Settings) -> None:
    """Raise ``CrossSite`` unless the browser says that the request comes from a page of this site.

    ``Sec-Fetch-Site`` (W3C Fetch Metadata) is sent by every browser since 2023, and no page can forge it; for older
    ones the ``Origin`` decides.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None and request.headers.get("origin") == _origin(settings.public_url):
        return
    if site != "same-origin":
        raise CrossSite


async def _signed_in(request: Request, parts: Services, token: str) -> Visitor:
    at = now()
    async with parts.core.database.connection() as connection:
        session = await _session(connection, parts, token, at=at)
        if at - session.seen_at > _TOUCH_AFTER and not _asked_by_itself(request):
            await sessions.touch(connection, session.token_hash, at=at)
        return await _visitor(connection, session, token=token, ip=client_ip(request))


async def _shown_to(request: Request) -> str | None:
    """Return the ``acting_for`` of the page that asks: its script tells it, and without one its forms do."""
    told = request.headers.get(_ACTING_FOR_HEADER)
    if told is None and request.method not in _SAFE_METHODS:
        # FastAPI has read the form already where a route takes one; Starlette keeps it.
        filled_in = (await request.form()).get(_ACTING_FOR)
        told = None if filled_in is None else str(filled_in)
    return told


def _require_same(visitor: Visitor, shown_to: str | None) -> None:
    if shown_to in {None, visitor.acting_for}:
        return
    if not str(shown_to).startswith(f"{visitor.user.id}/"):
        raise ActingForAnother("Another person has signed in since, in another tab. Nothing was sent.")
    now_for = visitor.account.name if visitor.account else "no account"
    before = [each for each in visitor.accounts if str(shown_to).endswith(f"/{each.id}")]
    raise ActingForAnother(
        f"You now act for {visible(now_for)}; this was opened for another account. Nothing was sent.",
        **{"account_id": str(before[0].id), "account_name": visible(before[0].name)} if before else {},
    )


async def _session(connection: Connection, parts: Services, token: str, *, at: datetime) -> Session:
    seen_since = at - parts.settings.rules.session_idle
    session = await sessions.get(connection, token_hash(token), at=at, seen_since=seen_since)
    if session is None:
        raise SessionEnded
    return session


async def _visitor(connection: Connection, session: Session, *, token: str, ip: str | None) -> Visitor:
    user = await users.get(connection, session.user_id)
    if user is None:
        raise SessionEnded
    memberships = await accounts.of_user(connection, user.id)
    account = next((each for each, _ in memberships if each.id == session.account_id), None)
    return Visitor(
        user=user,
        account=account,
        memberships=tuple(memberships),
        actor=Actor.model_validate({"kind": ActorKind.USER, "user_id": user.id, "ip": ip}),
        version=await accounts.audit_position(connection, account.id if account else None, manager=user.id),
        token=token,
    )


def _asked_by_itself(request: Request) -> bool:
    # An open page that looks for news must not keep its session alive for ever.
    return "x-live" in request.headers


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
