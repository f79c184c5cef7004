"""From the creation of a credential to the calls that it opens, and to what its owner sees of them."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from api.verifier.app import create_verifier
from countersign.domain.credentials import SessionType
from countersign.gateway_client import Allowed, GatewayClient
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from countersign.verifier_settings import VerifierSettings
from tests.support.cast import Cast
from tests.support.customers import ELSEWHERE, ApiKey, asked
from tests.support.fix import decide, decided
from tests.support.pages import Reader
from tests.support.patience import eventually
from tests.support.verifiers import AUDIENCE, served
from tests.verifier.test_verifying import until


@pytest.fixture
async def gateway(
    settings: Settings, postgres: EmbeddedPostgres, issuer: Issuer, cast: Cast
) -> AsyncIterator[GatewayClient]:
    """A gateway whose verifier works beside the API of the cast."""
    changes = {"database_url": SecretStr(postgres.verifier_url), "verifier": VerifierSettings(port=free_port())}
    changed = settings.model_copy(update=changes)
    token = issuer.mint(subject="trading-gateway", audience=AUDIENCE)
    async with (
        served(create_verifier(changed), changed) as verifier,
        GatewayClient(verifier.url, token=token) as client,
    ):
        yield client


async def test_an_api_key_opens_calls_from_its_activation_to_its_deactivation(
    cast: Cast, gateway: GatewayClient
) -> None:
    limits = [{"asset": "BTC", "order_size": "1.5", "daily_volume": None}]
    flow = await cast.owner.create_api_key(ip_whitelist="203.0.113.0/24", trading_limits=limits)
    await flow.to_secret()
    secret = (await flow.reveal()).json()
    credential_id = (await flow.shown())["credential_id"]
    key = ApiKey(credential_id, cast.owner.account_id or flow.person.id, secret["api_key"], secret["api_secret"])
    assert not (await gateway.verify([asked(key.rest())]))[0].allowed

    await flow.save()
    await flow.to_activation_code()
    await flow.enter_activation_code()
    await until(gateway, key.rest(), allowed=True)
    [let_in, _] = await gateway.verify([asked(key.rest()), asked(key.rest(ip=ELSEWHERE))])
    assert isinstance(let_in, Allowed)
    assert [limit.model_dump() for limit in let_in.trading_limits] == limits

    await cast.second_owner.post(f"/api-keys/{credential_id}/deactivations")
    await until(gateway, key.rest(), allowed=False)
    await seen_by_owners_alone(cast, str(credential_id))


async def seen_by_owners_alone(cast: Cast, credential_id: str) -> None:
    async def shown() -> dict[str, int]:
        found = (await cast.owner.get(f"/api-keys/{credential_id}/activity")).json()
        return {each["outcome"]: each["count"] for each in found["days"]}

    counted = await eventually(shown, lambda found: {"allowed", "inactive", "ip_not_allowed"} <= found.keys())
    assert counted["ip_not_allowed"] == 1
    [listed] = [each for each in (await cast.owner.get("/api-keys")).json() if each["id"] == credential_id]
    assert listed["last_used_ip"] == "203.0.113.7"
    assert listed == (await cast.owner.get(f"/api-keys/{credential_id}")).json()
    page = await (await Reader.signed_in(cast.owner)).get(f"/settings/api-keys/{credential_id}")
    assert "Denied: IP address not on the whitelist" in page.text
    assert "203.0.113.7" in (await (await Reader.signed_in(cast.owner)).get("/settings/api-keys")).text
    answers = [await person.get(f"/api-keys/{credential_id}/activity") for person in (cast.outsider, cast.member)]
    assert [answer.status_code for answer in answers] == [404, 403]


async def test_fix_credentials_open_their_session_once_the_account_manager_has_activated_them(
    cast: Cast, gateway: GatewayClient
) -> None:
    flow = await cast.owner.create_fix("market_data")
    await flow.to_secret()
    secret = (await flow.reveal()).json()
    await flow.save()
    await flow.to_account_manager()
    logon = {
        "sender_comp_id": secret["session_name"],
        "username": secret["username"],
        "password": secret["password"],
        "session_type": SessionType.MARKET_DATA,
        "ip": "203.0.113.7",
    }
    assert not (await gateway.verify_fix(**logon)).allowed

    decided(await decide(cast.account_manager, secret["session_name"]))
    answer = await eventually(lambda: gateway.verify_fix(**logon), lambda found: found.allowed)
    assert answer.session_type is SessionType.MARKET_DATA
    fix = f"/fix-credentials/{answer.credential_id}"
    shown = await eventually(lambda: cast.owner.get(f"{fix}/activity"), lambda found: found.json()["last_used_at"])
    assert {each["outcome"] for each in shown.json()["days"]} == {"allowed", "inactive"}
    assert (await cast.owner.get(fix)).json()["last_used_at"]
