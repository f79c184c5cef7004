"""Who looks at a page: whom the session names, from a page of ours, for whom the page was shown."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI, Response

from api.pages.visitors import (
    UsedManagerVisitor,
    UsedOpsVisitor,
    UsedVisitor,
    Visitor,
    cookie_name,
    end_session,
    manager_visitor,
    new_session,
    ops_visitor,
    require_same_origin,
    token_hash,
    visitor,
)
from api.services import Services, now
from countersign.domain.errors import ActingForAnother, CrossSite, Forbidden, PrimeLiquidityRequired, SessionEnded
from countersign.domain.people import Role
from countersign.settings import Settings
from countersign.storage import accounts, sessions
from tests.support.asking import asking
from tests.support.cast import challenge_of
from tests.support.house import IP, House, by

COOKIE = "__Host-countersign"
FRAMED: dict[str, Any] = {"sec_fetch_site": "same-origin"}


def cookie_of(response: Response) -> Morsel[str]:
    [morsel] = SimpleCookie(response.headers["set-cookie"]).values()
    return morsel


async def signed_in(services: Services, user_id: UUID, account_id: UUID | None) -> str:
    """Begin a session; return its token."""
    response = Response()
    async with services.core.database.connection() as connection:
        session = new_session(services.settings, response, user_id=user_id, account_id=account_id)
        await sessions.insert(connection, session)
    return cookie_of(response).value


async def looking(services: Services, token: str, method: str = "GET", **more: Any) -> Visitor:
    return await visitor(asking(method, cookie=f"{COOKIE}={token}", **more), services)


async def aged(services: Services, token: str, house: House, **columns: timedelta) -> None:
    """Let the session be older."""
    for column, age in columns.items():
        statement = {
            "seen_at": "UPDATE sessions SET seen_at = seen_at - %s WHERE token_hash = %s",
            "expires_at": "UPDATE sessions SET expires_at = expires_at - %s WHERE token_hash = %s",
        }[column]
        await house.change(statement, age, token_hash(token))


async def seen_at(house: House, token: str) -> object:
    [(moment,)] = await house.select("SELECT seen_at FROM sessions WHERE token_hash = %s", token_hash(token))
    return moment


async def test_a_session_names_person_account_and_address(services: Services, house: House) -> None:
    found = await looking(services, await signed_in(services, house.owner, house.account_id))
    assert found.user.id == house.owner
    assert found.account
    assert found.account.id == house.account_id
    assert (found.actor, str(found.actor.ip)) == (by(house.owner), IP)
    assert found.memberships == ((found.account, Role.OWNER),)
    assert (found.accounts, found.owned, found.is_owner) == ((found.account,), (found.account,), True)
    assert found.acting_for == f"{house.owner}/{house.account_id}"
    assert (found.caller.user_id, found.caller.account_id, found.caller.staff_role) == (
        house.owner,
        house.account_id,
        None,
    )
    assert (found.owner.user_id, found.owner.account_id, found.owner.actor) == (
        house.owner,
        house.account_id,
        found.actor,
    )
    assert found.caller.actor == found.actor


async def test_its_version_grows_with_the_trail(services: Services, house: House) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    before = (await looking(services, token)).version
    await house.create_key()
    assert (await looking(services, token)).version > before
    manager = await looking(services, await signed_in(services, house.manager, None))
    assert (manager.version, manager.account) == ((await looking(services, token)).version, None)


async def test_what_is_stored_of_a_session_is_a_hash_and_lasts_half_a_day(services: Services, house: House) -> None:
    before = now()
    token = await signed_in(services, house.owner, house.account_id)
    query = "SELECT user_id, account_id, created_at, seen_at, expires_at FROM sessions WHERE token_hash = %s"
    digest = hashlib.sha256(token.encode()).digest()
    [(user_id, account_id, created, seen, expires)] = await house.select(query, digest)
    assert (user_id, account_id) == (house.owner, house.account_id)
    assert before <= created == seen <= now()
    assert expires - created == timedelta(hours=12)
    assert len(token) == 43
    assert token not in repr(await looking(services, token))


@pytest.mark.parametrize(
    ("url", "name", "secure"), [("https://a.example", COOKIE, True), ("http://a", "countersign", "")]
)
async def test_the_cookie_is_kept_from_scripts_other_sites_and_other_hosts(
    services: Services, house: House, url: str, name: str, secure: object
) -> None:
    settings = services.settings.model_copy(update={"public_url": url})
    begun, ended = Response(), Response()
    async with services.core.database.connection() as connection:
        await sessions.insert(connection, new_session(settings, begun, user_id=house.owner, account_id=None))
    there = replace(services, core=replace(services.core, settings=settings))
    await end_session(asking("POST", cookie=f"{name}={cookie_of(begun).value}"), there, ended)
    for cookie in (cookie_of(begun), cookie_of(ended)):
        assert (cookie.key, cookie["path"], cookie["samesite"], cookie["domain"]) == (name, "/", "lax", "")
        assert (cookie["secure"], cookie["httponly"]) == (secure, True)
    assert (cookie_of(begun)["max-age"], cookie_of(ended)["max-age"]) == ("", "0")
    assert cookie_name(settings) == name
    query = "SELECT 1 FROM sessions WHERE token_hash = %s"
    assert await house.select(query, token_hash(cookie_of(begun).value)) == []


async def test_signing_out_ends_that_session_alone_and_needs_none(services: Services, house: House) -> None:
    one, two = [await signed_in(services, house.owner, None) for _ in range(2)]
    await end_session(asking("POST", cookie=f"{COOKIE}={one}"), services, Response())
    await end_session(asking("POST"), services, Response())
    await end_session(asking("POST", cookie=f"{COOKIE}=unknown"), services, Response())
    assert await house.events() == [("session:ended", {})]
    with pytest.raises(SessionEnded):
        await looking(services, one)
    assert (await looking(services, two)).user.id == house.owner


@pytest.mark.parametrize("token", ["", "unknown"])
async def test_without_a_session_nobody_looks(services: Services, token: str) -> None:
    with pytest.raises(SessionEnded):
        await looking(services, token)
    with pytest.raises(SessionEnded):
        await visitor(asking(), services)


@pytest.mark.parametrize(
    ("column", "good", "over"),
    [
        ("seen_at", timedelta(minutes=29), timedelta(minutes=30)),
        ("expires_at", timedelta(hours=11), timedelta(hours=12)),
    ],
)
async def test_a_session_ends_unused_or_old(
    services: Services, house: House, column: str, good: timedelta, over: timedelta
) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    await aged(services, token, house, **{column: good})
    assert (await looking(services, token)).user.id == house.owner
    token = await signed_in(services, house.owner, house.account_id)
    await aged(services, token, house, **{column: over})
    with pytest.raises(SessionEnded):
        await looking(services, token)


async def test_looking_keeps_it_alive_but_not_a_page_that_asks_by_itself(services: Services, house: House) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    began = await seen_at(house, token)
    await looking(services, token)
    assert await seen_at(house, token) == began
    await aged(services, token, house, seen_at=timedelta(seconds=61))
    old = await seen_at(house, token)
    await looking(services, token, x_live="1")
    assert await seen_at(house, token) == old
    before = now()
    await looking(services, token)
    assert before <= await seen_at(house, token) <= now()  # type: ignore[operator] # a moment


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_what_changes_something_comes_from_a_page_of_ours(
    services: Services, house: House, method: str, site: str
) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    with pytest.raises(CrossSite):
        await looking(services, token, method, sec_fetch_site=site)
    with pytest.raises(CrossSite):
        await looking(services, token, method)
    assert (await looking(services, token, method, **FRAMED)).user.id == house.owner


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_link_from_anywhere_may_be_followed(services: Services, house: House, method: str) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    assert (await looking(services, token, method, sec_fetch_site="cross-site")).user.id == house.owner


@pytest.mark.parametrize(
    ("url", "headers", "is_ours"),
    [
        ("https://a.example/x", {"origin": "https://a.example"}, True),
        ("https://a.example:8443", {"origin": "https://a.example:8443"}, True),
        ("https://a.example", {"origin": "http://a.example"}, False),
        ("https://a.example", {"origin": "https://b.example"}, False),
        ("https://a.example", {"origin": "null"}, False),
        ("https://a.example", {}, False),
        ("https://a.example", {"origin": "https://a.example", "sec_fetch_site": "cross-site"}, False),
        ("https://a.example", {"origin": "https://b.example", "sec_fetch_site": "same-origin"}, True),
    ],
)
def test_of_older_browsers_the_origin_decides(
    settings: Settings, url: str, headers: dict[str, Any], is_ours: object
) -> None:
    here = settings.model_copy(update={"public_url": url})
    if is_ours:
        require_same_origin(asking("POST", form=None, **headers), here)
    else:
        with pytest.raises(CrossSite):
            require_same_origin(asking("POST", form=None, **headers), here)


async def test_a_form_acts_for_whom_it_was_shown_to(services: Services, house: House) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    for shown, told in [
        (f"{house.owner}/{house.account_id}", {}),
        ("x", {"x_acting_for": f"{house.owner}/{house.account_id}"}),
    ]:
        request = asking("POST", cookie=f"{COOKIE}={token}", form={"acting_for": shown}, **FRAMED, **told)
        assert (await visitor(request, services)).user.id == house.owner


async def test_a_form_of_another_person_or_another_account_does_nothing(services: Services, house: House) -> None:
    other = await House.build(services.desk)
    async with services.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=other.account_id, user_id=house.owner, role=Role.MEMBER)
    token = await signed_in(services, house.owner, house.account_id)

    async def refusal(shown: str, method: str = "POST") -> ActingForAnother:
        told: dict[str, Any] = {"x_acting_for": shown} if method == "GET" else {"form": {"acting_for": shown}}
        with pytest.raises(ActingForAnother) as caught:
            await visitor(asking(method, cookie=f"{COOKIE}={token}", **FRAMED, **told), services)
        return caught.value

    for method in ("POST", "GET"):
        another = await refusal(f"{house.sms_owner}/{house.account_id}", method)
        assert (another.detail[:14], another.extra) == ("Another person", {})
        switched = await refusal(f"{house.owner}/{other.account_id}", method)
        assert switched.detail.startswith("You now act for Home;")
        assert switched.extra == {"account_id": str(other.account_id), "account_name": "Home"}
        assert (await refusal(f"{house.owner}/{uuid4()}", method)).extra == {}
        assert (await refusal(f"{house.owner}/-", method)).extra == {}


async def test_a_form_in_a_get_is_not_looked_at(services: Services, house: House) -> None:
    token = await signed_in(services, house.owner, house.account_id)
    request = asking("GET", cookie=f"{COOKIE}={token}", form={"acting_for": "another"})
    assert (await visitor(request, services)).user.id == house.owner


async def test_without_an_account_one_is_no_owner(services: Services, house: House) -> None:
    token = await signed_in(services, house.owner, (await House.build(services.desk)).account_id)
    found = await looking(services, token)
    assert (found.account, found.is_owner, found.acting_for) == (None, False, f"{house.owner}/-")
    assert found.caller.account_id is None
    with pytest.raises(PrimeLiquidityRequired):
        _ = found.owner
    with pytest.raises(ActingForAnother, match="no account"):
        await looking(services, token, x_acting_for=f"{house.owner}/{house.account_id}")


@pytest.mark.parametrize("what", ["member", "plain"])
async def test_a_member_and_an_owner_without_prime_liquidity_are_none(
    services: Services, house: House, what: str
) -> None:
    await house.change("UPDATE accounts SET prime_liquidity = %s WHERE id = %s", what == "member", house.account_id)
    user_id = house.member if what == "member" else house.owner
    found = await looking(services, await signed_in(services, user_id, house.account_id))
    assert (found.is_owner, found.owned) == (False, ())
    assert [account.id for account in found.accounts] == [house.account_id]
    with pytest.raises(PrimeLiquidityRequired):
        _ = found.owner


async def test_the_verifier_of_a_reveal_is_the_sessions_own(services: Services, house: House) -> None:
    one, two = [await looking(services, await signed_in(services, house.owner, None)) for _ in range(2)]
    request_id = uuid4()
    expected = hmac.digest(one.token.encode(), b"reveal\n" + request_id.bytes, "sha256")
    assert one.reveal_verifier(request_id) == base64.urlsafe_b64encode(expected).rstrip(b"=").decode()
    assert one.reveal_challenge(request_id) == challenge_of(one.reveal_verifier(request_id))
    assert len({one.reveal_verifier(request_id), two.reveal_verifier(request_id), one.reveal_verifier(uuid4())}) == 3


async def test_staff_pages_are_for_their_staff(services: Services, house: House) -> None:
    manager = await looking(services, await signed_in(services, house.manager, None))
    assert await manager_visitor(manager) is manager
    assert manager.caller.staff_role is Role.ACCOUNT_MANAGER
    with pytest.raises(Forbidden):
        await ops_visitor(manager)
    await house.change("UPDATE users SET staff_role = 'ops' WHERE id = %s", house.stranger)
    ops = await looking(services, await signed_in(services, house.stranger, None))
    assert await ops_visitor(ops) is ops
    with pytest.raises(Forbidden):
        await manager_visitor(ops)


async def test_pages_ask_who_looks(services: Services, house: House) -> None:
    app = FastAPI()
    app.state.services = services

    @app.get("/any")
    async def for_any(who: UsedVisitor) -> str:
        return str(who.user.id)

    @app.get("/manager")
    async def for_managers(who: UsedManagerVisitor) -> str:
        return str(who.user.id)

    @app.get("/ops")
    async def for_ops(who: UsedOpsVisitor) -> str:
        return str(who.user.id)

    token = await signed_in(services, house.manager, None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://here") as client:
        client.headers["Cookie"] = f"{COOKIE}={token}"
        assert (await client.get("/any")).json() == str(house.manager)
        assert (await client.get("/manager")).json() == str(house.manager)
        with pytest.raises(Forbidden):
            await client.get("/ops")
        client.headers.pop("Cookie")
        with pytest.raises(SessionEnded):
            await client.get("/any")
