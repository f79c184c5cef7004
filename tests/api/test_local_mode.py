"""What only the local stack has, and what production refuses."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from countersign.settings import Settings
from countersign.wiring import SettingsMissing, require_service_settings
from tests.support.stage import api_of

NONE = SecretStr("")
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"codec_open": True}, "COUNTERSIGN_CODEC_OPEN is for the local stack only: unset it."),
    ({"codec_cors_origins": ["*"]}, "COUNTERSIGN_CODEC_CORS_ORIGINS names every origin (*): name the Temporal UI's."),
    ({"key_ring": NONE, "key_ring_file": None}, "COUNTERSIGN_KEY_RING_FILE is not set."),
    ({"jwt_issuer": ""}, "COUNTERSIGN_JWT_ISSUER is not set."),
    ({"jwt_audience": ""}, "COUNTERSIGN_JWT_AUDIENCE is empty."),
    ({"jwt_key_file": None}, "COUNTERSIGN_JWT_JWKS_URL is not set, nor is COUNTERSIGN_JWT_KEY_FILE."),
    ({"jwt_jwks_url": "http://issuer.example/jwks"}, "COUNTERSIGN_JWT_JWKS_URL is not an https address."),
    ({"oidc_issuer": ""}, "COUNTERSIGN_OIDC_ISSUER is not an https address; people sign in there."),
    ({"oidc_issuer": "http://x.example"}, "COUNTERSIGN_OIDC_ISSUER is not an https address; people sign in there."),
    ({"oidc_client_id": ""}, "COUNTERSIGN_OIDC_CLIENT_ID is not set."),
    ({"oidc_client_secret": NONE}, "COUNTERSIGN_OIDC_CLIENT_SECRET is not set."),
    (
        {"trusted_proxies": "*"},
        "COUNTERSIGN_TRUSTED_PROXIES trusts everyone (*, or a network of size /0): name the proxies.",
    ),
    ({"twilio_account_sid": ""}, "COUNTERSIGN_TWILIO_ACCOUNT_SID is not set."),
    ({"twilio_auth_token": NONE}, "COUNTERSIGN_TWILIO_AUTH_TOKEN is not set."),
    ({"twilio_from": ""}, "COUNTERSIGN_TWILIO_FROM is not set."),
    ({"sendgrid_api_key": NONE}, "COUNTERSIGN_SENDGRID_API_KEY is not set."),
    ({"sendgrid_from": ""}, "COUNTERSIGN_SENDGRID_FROM is not set."),
    ({"public_url": "http://x.example"}, "COUNTERSIGN_PUBLIC_URL is not an https address; mails lead people there."),
    ({"database_url": NONE}, "DATABASE_URL is not set."),
]


@pytest.mark.parametrize(
    ("changes", "told"), FAULTS, ids=lambda each: next(iter(each)) if isinstance(each, dict) else ""
)
async def test_production_refuses_to_start(settings: Settings, changes: dict[str, Any], told: str) -> None:
    app = create_app(settings.model_copy(update=changes))

    with pytest.raises(SettingsMissing) as caught:
        async with app.router.lifespan_context(app):
            pytest.fail("it started")

    assert str(caught.value) == told


def test_every_fault_is_told_in_a_line_of_its_own() -> None:
    with pytest.raises(SettingsMissing) as caught:
        require_service_settings(Settings(database_url=SecretStr("postgresql://x/y"), mode="production", public_url=""))

    lines = str(caught.value).splitlines()
    assert len(lines) == len(set(lines)) == 12
    assert all(line.startswith("COUNTERSIGN_") and line.endswith(".") for line in lines)


def test_production_is_what_it_is_without_being_told() -> None:
    assert Settings.model_fields["mode"].default == "production"


async def test_the_inbox_is_on_the_local_stack_alone(
    settings: Settings, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with api_of(settings.model_copy(update={"mode": "local", "data": tmp_path})) as local:
        there = await local.get("/local/inbox")

    assert (there.status_code, there.json()) == (200, [])
    assert (await http.get("/local/inbox")).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:8080", 200), ("localhost:8080", 200), ("[::1]:8080", 200), ("[::1]", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:80", 421), ("", 421),
        ("localhost:evil", 421), ("evil@localhost", 421), ("10.0.0.1", 421), ("[::2]", 421),
    ],
)  # fmt: skip
async def test_the_local_stack_answers_to_the_names_of_this_machine_alone(
    settings: Settings, tmp_path: Path, host: str, status: int
) -> None:
    async with api_of(settings.model_copy(update={"mode": "local", "data": tmp_path})) as local:
        response = await local.get("/healthz", headers={"Host": host})

    assert response.status_code == status
    assert status == 200 or response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"


async def test_production_answers_to_any_name(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz", headers={"Host": "countersign.example"})).status_code == 200
