"""Tokens: signed by the issuer's keys, from a file or its JWKS address, and complete."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.jwks import RemoteKeys
from api.tokens import TokenVerifier
from countersign.domain.errors import NotSignedIn, Unavailable
from countersign.local.issuer import ISSUER, Issuer
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from tests.support.cast import Cast
from tests.support.jwks import JwksServer
from tests.support.stage import api_of

SUBJECT = str(uuid4())


@pytest.fixture
def jwks() -> Iterator[JwksServer]:
    with JwksServer.running("one") as server:
        yield server


@pytest.fixture
def remote(settings: Settings, jwks: JwksServer) -> TokenVerifier:
    return verifier(settings, jwks)


@pytest.fixture
async def gateway(settings: Settings, jwks: JwksServer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    changes = {"jwt_jwks_url": jwks.url, "mode": "local", "data": tmp_path}
    async with api_of(settings.model_copy(update=changes)) as client:
        yield client


def verifier(settings: Settings, jwks: JwksServer, *, pause: float = 0.0) -> TokenVerifier:
    made = TokenVerifier(settings.model_copy(update={"jwt_jwks_url": jwks.url}))
    made._keys = RemoteKeys(jwks.url, pause=pause)
    return made


def mint(issuer: Issuer, *, without: str = "", **claims: Any) -> str:
    full = {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60, **claims}
    full.pop(without, None)
    kid = jwt.get_unverified_header(issuer.mint(subject="", audience=""))["kid"]
    return jwt.encode(full, issuer.key, algorithm="ES256", headers={"kid": kid})


async def named(verifier: TokenVerifier, token: str) -> str:
    return str((await verifier.claims(token)).sub)


async def refused(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        await verifier.claims(token)
    return caught.value.detail


async def test_a_token_of_the_key_file_names_person_account_and_ip(settings: Settings, issuer: Issuer) -> None:
    account = uuid4()

    claims = await TokenVerifier(settings).claims(mint(issuer, account=str(account), ip="2001:db8::7"))

    assert (str(claims.sub), claims.account, str(claims.ip)) == (SUBJECT, account, "2001:db8::7")


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp"])
async def test_a_token_without_a_claim_it_needs_is_refused(settings: Settings, issuer: Issuer, claim: str) -> None:
    assert await refused(TokenVerifier(settings), mint(issuer, without=claim)) == "The token is not valid."


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "urn:someone:else"}, {"aud": "other"}, {"aud": ["other"]}, {"sub": "not-a-uuid"}, {"sub": ""},
        {"account": "x"}, {"ip": "nowhere"}, {"ip": "127.0.0.1; DROP"}, {"exp": "tomorrow"},
        {"nbf": 2**40}, {"iat": 2**40},
    ],
    ids=str,
)  # fmt: skip
async def test_a_token_with_a_wrong_claim_is_refused(
    settings: Settings, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await refused(TokenVerifier(settings), mint(issuer, **claims)) == "The token is not valid."


async def test_clocks_may_differ_by_five_seconds_and_no_more(settings: Settings, issuer: Issuer) -> None:
    now, tokens = int(time.time()), TokenVerifier(settings)

    assert await named(tokens, mint(issuer, exp=now - 2, iat=now + 3)) == SUBJECT
    assert await refused(tokens, mint(issuer, exp=now - 6)) == "The token has expired; get a new one."
    assert await refused(tokens, mint(issuer, nbf=now + 9)) == "The token is not valid."


async def test_a_token_of_another_algorithm_than_the_keys_is_refused(settings: Settings, issuer: Issuer) -> None:
    kid = jwt.get_unverified_header(mint(issuer))["kid"]
    claims = {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60}
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    for token in (
        jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": kid}),
        jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": kid}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": kid}),
        jwt.encode(claims, issuer.key, algorithm="ES256", headers={"kid": "unknown"}),
    ):
        assert "token" in await refused(TokenVerifier(settings), token)


async def test_the_only_key_is_used_for_a_token_that_names_none(settings: Settings, issuer: Issuer) -> None:
    claims = {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60}

    assert await named(TokenVerifier(settings), jwt.encode(claims, issuer.key, algorithm="ES256")) == SUBJECT


async def test_keys_come_from_the_jwks_address_and_are_asked_for_once(remote: TokenVerifier, jwks: JwksServer) -> None:
    for _ in range(5):
        assert str((await remote.claims(jwks.mint("one", sub=SUBJECT))).sub) == SUBJECT

    assert jwks.asked == 1


async def test_a_key_that_is_new_at_the_issuer_is_fetched(remote: TokenVerifier, jwks: JwksServer) -> None:
    await remote.claims(jwks.mint("one", sub=SUBJECT))
    jwks.add_key("two")

    assert await named(remote, jwks.mint("two", sub=SUBJECT)) == SUBJECT
    assert jwks.asked == 2


async def test_a_key_that_the_issuer_withdrew_is_refused(remote: TokenVerifier, jwks: JwksServer) -> None:
    old = jwks.mint("one", sub=SUBJECT)
    await remote.claims(old)
    del jwks.keys["one"]
    jwks.add_key("two")
    await remote.claims(jwks.mint("two", sub=SUBJECT))

    assert await refused(remote, old) == "No key is known that could have signed the token."


async def test_invented_key_ids_do_not_flood_the_issuer(settings: Settings, jwks: JwksServer) -> None:
    calm = verifier(settings, jwks, pause=60.0)
    strangers = JwksServer()
    strangers._server.server_close()
    for number in range(20):
        strangers.add_key(str(number))

    await asyncio.gather(*(refused(calm, strangers.mint(key_id, sub=SUBJECT)) for key_id in strangers.keys))

    assert jwks.asked == 1


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"[]", b"{}", b'{"keys": []}', b'{"keys": [1]}', b"\xff"])
async def test_without_keys_nobody_is_called_a_liar(remote: TokenVerifier, jwks: JwksServer, answer: bytes) -> None:
    jwks.answer = answer

    with pytest.raises(Unavailable):
        await remote.claims(jwks.mint("one", sub=SUBJECT))


async def test_an_outage_of_the_issuer_leaves_keys_good_for_an_hour(remote: TokenVerifier, jwks: JwksServer) -> None:
    token = jwks.mint("one", sub=SUBJECT)
    await remote.claims(token)
    jwks.status = 500
    keys = remote._keys
    assert isinstance(keys, RemoteKeys)

    keys._seen_at = time.monotonic() - 3_500
    assert await named(remote, token) == SUBJECT
    keys._seen_at = time.monotonic() - 3_700
    with pytest.raises(Unavailable):
        await remote.claims(token)
    jwks.status = 200
    assert await named(remote, token) == SUBJECT


async def test_a_person_is_signed_in_by_a_token_of_the_jwks_address(
    cast: Cast, gateway: httpx.AsyncClient, jwks: JwksServer
) -> None:
    owner = cast.owner
    token = jwks.mint("one", sub=str(owner.id), account=str(owner.account_id))

    response = await gateway.get("/v1/api-keys", headers={"Authorization": f"Bearer {token}"})

    assert (response.status_code, response.json()) == (200, [])


async def test_while_the_issuer_is_down_the_answer_is_503_and_says_when_to_try_again(
    settings: Settings, jwks: JwksServer, tmp_path: Path
) -> None:
    down = {"jwt_jwks_url": f"http://127.0.0.1:{free_port()}/", "mode": "local", "data": tmp_path}
    async with api_of(settings.model_copy(update=down)) as client:
        headers = {"Authorization": f"Bearer {jwks.mint('one', sub=SUBJECT)}"}
        response = await client.get("/v1/api-keys", headers=headers)
        garbage = await client.get("/v1/api-keys", headers={"Authorization": "Bearer garbage"})

    assert response.status_code == 503
    assert response.json()["type"] == "/problems/temporarily-unavailable"
    assert response.headers["retry-after"] == "5"
    assert garbage.status_code == 401


async def test_the_ip_that_the_gateway_names_stands_in_the_audit_trail(cast: Cast, issuer: Issuer) -> None:
    owner = cast.owner
    token = mint(issuer, sub=str(owner.id), account=str(owner.account_id), ip="203.0.113.99")
    headers = {"Authorization": f"Bearer {token}"}
    await owner.http.post("/v1/fix-credentials", json={"session_type": "trade"}, headers=headers)

    events = (await owner.get("/audit-events")).json()

    assert {event["ip"] for event in events if event["actor_kind"] == "user"} == {"203.0.113.99"}


async def test_an_ip_in_a_header_is_not_believed(cast: Cast) -> None:
    owner = cast.owner
    headers = {"Authorization": f"Bearer {owner.token}", "X-Forwarded-For": "203.0.113.99", "Forwarded": "for=1.2.3.4"}
    await owner.http.post("/v1/fix-credentials", json={"session_type": "trade"}, headers=headers)

    events = (await owner.get("/audit-events")).json()

    assert {event["ip"] for event in events if event["actor_kind"] == "user"} == {"127.0.0.1"}
