"""Signing in: there and back over a real OpenID provider, and everything that must not get anyone in."""

import asyncio
import logging
import secrets
import string
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from api.identity_provider import IdentityProvider
from api.pages.sign_in import local_path
from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.settings import Settings
from tests.support.cast import Cast
from tests.support.pages import HTML
from tests.support.rows import change, select
from tests.support.signing_in import Browser, Lies, Place, query_of
from tests.support.stage import api_of

FAILED = "Signing in did not work"


async def test_an_owner_signs_in_and_comes_to_the_page_that_was_wanted(browser: Browser, cast: Cast) -> None:
    response = await browser.sign_in(cast.owner, wanted="/settings/api-keys?q=bot")

    assert (response.status_code, response.headers["location"]) == (303, "/settings/api-keys?q=bot")
    assert "owner" in (await browser.get("/signed-in")).text


async def test_the_page_leads_there_with_a_link_and_keeps_what_was_wanted(browser: Browser) -> None:
    page = await browser.get("/sign-in?next=/settings/api-keys")

    assert 'href="/sign-in/start?next=%2Fsettings%2Fapi-keys"' in page.text


async def test_the_provider_is_asked_as_it_should_be(browser: Browser, cast: Cast) -> None:
    asked = query_of((await browser.leave(cast.owner)).headers["location"])

    assert (asked["response_type"], asked["scope"]) == ("code", "openid")
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert min(len(asked["state"]), len(asked["nonce"])) >= 20


async def test_state_nonce_and_challenge_are_new_each_time(browser: Browser, cast: Cast) -> None:
    first, second = [query_of((await browser.leave(cast.owner)).headers["location"]) for _ in range(2)]

    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())


async def test_the_cookie_of_the_way_tells_nobody_the_verifier(browser: Browser, cast: Cast) -> None:
    left = await browser.leave(cast.owner)

    [cookie] = left.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Max-Age=600"} <= set(cookie.split("; "))
    assert query_of(left.headers["location"])["state"] not in cookie
    assert "verifier" not in cookie


async def test_an_answer_with_another_state_gets_nobody_in(browser: Browser, cast: Cast) -> None:
    back = await browser.way_back(await browser.leave(cast.owner))
    state = query_of(back)["state"]

    await refused(browser, await browser.get(back.replace(state, "x" * len(state))))


async def test_an_answer_that_another_browser_asked_for_gets_nobody_in(
    browser: Browser, place: Place, cast: Cast
) -> None:
    async with place.browser() as another:
        back = await another.way_back(await another.leave(cast.owner))

    await refused(browser, await browser.get(back))


async def test_after_an_answer_the_cookie_of_the_way_is_gone(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    assert list(browser.client.cookies) == ["countersign"]

    browser.place.provider.lies = Lies({"nonce": "another"})
    await browser.sign_in(cast.owner)
    assert list(browser.client.cookies) == ["countersign"]


async def test_an_answer_counts_once(browser: Browser, cast: Cast) -> None:
    back = await browser.way_back(await browser.leave(cast.owner))
    cookies = httpx.Cookies(browser.client.cookies)
    await browser.get(back)
    browser.client.cookies = cookies

    await refused(browser, await browser.get(back))


async def test_a_copied_cookie_is_not_good_for_longer_than_ten_minutes(
    browser: Browser, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.sign_in_state._LIFETIME", timedelta(seconds=-1))
    left = await browser.leave(cast.owner)
    name, _, value = left.headers["set-cookie"].partition(";")[0].partition("=")
    browser.client.cookies.set(name, value)

    await refused(browser, await browser.get(await browser.way_back(left)))


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "é".encode().hex()])
async def test_a_cookie_that_is_none_of_ours_is_ignored(browser: Browser, cast: Cast, cookie: str) -> None:
    back = await browser.way_back(await browser.leave(cast.owner))
    browser.client.cookies.clear()

    await refused(browser, await browser.get(back, Cookie=f"countersign-sign-in={cookie}"))


@pytest.mark.parametrize("error", ["access_denied", "login_required", "<script>"])
async def test_who_is_denied_may_try_again(browser: Browser, cast: Cast, error: str) -> None:
    state = query_of((await browser.leave(cast.owner, wanted="/settings/api-keys")).headers["location"])["state"]

    response = await browser.client.get(
        "/sign-in/callback",
        params={"error": error, "error_description": "Because of 493817", "state": state},
        headers={"Accept": "text/html"},
    )

    await refused(browser, response)
    assert 'href="/sign-in?next=%2Fsettings%2Fapi-keys">Sign in again</a>' in response.text
    assert "493817" not in response.text


LIES: dict[str, Lies] = {
    "another nonce": Lies({"nonce": "another"}),
    "no nonce": Lies({"nonce": None}),
    "another issuer": Lies({"iss": "https://identity.example"}),
    "no issuer": Lies({"iss": None}),
    "an audience that is another client": Lies({"aud": "another"}),
    "audiences, and another client is meant": Lies({"aud": ["countersign", "another"], "azp": "another"}),
    "an audience that is another client, to whom we passed it": Lies({"aud": "another", "azp": "countersign"}),
    "no audience": Lies({"aud": None}),
    "no subject": Lies({"sub": None}),
    "a subject that is no text": Lies({"sub": 7}),
    "an empty subject": Lies({"sub": ""}),
    "a time long past": Lies(lifetime=timedelta(minutes=-1)),
    "not yet": Lies({"nbf": 4_000_000_000}),
    "no token at all": Lies(token="rubbish"),
    "an empty token": Lies(token=""),
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES.keys())
async def test_a_token_that_is_wrong_gets_nobody_in(browser: Browser, cast: Cast, lies: Lies) -> None:
    browser.place.provider.lies = lies

    await refused(browser, await browser.sign_in(cast.owner))


async def test_a_token_signed_with_another_key_gets_nobody_in(browser: Browser, cast: Cast, tmp_path: Path) -> None:
    browser.place.provider.lies = Lies(signer=load_or_make_issuer(tmp_path))

    await refused(browser, await browser.sign_in(cast.owner))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_that_nobody_has_to_sign_gets_nobody_in(
    browser: Browser, cast: Cast, issuer: Issuer, algorithm: str
) -> None:
    provider = browser.place.provider
    left = await browser.leave(cast.owner)
    claims = {
        "iss": browser.place.settings.oidc_issuer,
        "aud": "countersign",
        "sub": str(cast.owner.id),
        "nonce": query_of(left.headers["location"])["nonce"],
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
    }
    kid = issuer.jwks["keys"][0]["kid"]
    key = "" if algorithm == "none" else secrets.token_hex(32)
    provider.lies = Lies(token=jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid}))

    await refused(browser, await browser.get(await browser.way_back(left)))


async def test_a_bearer_token_of_the_gateway_is_no_id_token(browser: Browser, cast: Cast) -> None:
    browser.place.provider.lies = Lies(token=cast.owner.token)

    await refused(browser, await browser.sign_in(cast.owner))


async def test_an_id_token_is_no_bearer_token(browser: Browser, cast: Cast) -> None:
    claims = {"iss": browser.place.settings.oidc_issuer, "aud": "countersign", "sub": str(cast.owner.id)}
    token = browser.place.provider.honest_key.sign(claims, lifetime=timedelta(minutes=5))

    response = await browser.client.get("/v1/requests", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401


@pytest.mark.parametrize("subject", ["00000000-0000-4000-8000-000000000000", "olivia", "../../x"])
async def test_a_stranger_is_told_so(browser: Browser, cast: Cast, subject: str) -> None:
    browser.place.provider.lies = Lies({"sub": subject})

    response = await browser.sign_in(cast.owner)

    assert response.status_code == 403
    assert "nobody here" in response.text
    assert "Sign in again" in response.text
    assert browser.session_token is None


async def test_a_wrong_client_secret_gets_nobody_in(browser: Browser, cast: Cast, place: Place) -> None:
    with place.asking(oidc_client_secret=SecretStr("wrong")):
        await refused(browser, await browser.sign_in(cast.owner))


@pytest.mark.parametrize("path", ["/sign-in/start", "/sign-in/callback?code=x&state=y"])
async def test_a_provider_that_is_down_is_503_and_can_be_tried_again(browser: Browser, place: Place, path: str) -> None:
    with place.asking(oidc_issuer="http://127.0.0.1:9"):
        response = await browser.get(path)

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "Sign in again" in response.text


async def test_a_provider_that_goes_down_on_the_way_is_503(browser: Browser, place: Place, cast: Cast) -> None:
    back = await browser.way_back(await browser.leave(cast.owner))
    place.provider.lies = Lies(down=True)

    response = await browser.get(back)

    assert (response.status_code, browser.session_token) == (503, None)


async def test_a_provider_that_is_down_is_asked_by_one_alone_and_not_again_at_once(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_discoveries(monkeypatch)
    with place.asking(oidc_issuer="http://127.0.0.1:9"):
        answers = await asyncio.gather(*(browser.get("/sign-in/start") for _ in range(5)))
        assert ({each.status_code for each in answers}, len(asked)) == ({503}, 1)

        monkeypatch.setattr("api.identity_provider._PAUSE_SECONDS", 0.0)
        assert (await browser.get("/sign-in/start")).status_code == 503

    assert len(asked) == 2


async def test_many_who_sign_in_at_once_ask_for_the_metadata_once(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count_discoveries(monkeypatch)
    with place.asking():
        answers = await asyncio.gather(*(browser.get("/sign-in/start") for _ in range(5)))

    assert ({each.status_code for each in answers}, len(asked)) == ({302}, 1)


@pytest.mark.parametrize(("usable_seconds", "status"), [(900.0, 302), (0.0, 503)])
async def test_metadata_that_cannot_be_had_anew_stay_in_use_for_a_while(
    browser: Browser, place: Place, monkeypatch: pytest.MonkeyPatch, usable_seconds: float, status: int
) -> None:
    with place.asking():
        assert (await browser.get("/sign-in/start")).status_code == 302
        monkeypatch.setattr("api.identity_provider._FRESH_SECONDS", 0.0)
        monkeypatch.setattr("api.identity_provider._USABLE_SECONDS", usable_seconds)
        monkeypatch.setattr(place.app.state.identity_provider, "_settings", unreachable(place.settings))

        assert (await browser.get("/sign-in/start")).status_code == status


def unreachable(settings: Settings) -> Settings:
    return settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:9"})


def count_discoveries(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return a list that gets longer with every question for the provider's metadata."""
    asked: list[None] = []
    usual = IdentityProvider._discover

    async def counted(provider: IdentityProvider) -> Any:
        asked.append(None)
        return await usual(provider)

    monkeypatch.setattr(IdentityProvider, "_discover", counted)
    return asked


async def test_metadata_of_another_issuer_are_not_used(browser: Browser, place: Place) -> None:
    with place.asking(oidc_issuer=place.settings.oidc_issuer.replace("127.0.0.1", "localhost")):
        assert (await browser.get("/sign-in/start")).status_code == 503


async def test_production_uses_no_endpoint_without_https(browser: Browser, place: Place) -> None:
    with place.asking(mode="production"):
        assert (await browser.get("/sign-in/start")).status_code == 503


async def test_a_key_that_the_provider_withdrew_is_not_trusted_for_ever(
    browser: Browser, place: Place, cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in(cast.owner)
    monkeypatch.setattr("api.identity_provider._FRESH_SECONDS", 0.0)
    monkeypatch.setattr(place.provider, "published_key", load_or_make_issuer(tmp_path))
    browser.client.cookies.clear()

    await refused(browser, await browser.sign_in(cast.owner))


async def test_codes_and_tokens_stand_in_no_log(browser: Browser, cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    left = await browser.leave(cast.owner)
    back = query_of(await browser.way_back(left))
    browser.place.provider.lies = Lies({"nonce": "another"})
    await browser.get(f"/sign-in/callback?code={back['code']}&state={back['state']}")
    # The browser of the test logs where it goes.
    lines = [f"{each.name} {each.getMessage()}" for each in caplog.records]
    told = "\n".join(line for line in lines if "/sign-in/callback" not in line and "/authorize" not in line)

    assert "InvalidClaimError" in told
    assert back["code"] not in told
    assert "verifier" not in told


async def test_every_sign_in_makes_a_new_session_and_ends_the_one_before(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    first = browser.session_token
    await browser.sign_in(cast.owner)
    second = browser.session_token
    browser.client.cookies.clear()

    assert second not in {first, None}
    assert await browser.is_signed_in(Cookie=f"countersign={second}")
    assert not await browser.is_signed_in(Cookie=f"countersign={first}")


async def test_a_cookie_planted_before_is_no_session_after(browser: Browser, cast: Cast) -> None:
    planted = secrets.token_urlsafe(32)
    browser.client.cookies.set("countersign", planted, domain="127.0.0.1", path="/")

    await browser.sign_in(cast.owner)

    assert browser.session_token != planted
    browser.client.cookies.clear()
    assert not await browser.is_signed_in(Cookie=f"countersign={planted}")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\n/evil.example", "javascript:alert(1)", "evil.example", "", "/ /evil.example", "/x\r\nSet-Cookie: a=b",
        "/sign-in", "/sign-in/start?next=/sign-in/start", "/\x00", "/\x7f", f"/{'x' * 1000}", "/é", '/"',
    ],
)  # fmt: skip
async def test_what_is_wanted_elsewhere_leads_to_the_start_page(browser: Browser, cast: Cast, wanted: str) -> None:
    response = await browser.sign_in(cast.owner, wanted)

    assert (response.status_code, response.headers["location"]) == (303, "/")


@pytest.mark.parametrize("wanted", ["/", "/signed-in", "/settings/api-keys?q=a%20b&status=active", "/x#y", "/a//b"])
def test_a_page_of_this_site_may_be_wanted(wanted: str) -> None:
    assert local_path(wanted) == wanted


def test_no_mark_that_browsers_drop_may_be_wanted() -> None:
    allowed = {mark for mark in map(chr, range(256)) if local_path(f"/{mark}x") != "/"}

    assert set(string.ascii_letters + string.digits) <= allowed
    assert not allowed & {chr(code) for code in range(33)}


async def test_the_cookie_of_the_way_is_never_too_large_for_a_browser(browser: Browser) -> None:
    query = {"next": f"/{'<' * 999}", "login_hint": "%" * 100}
    left = await browser.client.get("/sign-in/start", params=query, headers=HTML)

    [cookie] = left.headers.get_list("set-cookie")
    assert left.status_code == 302
    assert len(cookie) < 3800


@pytest.mark.parametrize("hint", ["x" * 101, "é", "\n"])
async def test_a_hint_that_is_no_persons_name_is_refused(browser: Browser, hint: str) -> None:
    left = await browser.client.get("/sign-in/start", params={"login_hint": hint}, headers=HTML)

    assert (left.status_code, left.headers.get_list("set-cookie")) == (422, [])


async def test_the_first_account_is_an_own_one_of_prime_liquidity(browser: Browser, cast: Cast) -> None:
    await change(
        cast.core,
        "INSERT INTO memberships (account_id, user_id, role) VALUES (%s, %s, 'member'), (%s, %s, 'owner')",
        cast.outsider.account_id, cast.owner.id, cast.plain_owner.account_id, cast.owner.id,
    )  # fmt: skip

    await browser.sign_in(cast.owner)

    assert await account_of_session(cast) == cast.owner.account_id


async def test_a_member_acts_for_the_account_and_staff_for_none(browser: Browser, place: Place, cast: Cast) -> None:
    await browser.sign_in(cast.member)
    async with place.browser() as another:
        await another.sign_in(cast.ops)
    query = "SELECT user_id, account_id FROM sessions WHERE user_id IN (%s, %s)"
    chosen = set(await select(cast.core, query, cast.member.id, cast.ops.id))

    assert chosen == {(cast.member.id, cast.member.account_id), (cast.ops.id, None)}


async def test_the_local_stack_leads_to_its_public_address_first(browser: Browser) -> None:
    response = await browser.client.get("http://localhost/sign-in/start?next=/x", headers={"Accept": "text/html"})

    assert response.headers["location"] == "http://127.0.0.1/sign-in/start?next=/x"


async def test_without_a_provider_nobody_signs_in(settings: Settings, tmp_path: Path) -> None:
    local = settings.model_copy(
        update={"mode": "local", "data": tmp_path, "oidc_issuer": "", "public_url": "http://127.0.0.1"}
    )
    async with api_of(local) as http:
        assert (await http.get("/sign-in/start", headers={"Accept": "text/html"})).status_code == 503


async def refused(browser: Browser, response: httpx.Response) -> None:
    assert response.status_code == 400
    assert FAILED in response.text
    assert "Sign in again" in response.text
    assert browser.session_token is None


async def account_of_session(cast: Cast) -> object:
    [(account_id,)] = await select(cast.core, "SELECT account_id FROM sessions WHERE user_id = %s", cast.owner.id)
    return account_id
