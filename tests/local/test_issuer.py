import json
import stat
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from countersign.local.errors import StackError
from countersign.local.issuer import ISSUER, load_or_make_issuer
from countersign.local.sign_in import gateway_token
from countersign.settings import Settings


def _read(token: str, jwks_file: Path) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_json(jwks_file.read_text())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], audience="countersign", issuer=ISSUER)


def test_a_token_names_the_person_and_the_account(tmp_path: Path) -> None:
    issuer = load_or_make_issuer(tmp_path)

    claims = _read(issuer.mint(subject="olivia", account="acme", audience="countersign"), issuer.jwks_file)

    assert (claims["sub"], claims["account"]) == ("olivia", "acme")


def test_a_token_without_an_account_claims_none(tmp_path: Path) -> None:
    issuer = load_or_make_issuer(tmp_path)

    assert "account" not in _read(issuer.mint(subject="ops", audience="countersign"), issuer.jwks_file)


def test_a_token_from_before_a_restart_is_still_good(tmp_path: Path) -> None:
    token = load_or_make_issuer(tmp_path).mint(subject="olivia", audience="countersign")

    assert _read(token, load_or_make_issuer(tmp_path).jwks_file)["sub"] == "olivia"


def test_a_token_runs_out(tmp_path: Path) -> None:
    issuer = load_or_make_issuer(tmp_path)
    token = issuer.mint(subject="olivia", audience="countersign", lifetime=timedelta(seconds=-1))

    with pytest.raises(jwt.ExpiredSignatureError):
        _read(token, issuer.jwks_file)


def test_the_private_key_is_private_and_verifiers_get_the_public_half_alone(tmp_path: Path) -> None:
    issuer = load_or_make_issuer(tmp_path)

    assert stat.S_IMODE((tmp_path / "issuer-key.pem").stat().st_mode) == 0o600
    assert "d" not in json.loads(issuer.jwks_file.read_text())["keys"][0]


def test_a_broken_key_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "issuer-key.pem").write_text("rubbish")

    with pytest.raises(StackError, match="holds no private key"):
        load_or_make_issuer(tmp_path)


def test_a_gateway_has_a_token_for_verifiers_on_the_local_stack_alone(tmp_path: Path) -> None:
    token = gateway_token(Settings(mode="local", data=tmp_path))

    keys = jwt.PyJWKSet.from_json(load_or_make_issuer(tmp_path).jwks_file.read_text())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="countersign-verifier")["sub"] == "gateway"
    with pytest.raises(StackError, match="your issuer"):
        gateway_token(Settings(data=tmp_path))
