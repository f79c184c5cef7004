"""Signing in and out, and choosing for which account one acts."""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.identity_provider import IdentityProvider
from api.pages.rendering import page
from api.pages.sign_in_state import forget_state, keep_state, open_state
from api.pages.visitors import (
    UsedVisitor,
    cookie_name,
    end_session,
    new_session,
    require_same_origin,
    token_hash,
)
from api.quotas import Quota
from api.services import Services, UsedServices, client_ip
from countersign.domain.errors import CrossSite, DomainError, NotFound, NotKnownHere, SignInFailed, Unavailable
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role
from countersign.effects.sessions import SessionWork
from countersign.storage import accounts, sessions, users
from countersign.storage.accounts import Account
from countersign.storage.database import Connection
from countersign.storage.users import User

router = APIRouter(include_in_schema=False)

# Neither another host (``//host``, ``/\\host``), nor marks that browsers drop before they look (WHATWG URL, 4.4), nor
# the way that leads here, which would go round in circles.
# ASCII alone, and not much of it: it travels in a cookie, and browsers keep none of more than 4096 bytes.
_LOCAL_PATH = re.compile(r"/(?!/|sign-in)[\x21\x23-\x5b\x5d-\x7e]{0,999}")


@dataclass(frozen=True)
class DemoPerson:
    """Someone whom the local stack signs in with one click; ``login`` is what the provider is told."""

    login: str
    name: str
    description: str


def identity_provider(request: Request) -> IdentityProvider:
    """Return the client of the identity provider."""
    found: IdentityProvider = request.app.state.identity_provider
    return found


Next = Annotated[str, Query(alias="next", max_length=4000)]
UsedProvider = Annotated[IdentityProvider, Depends(identity_provider)]


async def limited(request: Request, parts: UsedServices) -> None:
    """Count who signs in, by address; raises ``TooManyCalls``, and ``CrossSite`` for what is no visit.

    A page of another site could use up the quota of its readers' address by asking for pictures here.
    """
    if request.headers.get("sec-fetch-dest", "document") != "document":
        raise CrossSite
    await parts.limiter.spend(request, Quota.SIGN_IN, address=client_ip(request))


@router.get("/sign-in")
async def sign_in(request: Request, wanted: Next = "/") -> Response:
    """Return the page whose button leads to the identity provider; on the local stack one for each demo person."""
    return await page(
        request,
        "sign_in.html",
        start=_start(wanted),
        demo_people=[(each, _start(wanted, login_hint=each.login)) for each in request.app.state.demo_people],
    )


@router.get("/sign-in/start", dependencies=[Depends(limited)])
async def start(
    request: Request,
    parts: UsedServices,
    provider: UsedProvider,
    wanted: Next = "/",
    login_hint: Annotated[str, Query(max_length=100, pattern=r"^[\x20-\x7e]*$")] = "",
) -> Response:
    """Leave for the identity provider."""
    # A link and not a form: browsers hold the policy `form-action 'self'` against redirects, too.
    if parts.settings.mode == "local" and (elsewhere := _at_the_public_address(request, parts)):
        return elsewhere
    open_state(request, parts)
    try:
        response = await provider.redirect(request, login_hint=login_hint)
    except Unavailable as error:
        return await _failed(request, error, wanted)
    request.session["next"] = local_path(wanted)
    keep_state(request, parts, response)
    return response


@router.get("/sign-in/callback", dependencies=[Depends(limited)])
async def callback(request: Request, parts: UsedServices, provider: UsedProvider) -> Response:
    """Come back from the identity provider: a new session, and on to the page that was wanted."""
    wanted = str(open_state(request, parts).get("next", "/"))
    try:
        person = await _known_person(parts, await provider.subject(request))
    except (SignInFailed, NotKnownHere, Unavailable) as error:
        response = await _failed(request, error, wanted)
    else:
        response = RedirectResponse(local_path(wanted), status_code=303)
        await _begin(request, parts, response, person)
    forget_state(parts, response)
    return response


@router.get("/signed-in")
async def signed_in(request: Request, visitor: UsedVisitor) -> Response:
    """Return the page for those whose session ended in another tab."""
    return await page(request, "signed_in.html", visitor=visitor)


@router.post("/sign-out")
async def sign_out(request: Request, parts: UsedServices) -> Response:
    """End the session, if there is one still, at the server and in the browser."""
    require_same_origin(request, parts.settings)
    response = RedirectResponse("/signed-out", status_code=303)
    await end_session(request, parts, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    """Return the page that says so."""
    return await page(request, "signed_out.html")


@router.post("/account")
async def choose_account(visitor: UsedVisitor, parts: UsedServices, account_id: Annotated[UUID, Form()]) -> Response:
    """Act for another of one's accounts from now on; raises ``NotFound`` for any other."""
    if account_id not in {account.id for account in visitor.accounts}:
        raise NotFound
    async with parts.core.database.connection() as connection:
        await sessions.choose_account(connection, token_hash(visitor.token), account_id)
    return RedirectResponse("/", status_code=303)


def local_path(wanted: str) -> str:
    """Return the path if it leads to a page of this site, else "/"."""
    return wanted if _LOCAL_PATH.fullmatch(wanted) else "/"


def _start(wanted: str, **hints: str) -> str:
    return f"/sign-in/start?{urlencode({'next': local_path(wanted), **hints})}"


def _at_the_public_address(request: Request, parts: Services) -> Response | None:
    # Cookies of `localhost` do not reach 127.0.0.1, where the provider sends people back to.
    public = urlsplit(parts.settings.public_url)
    if request.url.netloc == public.netloc:
        return None
    return RedirectResponse(str(request.url.replace(scheme=public.scheme, netloc=public.netloc)), status_code=302)


async def _known_person(parts: Services, subject: str) -> User:
    try:
        user_id = UUID(subject)
    except ValueError:
        raise NotKnownHere from None
    async with parts.core.database.connection() as connection:
        user = await users.get(connection, user_id)
    if user is None:
        raise NotKnownHere
    return user


async def _begin(request: Request, parts: Services, response: Response, user: User) -> None:
    before = request.cookies.get(cookie_name(parts.settings))
    async with parts.core.database.connection() as connection:
        account = await _first_account(connection, user.id)
    account_id = account.id if account else None
    session = new_session(parts.settings, response, user_id=user.id, account_id=account_id)
    actor = Actor.model_validate({"kind": ActorKind.USER, "user_id": user.id, "ip": client_ip(request)})
    work = SessionWork(parts.desk, user.id, at=session.created_at, actor=actor)
    await work.begin(session, replacing=token_hash(before) if before else None)


async def _first_account(connection: Connection, user_id: UUID) -> Account | None:
    memberships = await accounts.of_user(connection, user_id)
    owned = [account for account, role in memberships if role is Role.OWNER and account.prime_liquidity]
    return next(iter([*owned, *(account for account, _ in memberships)]), None)


async def _failed(request: Request, error: DomainError, wanted: str) -> Response:
    response = await page(
        request,
        "sign_in_failed.html",
        status=error.status,
        title=error.title(),
        detail=error.detail,
        again=f"/sign-in?{urlencode({'next': local_path(wanted)})}",
    )
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = "5"
    return response
