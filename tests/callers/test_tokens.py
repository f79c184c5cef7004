"""Bearer tokens: signed by a known key, for us, complete and not run out."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from api import tokens
from api.jwks import RemoteKeys
from api.services import Services
from api.tokens import TokenVerifier
from countersign.domain.errors import NotSignedIn
from countersign.local.issuer import ISSUER, Issuer
from countersign.settings import Settings

SUBJECT = str(uuid4())
INVALID = "The token is not valid."


def mint(issuer: Issuer, *, without: str = "", algorithm: str = "ES256", **claims: Any) -> str:
    full = {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60, **claims}
    full.pop(without, None)
    headers = {"kid": issuer.jwks["keys"][0]["kid"]}
    key = issuer.key if algorithm == "ES256" else "0" * 64
    return jwt.encode(full, key, algorithm=algorithm, headers=headers)


async def refused(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        await verifier.claims(token)
    return caught.value.detail


async def test_a_good_token_names_person_account_and_address(services: Services, issuer: Issuer) -> None:
    account = str(uuid4())
    claims = await services.tokens.claims(mint(issuer, account=account, ip="203.0.113.9"))
    assert (str(claims.sub), str(claims.account), str(claims.ip)) == (SUBJECT, account, "203.0.113.9")
    plain = await services.tokens.claims(mint(issuer))
    assert (plain.account, plain.ip) == (None, None)


@pytest.mark.parametrize("claim", ["exp", "sub", "iss", "aud"])
async def test_a_token_that_lacks_a_claim_is_refused(services: Services, issuer: Issuer, claim: str) -> None:
    assert await refused(services.tokens, mint(issuer, without=claim)) == INVALID


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"sub": "nobody"},
        {"sub": 7},
        {"account": "home"},
        {"ip": "nowhere"},
        {"exp": "soon"},
    ],
)
async def test_a_token_with_another_issuer_audience_or_member_is_refused(
    services: Services, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await refused(services.tokens, mint(issuer, **claims)) == INVALID


async def test_clocks_may_differ_by_five_seconds(services: Services, issuer: Issuer) -> None:
    now = int(time.time())
    assert str((await services.tokens.claims(mint(issuer, exp=now - 1))).sub) == SUBJECT
    assert "expired" in await refused(services.tokens, mint(issuer, exp=now - 5))


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "x" * 5000])
async def test_garbage_is_refused(services: Services, token: str) -> None:
    assert await refused(services.tokens, token) == INVALID


async def test_a_token_of_an_unknown_key_or_another_algorithm_is_refused(services: Services, issuer: Issuer) -> None:
    other = Issuer(ec.generate_private_key(ec.SECP256R1()), issuer.jwks_file)
    assert "No key is known" in await refused(services.tokens, mint(other))
    forged = jwt.encode(
        {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60},
        other.key,
        algorithm="ES256",
        headers={"kid": issuer.jwks["keys"][0]["kid"]},
    )
    assert await refused(services.tokens, forged) == INVALID
    assert await refused(services.tokens, mint(issuer, algorithm="HS256")) == INVALID


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "ES384"])
async def test_three_algorithms_are_taken_and_no_other(settings: Settings, tmp_path: Path, algorithm: str) -> None:
    key, public = {
        "ES256": lambda: _ec(ec.SECP256R1()),
        "ES384": lambda: _ec(ec.SECP384R1()),
        "RS256": _rsa,
        "EdDSA": _ed,
    }[algorithm]()
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [json.loads(public) | {"kid": "one", "alg": algorithm}]}))
    verifier = TokenVerifier(settings.model_copy(update={"jwt_key_file": file}))
    claims = {"iss": ISSUER, "aud": "countersign", "sub": SUBJECT, "exp": int(time.time()) + 60}
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "one"})
    if algorithm == "ES384":
        assert await refused(verifier, token) == INVALID
    else:
        assert str((await verifier.claims(token)).sub) == SUBJECT


def test_an_address_of_keys_goes_before_a_file(settings: Settings) -> None:
    remote = TokenVerifier(settings.model_copy(update={"jwt_jwks_url": "https://issuer.example/keys"}))
    assert isinstance(remote._keys, RemoteKeys)
    assert remote._keys._url == "https://issuer.example/keys"


def _ec(curve: ec.EllipticCurve) -> tuple[Any, str]:
    key = ec.generate_private_key(curve)
    return key, ECAlgorithm.to_jwk(key.public_key())


def _rsa() -> tuple[Any, str]:
    key = rsa.generate_private_key(65537, 2048)
    return key, RSAAlgorithm.to_jwk(key.public_key())


def _ed() -> tuple[Any, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    return key, OKPAlgorithm.to_jwk(key.public_key())


@dataclass
class Rotating:
    """Keys of an issuer who may take one back."""

    keys: list[jwt.PyJWK]

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        return next((key for key in self.keys if key.key_id == key_id), None)


@dataclass
class Proving:
    """A verifier, and the tokens that it has proven so far."""

    verifier: TokenVerifier
    proofs: list[str]


@pytest.fixture
def proving(services: Services, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proving]:
    verifier = TokenVerifier(services.settings)
    verifier._keys = Rotating(jwt.PyJWKSet.from_dict(issuer.jwks).keys)
    with monkeypatch.context() as watching:
        proofs: list[str] = []
        decode = jwt.decode

        def counted(token: str, *arguments: Any, **more: Any) -> Any:
            proofs.append(token)
            return decode(token, *arguments, **more)

        watching.setattr(jwt, "decode", counted)
        yield Proving(verifier, proofs)


async def test_a_token_is_proven_once_and_names_the_same_person_again(proving: Proving, issuer: Issuer) -> None:
    token = mint(issuer)
    assert await proving.verifier.claims(token) == await proving.verifier.claims(token)
    assert proving.proofs == [token]


async def test_a_proven_token_ends_with_the_key_that_signed_it(proving: Proving, issuer: Issuer) -> None:
    token = mint(issuer)
    await proving.verifier.claims(token)
    proving.verifier._keys = Rotating([])
    assert await refused(proving.verifier, token) == "No key is known that could have signed the token."


async def test_a_proven_token_is_proven_again_when_it_runs_out(
    proving: Proving, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mint(issuer)
    await proving.verifier.claims(token)
    later = time.time() + 61
    monkeypatch.setattr("api.tokens.time.time", lambda: later)
    await proving.verifier.claims(token)
    assert proving.proofs == [token, token]


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    proving: Proving, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_REMEMBERED", 2)
    first, second, third = (mint(issuer, sub=str(uuid4())) for _ in range(3))
    for token in (first, second, third, second, third, first):
        await proving.verifier.claims(token)
    assert proving.proofs == [first, second, third, first]
