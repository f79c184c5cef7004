"""ccxt, which knows nothing of Countersign, with keys that people were issued."""

from typing import Any

import httpx
import pytest

from countersign.gateway_client import Permission
from tests.examples.ccxt_client import ELSEWHERE, HERE, Ccxt
from tests.support.cast import Cast
from tests.support.customers import Customer
from tests.support.gateways import ExampleGateway, running_gateway
from tests.support.issued import issue_key
from tests.support.patience import eventually
from tests.support.verifiers import Served

ORDER = ("create_order", "BTC/USD", "limit", "buy", 0.5, 50_000)
TRANSFER = ("transfer", "BTC", 0.5, "trading", "other")


def is_denied(answer: dict[str, Any]) -> bool:
    return answer.get("error") == "AuthenticationError"


async def test_ccxt_fetches_a_balance_with_an_issued_key_until_that_is_deactivated(cast: Cast, ccxt: Ccxt) -> None:
    key = await issue_key(cast.owner)
    assert (await ccxt.call(key, "fetch_balance"))["total"] == {"BTC": 2.0, "USD": 100_000.0}

    await key.deactivate()
    await eventually(lambda: ccxt.call(key, "fetch_balance"), is_denied)


async def test_ccxt_places_orders_until_an_edit_takes_the_permission_away(cast: Cast, ccxt: Ccxt) -> None:
    key = await issue_key(cast.owner, permissions=["read", "trade"])
    assert (await ccxt.call(key, *ORDER))["amount"] == 0.5
    status = await ccxt.call(key, "fetch_balance", {"method": "privatePostGetMyAccountStatusV3", "account": "trading"})
    assert status["used"]["USD"] == 25_000.0

    await key.edit(permissions=["read"])
    await eventually(lambda: ccxt.call(key, "fetch_balance"), lambda found: not is_denied(found))
    assert is_denied(await ccxt.call(key, *ORDER))


async def test_ccxt_moves_funds_with_the_permission_for_just_that(cast: Cast, ccxt: Ccxt) -> None:
    key = await issue_key(cast.owner, permissions=["read", "funds_internal"], ip_whitelist=HERE)
    assert (await ccxt.call(key, *TRANSFER))["fromAccount"] == "trading"
    assert is_denied(await ccxt.call(key, "transfer", "BTC", 0.5, "", "trading"))
    withdrawal = {"currency": "BTC", "amount": "0.5", "address": "somewhere"}
    outside = await ccxt.call(key, "request", "do_my_external_withdrawal", ["private"], "POST", withdrawal)
    assert is_denied(outside)


async def test_ccxt_is_denied_from_an_address_that_is_not_on_the_whitelist(cast: Cast, ccxt: Ccxt) -> None:
    key = await issue_key(cast.owner, ip_whitelist=HERE)
    assert "total" in await ccxt.call(key, "fetch_balance")
    assert is_denied(await ccxt.call(key, "fetch_balance", ip=ELSEWHERE))


async def test_what_a_client_says_about_its_own_address_is_not_believed(
    customer: Customer, ccxt: Ccxt, verifier: Served, token: str
) -> None:
    key = await customer.api_key(whitelist=(HERE,))
    async with running_gateway(verifier.url, token) as plain:
        assert is_denied(await ccxt.call(key, "fetch_balance", url=plain.url))


@pytest.mark.parametrize("ip", ["unknown", "203.0.113.7, unknown", "::ffff:198.51.100.9", ELSEWHERE])
async def test_an_address_that_is_none_or_another_is_not_on_the_whitelist(
    customer: Customer, ccxt: Ccxt, ip: str
) -> None:
    key = await customer.api_key(whitelist=(HERE,))
    assert is_denied(await ccxt.call(key, "fetch_balance", ip=ip))


async def test_every_denial_is_the_same_sentence(customer: Customer, ccxt: Ccxt, gateway: ExampleGateway) -> None:
    key = await customer.api_key([Permission.READ], whitelist=(HERE,))
    denials = [await ccxt.call(key, "fetch_balance", ip=ELSEWHERE), await ccxt.call(key, *ORDER)]
    async with httpx.AsyncClient() as http:
        nobody = await http.post(f"{gateway.url}/rest/get_my_wallet_balance", content=b"{}")
    assert nobody.status_code == 401
    assert {denial["text"] for denial in denials} == {f"cex {nobody.text}"}


async def test_without_a_verifier_nothing_is_carried_out(customer: Customer, ccxt: Ccxt, token: str) -> None:
    key = await customer.api_key()
    async with running_gateway("http://127.0.0.1:9", token) as alone:
        answer = await ccxt.call(key, "fetch_balance", url=alone.url)
    assert "not available now" in answer["text"]


async def test_a_body_that_is_too_large_is_not_read(gateway: ExampleGateway) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{gateway.url}/rest/do_my_new_order", content=b"x" * 70_000)
    assert (response.status_code, response.json()) == (400, {"error": "The body is too large"})
