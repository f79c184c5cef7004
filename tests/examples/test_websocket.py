"""A WebSocket client, aiohttp's, with keys that people were issued."""

import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.examples.ccxt_client import ELSEWHERE, HERE
from tests.support.cast import Cast
from tests.support.customers import ApiKey, Customer
from tests.support.gateways import ExampleGateway, running_gateway
from tests.support.issued import IssuedKey, issue_key
from tests.support.patience import PATIENCE_SECONDS
from tests.support.verifiers import Served

Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def connected(gateway: ExampleGateway, *, ip: str = HERE) -> AsyncIterator[Socket]:
    url = gateway.url.replace("http:", "ws:") + "/ws"
    async with aiohttp.ClientSession(headers={"X-Forwarded-For": ip}) as http, http.ws_connect(url) as socket:
        yield socket


def auth(key: IssuedKey | ApiKey, timestamp: str | None = None, *, quoted: bool = False) -> str:
    """Return the message, whose timestamp is a number or, quoted, a string."""
    at = timestamp or str(int(time.time()))
    signature = hmac.digest(key.secret.encode(), f"{at}{key.key}".encode(), "sha256").hex()
    told = json.dumps({"key": key.key, "signature": signature})[:-1]
    return f'{{"e": "auth", "auth": {told}, "timestamp": {json.dumps(at) if quoted else at}}}}}'


async def asked(socket: Socket, message: str) -> dict[str, Any]:
    await socket.send_str(message)
    return dict(await socket.receive_json(timeout=PATIENCE_SECONDS))


async def closed(socket: Socket) -> tuple[int | None, str | None]:
    """Return the code and the reason with which it is closed."""
    while (message := await socket.receive(timeout=PATIENCE_SECONDS)).type is not aiohttp.WSMsgType.CLOSE:
        assert message.type is aiohttp.WSMsgType.TEXT, message
    return message.data, message.extra


async def test_a_connection_is_good_until_its_key_is_deactivated(cast: Cast, gateway: ExampleGateway) -> None:
    key = await issue_key(cast.owner)
    async with connected(gateway) as socket:
        assert (await asked(socket, auth(key)))["ok"] == "ok"
        assert await asked(socket, '{"e": "ping"}') == {"e": "pong"}
        balance = await asked(socket, '{"e": "get-balance", "oid": "1"}')
        assert balance["data"]["balance"]["BTC"] == {"balance": "2"}

        await key.deactivate()
        assert await closed(socket) == (1008, "Your credential was changed or deactivated")


@pytest.mark.parametrize("fraction", ["", ".25"])
@pytest.mark.parametrize("quoted", [True, False])
async def test_the_timestamp_is_signed_as_it_was_sent(
    customer: Customer, gateway: ExampleGateway, fraction: str, *, quoted: bool
) -> None:
    key = await customer.api_key()
    async with connected(gateway) as socket:
        answer = await asked(socket, auth(key, f"{int(time.time())}{fraction}", quoted=quoted))
    assert answer["ok"] == "ok"


async def test_a_connection_from_an_address_that_is_not_on_the_whitelist_is_closed(
    customer: Customer, gateway: ExampleGateway
) -> None:
    key = await customer.api_key(whitelist=(HERE,))
    async with connected(gateway, ip=ELSEWHERE) as socket:
        assert await asked(socket, auth(key)) == {"e": "auth", "ok": "error", "data": {"error": "Invalid API key"}}
        assert (await closed(socket))[0] == 1008


@pytest.mark.parametrize("message", ["{", "[]", "7", '{"e": "get-balance"}', '{"e": "auth", "auth": {"key": 1}}'])
async def test_who_does_not_begin_with_auth_is_told_so(gateway: ExampleGateway, message: str) -> None:
    async with connected(gateway) as socket:
        await socket.send_str(message)
        assert (await closed(socket))[0] == 1008


async def test_half_a_character_opens_nothing(gateway: ExampleGateway) -> None:
    async with connected(gateway) as socket:
        answer = await asked(socket, '{"e": "auth", "auth": {"key": "\\ud800", "timestamp": 1, "signature": "s"}}')
    assert answer["ok"] == "error"


async def test_who_answers_no_ping_is_gone(customer: Customer, verifier: Served, token: str) -> None:
    key = await customer.api_key()
    async with running_gateway(verifier.url, token, idle_seconds=0.05) as impatient, connected(impatient) as socket:
        assert (await asked(socket, auth(key)))["ok"] == "ok"
        assert await socket.receive_json(timeout=PATIENCE_SECONDS) == {"e": "ping"}
        assert await closed(socket) == (1008, "No pong")
