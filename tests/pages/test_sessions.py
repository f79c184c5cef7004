"""Sessions: how long they last, what ends them, what their cookies are like, and who may post with them."""

from dataclasses import replace
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from starlette.responses import Response

from api.pages.visitors import new_session
from countersign.settings import Settings
from countersign.storage.database import Database
from countersign.wiring import Parts
from tests.support.cast import Cast, Person
from tests.support.fix import audit
from tests.support.pages import HTML, Reader, session_cookie
from tests.support.rows import change, select
from tests.support.signing_in import SAME_ORIGIN, Browser, Place

IDLE, LIFETIME = timedelta(minutes=30), timedelta(hours=12)
A_MOMENT = timedelta(seconds=30)


async def let_pass(person: Person, time: timedelta) -> None:
    """Let the person's sessions be that much older."""
    await change(
        person.core,
        "UPDATE sessions SET created_at = created_at - %s, seen_at = seen_at - %s, expires_at = expires_at - %s"
        " WHERE user_id = %s",
        time, time, time, person.id,
    )  # fmt: skip


async def test_a_session_that_is_used_goes_on_past_half_an_hour(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)

    for _ in range(3):
        await let_pass(cast.owner, IDLE - A_MOMENT)
        assert await browser.is_signed_in()


async def test_a_session_ends_when_it_was_not_used_for_half_an_hour(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await let_pass(cast.owner, IDLE + A_MOMENT)

    assert not await browser.is_signed_in()


async def test_a_page_that_looks_for_news_does_not_keep_its_session_alive(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await let_pass(cast.owner, IDLE / 2 + A_MOMENT)
    assert await browser.is_signed_in(**{"X-Live": "1"})
    await let_pass(cast.owner, IDLE / 2)

    assert not await browser.is_signed_in()


async def test_a_session_ends_after_half_a_day_however_much_it_is_used(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await change(
        cast.core, "UPDATE sessions SET expires_at = expires_at - %s WHERE user_id = %s", LIFETIME, cast.owner.id
    )

    assert not await browser.is_signed_in()


async def test_a_session_that_is_over_is_forgotten_at_the_next_sign_in(
    browser: Browser, place: Place, cast: Cast
) -> None:
    await browser.sign_in(cast.owner)
    await let_pass(cast.owner, LIFETIME + A_MOMENT)
    async with place.browser() as another:
        await another.sign_in(cast.second_owner)

    assert await select(cast.core, "SELECT 1 FROM sessions WHERE user_id = %s", cast.owner.id) == []


async def test_a_page_without_a_session_leads_to_the_sign_in_and_back(browser: Browser) -> None:
    response = await browser.get("/settings/api-keys?q=bot")

    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?next=/settings/api-keys%3Fq%3Dbot")


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "%00", "a" * 4000])
async def test_a_made_up_token_is_no_session(browser: Browser, cookie: str) -> None:
    assert not await browser.is_signed_in(Cookie=f"countersign={cookie}")


async def test_without_a_cookie_the_database_is_not_asked(browser: Browser, place: Place) -> None:
    usual = place.app.state.services
    core = replace(usual.core, database=Database("postgresql://nowhere"))
    place.app.state.services = replace(usual, core=core)
    try:
        answers = [await browser.get("/settings/api-keys"), await browser.post("/sign-out")]
    finally:
        place.app.state.services = usual

    assert [each.status_code for each in answers] == [303, 303]


@pytest.mark.parametrize(
    ("told", "stored"),
    [("203.0.113.7", "203.0.113.7"), ("fe80::1%eth0", "fe80::1"), ("unknown", None), ("_hidden:80", None), ("", None)],
)
async def test_an_address_that_is_none_is_not_stored_and_does_no_harm(
    place: Place, cast: Cast, told: str, stored: str | None
) -> None:
    transport = httpx.ASGITransport(place.app, client=(told, 0))
    async with httpx.AsyncClient(transport=transport, base_url=place.settings.public_url) as http:
        cookie = await session_cookie(cast.owner, place.settings)
        page = await Reader(http, f"{cookie.key}={cookie.value}").post("/settings/api-keys/new", {"name": "bot"})
        api = await http.get("/v1/requests", headers={"Authorization": f"Bearer {cast.owner.token}"})

    assert (page.status, api.status_code) == (303, 200)
    assert {each["ip"] for each in await audit(cast.owner)} == {stored}


async def test_the_token_is_not_in_the_database(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    [(stored,)] = await select(cast.core, "SELECT s::text FROM sessions s WHERE user_id = %s", cast.owner.id)
    token = browser.session_token or ""

    assert len(token) == 43
    assert token not in stored
    assert token.encode().hex() not in stored


async def test_signing_out_ends_the_session_at_the_server_too(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    token = browser.session_token

    response = await browser.post("/sign-out")

    assert (response.status_code, response.headers["location"]) == (303, "/signed-out")
    assert response.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.session_token is None
    assert "You are signed out" in (await browser.get("/signed-out")).text
    assert not await browser.is_signed_in(Cookie=f"countersign={token}")


async def test_signing_out_twice_does_no_harm(browser: Browser) -> None:
    assert (await browser.post("/sign-out")).status_code == 303


async def test_a_link_does_not_sign_out(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)

    assert (await browser.get("/sign-out")).status_code == 405
    assert await browser.is_signed_in()


FOREIGN = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "none": {"Sec-Fetch-Site": "none"},
    "cross-site, whatever the origin": {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    "neither header": {},
    "an origin elsewhere": {"Origin": "https://evil.example"},
    "an origin on another port": {"Origin": "http://127.0.0.1:8233"},
    "an origin with another scheme": {"Origin": "https://127.0.0.1"},
    "no origin that is told": {"Origin": "null"},
}


@pytest.mark.parametrize("path", ["/sign-out", "/account"])
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_form_of_another_site_is_refused(
    browser: Browser, cast: Cast, path: str, headers: dict[str, str]
) -> None:
    await browser.sign_in(cast.owner)

    form = {"account_id": str(cast.owner.account_id)}
    response = await browser.client.post(path, data=form, headers={**HTML, **headers})

    assert response.status_code == 403
    assert "another site" in response.text
    assert await browser.is_signed_in()


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {"Origin": "http://127.0.0.1"}])
async def test_a_form_of_our_own_is_taken(browser: Browser, cast: Cast, headers: dict[str, str]) -> None:
    await browser.sign_in(cast.owner)

    response = await browser.client.post("/account", data={"account_id": str(cast.owner.account_id)}, headers=headers)

    assert response.status_code == 303


async def test_who_has_two_accounts_chooses_between_them(browser: Browser, cast: Cast) -> None:
    add = "INSERT INTO memberships (account_id, user_id, role) VALUES (%s, %s, 'member')"
    await change(cast.core, add, cast.outsider.account_id, cast.owner.id)
    await browser.sign_in(cast.owner)

    await browser.post("/account", account_id=str(cast.outsider.account_id))

    chosen = await select(cast.core, "SELECT account_id FROM sessions WHERE user_id = %s", cast.owner.id)
    assert chosen == [(cast.outsider.account_id,)]


async def test_nobody_chooses_an_account_of_others(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)

    response = await browser.post("/account", account_id=str(cast.outsider.account_id))

    chosen = await select(cast.core, "SELECT account_id FROM sessions WHERE user_id = %s", cast.owner.id)
    assert (response.status_code, chosen) == (404, [(cast.owner.account_id,)])


async def test_who_left_the_account_acts_for_it_no_more(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await change(cast.core, "DELETE FROM memberships WHERE user_id = %s", cast.owner.id)

    page = await browser.get("/settings/api-keys")

    assert "for owners of a Prime Liquidity account" in page.text


async def test_over_https_the_cookies_are_of_this_host_alone(core: Parts, cast: Cast) -> None:
    assert core.settings.public_url.startswith("https://")

    name, cookie = cookie_of(core.settings, cast.owner)

    assert name == "__Host-countersign"
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "lax")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "")


async def test_over_http_they_are_what_they_can_be(place: Place, cast: Cast) -> None:
    name, cookie = cookie_of(place.settings, cast.owner)

    assert name == "countersign"
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == ("", True, "lax")


async def test_over_https_the_way_to_the_provider_is_kept_by_this_host_alone(
    place: Place, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.settings, "public_url", "https://127.0.0.1")
    async with place.browser() as browser:
        left = await browser.client.get("/sign-in/start", headers=HTML)

    [(name, cookie)] = SimpleCookie(left.headers["set-cookie"]).items()
    assert name == "__Host-countersign-sign-in"
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "lax", "/")
    assert left.headers["location"].count("redirect_uri=https%3A%2F%2F127.0.0.1%2Fsign-in%2Fcallback") == 1


def cookie_of(settings: Settings, person: Person) -> "tuple[str, Morsel[str]]":
    response = Response()
    new_session(settings, response, user_id=person.id, account_id=person.account_id)
    [(name, cookie)] = SimpleCookie(response.headers["set-cookie"]).items()
    return name, cookie
