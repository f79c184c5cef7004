"""Which services may ask, and what a verifier's own role and keys let it do."""

import ssl
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from api.verifier.app import create_verifier
from api.verifier.checking import VerifierSettingsMissing, require_verifier_settings
from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.gateway_client import GatewayClient, NotLetIn
from countersign.verification.purposes import VERIFIER_PURPOSES
from countersign.verifier_settings import VerifierSettings
from tests.support.certificates import Authority, Certified
from tests.support.customers import Customer, asked
from tests.support.verifiers import AUDIENCE, Served, Site


async def test_a_service_is_let_in_by_a_token_for_the_verifier_alone(
    site: Site, verifier: Served, customer: Customer
) -> None:
    key = await customer.api_key()
    of_a_person = site.issuer.mint(subject=str(customer.owner), audience="countersign")
    old = site.issuer.mint(subject="gateway", audience=AUDIENCE, lifetime=timedelta(hours=-1))
    for token in ("", "rubbish", of_a_person, old):
        async with GatewayClient(verifier.url, token=token) as gateway:
            with pytest.raises(NotLetIn):
                await gateway.verify([asked(key.rest())])
    async with httpx.AsyncClient(base_url=verifier.url) as http:
        refused = await http.get("/v1/revocations")
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/not-signed-in")


async def test_everything_else_is_a_problem_too(verifier: Served) -> None:
    async with httpx.AsyncClient(base_url=verifier.url) as http:
        answers = [await http.get("/v1/verifications"), await http.get("/elsewhere"), await http.get("/healthz/")]
    assert [answer.status_code for answer in answers] == [405, 404, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_it_tells_that_it_is_ready_and_what_it_counts(
    verifier: Served, gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key()
    await gateway.verify([asked(key.rest()), asked(key.rest(key="csk_unknown"))])
    async with httpx.AsyncClient(base_url=verifier.url) as http:
        ready, told = await http.get("/readyz"), (await http.get("/metrics")).text
    assert (ready.status_code, ready.json()) == (200, {"database": "up", "keys": "up", "changes": "up"})
    assert 'countersign_verifications_total{kind="rest",outcome="unknown_key"}' in told
    assert "countersign_verifier_changes_followed 1.0" in told
    assert 'countersign_http_requests_total{method="POST",route="/v1/verifications",status="200"}' in told
    assert key.key not in told


async def test_a_certificate_of_a_name_that_is_let_in_needs_no_token(
    site: Site, customer: Customer, tmp_path: Path
) -> None:
    key, authority = await customer.api_key(), Authority(tmp_path, "authority")
    own = authority.certify("127.0.0.1")
    changes = {
        "tls_cert_file": own.certificate,
        "tls_key_file": own.key,
        "client_ca_file": authority.file,
        "client_names": ["gateway.example", "spiffe://example/gateway"],
    }
    async with site.verifier(**changes) as verifier:
        for name, is_let_in in [("gateway.example", True), ("stranger.example", False)]:
            tls = trusting(authority, authority.certify(name))
            async with GatewayClient(verifier.url, tls=tls) as gateway:
                if is_let_in:
                    assert (await gateway.verify([asked(key.rest())]))[0].allowed
                else:
                    with pytest.raises(NotLetIn):
                        await gateway.verify([asked(key.rest())])
        async with GatewayClient(verifier.url, token=site.token, tls=trusting(authority, None)) as gateway:
            assert (await gateway.verify([asked(key.rest())]))[0].allowed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credentials SET status = 'active'",
        "UPDATE credentials SET permissions = '{funds_external}'",
        "DELETE FROM credentials",
        "UPDATE accounts SET frozen_at = NULL",
        "SELECT totp_seed FROM users",
        "SELECT reveal_sealed FROM requests",
        "INSERT INTO audit_events SELECT * FROM audit_events",
        "INSERT INTO key_checks (key_id, check_mac) VALUES ('k', '')",
        "UPDATE key_checks SET retired_at = now()",
        "SELECT * FROM notices",
        "DELETE FROM credential_activity",
    ],
)
def test_its_role_may_read_what_it_verifies_by_and_change_nothing(site: Site, statement: str) -> None:
    with psycopg.connect(site.own.verifier_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_its_keys_open_secrets_and_check_passwords_and_nothing_else(site: Site) -> None:
    held = KeyRing.from_json(site.settings.key_ring.get_secret_value(), purposes=VERIFIER_PURPOSES)
    for purpose in set(Purpose) - VERIFIER_PURPOSES:
        with pytest.raises(KeyNotHeld):
            held.key(purpose)


async def test_with_keys_that_do_not_fit_it_answers_nothing(site: Site) -> None:
    strange = RingText.new()
    changed = site.settings.model_copy(update={"key_ring": SecretStr(strange.dump())})
    app = create_verifier(changed)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://verifier") as http:
            answer, ready = await http.post("/v1/verifications", content=b"{}"), await http.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert ready.json()["keys"] == "down"


def test_a_verifier_that_could_let_nobody_in_does_not_start(site: Site) -> None:
    changed = site.settings.model_copy(update={"jwt_key_file": None})
    with pytest.raises(VerifierSettingsMissing, match="Nobody could be let in"):
        require_verifier_settings(changed)
    same = site.settings.model_copy(update={"verifier": VerifierSettings(audience="countersign")})
    with pytest.raises(VerifierSettingsMissing, match="COUNTERSIGN_JWT_AUDIENCE"):
        require_verifier_settings(same)
    with pytest.raises(KeyRingInvalid):
        require_verifier_settings(site.settings.model_copy(update={"key_ring": SecretStr("{}")}))
    require_verifier_settings(site.settings)


def trusting(authority: Authority, certified: Certified | None) -> ssl.SSLContext:
    """Return what a client trusts and shows."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if certified is not None:
        context.load_cert_chain(certified.certificate, certified.key)
    return context
