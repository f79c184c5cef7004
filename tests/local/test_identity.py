"""The local stack's OpenID provider: strict, although it asks for no password."""

import base64
import hashlib
import re
import stat
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest
from pydantic import SecretStr

from countersign.local.application import local_application
from countersign.local.environment import identity_issuer
from countersign.local.identity import Client, Identity
from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.settings import Settings

ISSUER = "http://127.0.0.1:8080/local/identity"
CALLBACK = "http://127.0.0.1:8080/sign-in/callback"
CLIENT = Client("countersign-local", "a secret: with + and %", CALLBACK)
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
OLIVIA = uuid4()
ASKED = {
    "client_id": CLIENT.id,
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "state": "the state",
    "nonce": "the nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "login_hint": "olivia",
}
CREDENTIALS = ("countersign-local", "a+secret%3A+with+%2B+and+%25")


@pytest.fixture
def key(tmp_path: Path) -> Issuer:
    return load_or_make_issuer(tmp_path)


@pytest.fixture
async def provider(key: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    app = Identity(ISSUER, key=key, client=CLIENT, people={"olivia": OLIVIA, "<sam>": uuid4()}).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def code_of(provider: httpx.AsyncClient) -> str:
    answer = await provider.get("/authorize", params=ASKED)
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def exchange(provider: httpx.AsyncClient, code: str, **changes: Any) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    credentials = changes.pop("credentials", CREDENTIALS)
    return await provider.post("/token", data={**form, **changes}, auth=credentials)


async def test_a_hint_signs_in_at_once(provider: httpx.AsyncClient) -> None:
    answer = await provider.get("/authorize", params=ASKED)

    there, _, query = answer.headers["location"].partition("?")
    assert (answer.status_code, there) == (303, CALLBACK)
    assert parse_qs(query)["state"] == ["the state"]


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 200), ("same-site", 200), ("same-origin", 303), ("none", 303)]
)
async def test_who_comes_from_another_site_is_asked_first(provider: httpx.AsyncClient, site: str, status: int) -> None:
    answer = await provider.get("/authorize", params=ASKED, headers={"Sec-Fetch-Site": site})

    assert answer.status_code == status
    assert ("Who are you?" in answer.text) == (status == 200)


@pytest.mark.parametrize("hint", ["", "nobody"])
async def test_without_one_the_person_chooses(provider: httpx.AsyncClient, hint: str) -> None:
    page = await provider.get("/authorize", params={**ASKED, "login_hint": hint})

    assert "&lt;sam&gt;" in page.text
    link = unescape(re.findall(r'href="([^"]+)"', page.text)[0])
    assert (await provider.get(f"/authorize{link}")).status_code == 303


async def test_a_code_is_good_for_an_id_token(provider: httpx.AsyncClient, key: Issuer) -> None:
    answer = (await exchange(provider, await code_of(provider))).json()

    keys = jwt.PyJWKSet.from_dict((await provider.get("/jwks.json")).json())
    header = jwt.get_unverified_header(answer["id_token"])
    claims = jwt.decode(
        answer["id_token"], keys[header["kid"]], algorithms=["ES256"], audience=CLIENT.id, issuer=ISSUER
    )
    assert (claims["sub"], claims["nonce"]) == (str(OLIVIA), "the nonce")
    assert claims["exp"] - claims["iat"] == 300


async def test_the_key_it_publishes_is_only_half(provider: httpx.AsyncClient) -> None:
    [key] = (await provider.get("/jwks.json")).json()["keys"]

    assert "d" not in key


async def test_a_code_counts_once(provider: httpx.AsyncClient) -> None:
    code = await code_of(provider)

    assert (await exchange(provider, code)).status_code == 200
    again = await exchange(provider, code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


async def test_a_code_that_was_tried_with_a_wrong_verifier_is_used_up(provider: httpx.AsyncClient) -> None:
    code = await code_of(provider)

    assert (await exchange(provider, code, code_verifier="w" * 43)).status_code == 400
    assert (await exchange(provider, code)).status_code == 400


async def test_a_code_lives_for_a_minute(provider: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await code_of(provider)
    monkeypatch.setattr("countersign.local.identity._CODE_SECONDS", 0.0)

    assert (await exchange(provider, code)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "another"},
        {"code_verifier": CHALLENGE},
        {"code_verifier": ""},
        {"redirect_uri": f"{CALLBACK}/"},
        {"grant_type": "password"},
    ],
    ids=str,
)
async def test_nothing_but_what_belongs_to_the_code_is_taken(
    provider: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    code = await code_of(provider)

    assert (await exchange(provider, **{"code": code, **changes})).status_code == 400


@pytest.mark.parametrize(
    "credentials", [None, (CLIENT.id, "wrong"), ("another", CREDENTIALS[1]), (CLIENT.id, ""), ("", "")], ids=str
)
async def test_nobody_but_the_client_gets_tokens(
    provider: httpx.AsyncClient, credentials: tuple[str, str] | None
) -> None:
    code = await code_of(provider)

    assert (await exchange(provider, code, credentials=credentials)).status_code == 401
    assert (await exchange(provider, code)).status_code == 200


@pytest.mark.parametrize("header", ["Basic", "Basic ???", "Basic /w==", "Bearer x"])
async def test_rubbish_is_no_client(provider: httpx.AsyncClient, header: str) -> None:
    assert (await provider.post("/token", headers={"Authorization": header})).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example"},
        {"redirect_uri": f"{CALLBACK}?x"},
        {"client_id": "another"},
        {"response_type": "token"},
        {"scope": "profile"},
        {"code_challenge_method": "plain"},
        *({name: None} for name in ASKED if name != "login_hint"),
    ],
    ids=str,
)
async def test_a_request_that_is_not_as_agreed_is_sent_nowhere(
    provider: httpx.AsyncClient, changes: dict[str, str | None]
) -> None:
    asked = {name: value for name, value in {**ASKED, **changes}.items() if value is not None}

    answer = await provider.get("/authorize", params=asked)

    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_the_local_stack_brings_it_and_offers_its_people(settings: Settings, tmp_path: Path) -> None:
    own = local(settings, tmp_path, oidc_issuer=identity_issuer(settings.api_port))

    described = await first_answer(own, "/local/identity/.well-known/openid-configuration")

    assert described.json()["issuer"] == own.oidc_issuer
    assert "login_hint=olivia" in (await first_answer(own, "/sign-in")).text
    assert stat.S_IMODE((tmp_path / "issuer-key.pem").stat().st_mode) == 0o600


async def test_with_another_provider_it_is_not_there(settings: Settings, tmp_path: Path) -> None:
    other = local(settings, tmp_path, oidc_issuer="https://identity.example")

    assert (await first_answer(other, "/local/identity/jwks.json")).status_code == 404
    assert "login_hint" not in (await first_answer(other, "/sign-in")).text


def local(settings: Settings, data: Path, *, oidc_issuer: str) -> Settings:
    changes = {"mode": "local", "data": data, "oidc_issuer": oidc_issuer, "oidc_client_secret": SecretStr("secret")}
    return settings.model_copy(update=changes)


async def first_answer(settings: Settings, path: str) -> httpx.Response:
    app = local_application(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers={"Accept": "text/html"})
