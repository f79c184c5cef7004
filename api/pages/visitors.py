"""Who looks at a page: a person whom the session cookie names."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response

from api.services import Caller, Owner, Services, UsedServices, now
from countersign.domain.errors import CrossSite, Forbidden, PrimeLiquidityRequired, SessionEnded
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role
from countersign.settings import Settings
from countersign.storage import accounts, sessions, users
from countersign.storage.accounts import Account
from countersign.storage.database import Connection
from countersign.storage.sessions import Session
from countersign.storage.users import User

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_TOUCH_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class Visitor:
    """A signed-in person, and the account he or she acts for; ``version`` grows with every change to be seen."""

    user: User
    account: Account | None
    accounts: tuple[Account, ...]
    role: Role | None
    actor: Actor
    version: int
    token: str = field(repr=False)

    @property
    def is_owner(self) -> bool:
        """Whether he or she owns a Prime Liquidity account."""
        return self.role is Role.OWNER and self.account is not None and self.account.prime_liquidity

    @property
    def caller(self) -> Caller:
        """The same person as the API knows him or her."""
        account_id = self.account.id if self.account else None
        return Caller(self.user.id, account_id, self.user.staff_role, self.actor)

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
    """Return who looks at the page; raises ``SessionEnded``, and ``CrossSite`` for a form of another site."""
    if request.method not in _SAFE_METHODS:
        require_same_origin(request, parts.settings)
    token = request.cookies.get(cookie_name(parts.settings), "")
    at = now()
    async with parts.core.database.connection() as connection:
        session = await _session(connection, parts, token, at=at)
        if at - session.seen_at > _TOUCH_AFTER and not _asked_by_itself(request):
            await sessions.touch(connection, session.token_hash, at=at)
        return await _visitor(connection, session, token=token, ip=request.client.host if request.client else None)


UsedVisitor = Annotated[Visitor, Depends(visitor)]


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


async def begin_session(
    connection: Connection, settings: Settings, response: Response, *, user_id: UUID, account_id: UUID | None
) -> None:
    """Sign the person in on this browser: a fresh session, whatever cookie there was before."""
    token, at = secrets.token_urlsafe(32), now()
    session = Session(
        token_hash=token_hash(token),
        user_id=user_id,
        account_id=account_id,
        created_at=at,
        seen_at=at,
        expires_at=at + settings.rules.session_lifetime,
    )
    await sessions.insert(connection, session)
    response.set_cookie(cookie_name(settings), token, path="/", secure=settings.is_https, httponly=True, samesite="lax")


async def end_session(connection: Connection, settings: Settings, response: Response, token: str) -> None:
    """Sign out: the session is gone at the server, too."""
    await sessions.delete(connection, token_hash(token))
    response.delete_cookie(cookie_name(settings), path="/", secure=settings.is_https, httponly=True, samesite="lax")


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


async def _session(connection: Connection, parts: Services, token: str, *, at: datetime) -> Session:
    seen_since = at - parts.settings.rules.session_idle
    session = await sessions.get(connection, token_hash(token), at=at, seen_since=seen_since) if token else None
    if session is None:
        raise SessionEnded
    return session


async def _visitor(connection: Connection, session: Session, *, token: str, ip: str | None) -> Visitor:
    user = await users.get(connection, session.user_id)
    if user is None:
        raise SessionEnded
    memberships = await accounts.of_user(connection, user.id)
    account, role = next((each for each in memberships if each[0].id == session.account_id), (None, None))
    return Visitor(
        user=user,
        account=account,
        accounts=tuple(each for each, _ in memberships),
        role=role,
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
