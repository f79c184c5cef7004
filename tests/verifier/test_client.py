"""The client against a server that misbehaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from countersign.gateway_client import Denied, GatewayClient, NotLetIn, QuestionRefused, VerifierUnavailable
from tests.support.customers import asked

CALL = asked({"kind": "websocket", "key": "k", "timestamp": "1", "signature": "s"})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def asked_of(handler: Handler, **options: Any) -> AsyncIterator[GatewayClient]:
    app = web.Application()
    app.router.add_post("/v1/verifications", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with GatewayClient(f"http://127.0.0.1:{port}", token="t", **options) as gateway:
            yield gateway
    finally:
        await runner.cleanup()


async def test_calls_that_come_at_once_go_in_one_question_and_none_in_two() -> None:
    sizes: list[int] = []

    async def deny(request: web.Request) -> web.Response:
        sizes.append(len((await request.json())["calls"]))
        return web.json_response({"answers": [{"allowed": False}] * sizes[-1]})

    async with asked_of(deny) as gateway:
        answers = await gateway.verify([CALL] * 250)
    assert answers == [Denied()] * 250
    assert sizes == [100, 100, 50]


async def test_each_call_gets_its_own_answer() -> None:
    async def deny_odd(request: web.Request) -> web.Response:
        calls = json.loads(await request.text())["calls"]
        allowed = {"allowed": True, "account_id": "0" * 32, "permissions": [], "session_type": None, "version": 1}
        answers = [
            {"allowed": False} if int(call["key"]) % 2 else allowed | {"credential_id": call["key"].zfill(32)}
            for call in calls
        ]
        return web.json_response({"answers": answers})

    async with asked_of(deny_odd) as gateway:
        calls = [CALL.model_copy(update={"key": str(number)}) for number in range(120)]
        answers = await asyncio.gather(*(gateway.verify([call]) for call in calls))
    told = [answer.credential_id.int if answer.allowed else None for [answer] in answers]
    assert told == [None if number % 2 else int(str(number), 16) for number in range(120)]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, "{}", VerifierUnavailable),
        (500, "", VerifierUnavailable),
        (401, "{}", NotLetIn),
        (422, "{}", QuestionRefused),
        (200, "no JSON", VerifierUnavailable),
        (200, '{"answers": []}', VerifierUnavailable),
        (200, '{"answers": [{"allowed": true}]}', VerifierUnavailable),
        (200, '{"answers": [{"allowed": "yes"}]}', VerifierUnavailable),
    ],
)
async def test_whatever_is_no_decision_is_told_as_none_and_asked_once(
    status: int, body: str, error: type[Exception]
) -> None:
    asked_times = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal asked_times
        asked_times += 1
        return web.Response(status=status, text=body, content_type="application/json")

    async with asked_of(answer) as gateway:
        with pytest.raises(error):
            await gateway.verify([CALL])
    assert asked_times == 1


async def test_a_silent_verifier_is_not_waited_for_and_not_asked_again() -> None:
    asked_times = 0

    goes_on = asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        nonlocal asked_times
        asked_times += 1
        await goes_on.wait()
        return web.Response()

    async with asked_of(wait, timeout=0.1) as gateway:
        with pytest.raises(VerifierUnavailable):
            await gateway.verify([CALL])
        goes_on.set()
    assert asked_times == 1


async def test_without_a_verifier_there_is_no_decision() -> None:
    async with GatewayClient("http://127.0.0.1:9", token="t") as gateway:
        with pytest.raises(VerifierUnavailable, match="cannot be reached"):
            await gateway.verify([CALL])
    with pytest.raises(VerifierUnavailable, match="not open"):
        await gateway.verify([CALL])


async def test_a_call_that_no_gateway_would_ask_about_is_its_own_fault_and_spoils_no_other() -> None:
    async def deny(request: web.Request) -> web.Response:
        return web.json_response({"answers": [{"allowed": False}] * len((await request.json())["calls"])})

    async with asked_of(deny) as gateway:
        good = asyncio.create_task(gateway.verify([CALL]))
        with pytest.raises(ValueError, match="ip"):
            await gateway.verify_websocket(key="k", timestamp="1", signature="s", ip="nowhere")
        with pytest.raises(ValueError, match="surrogate"):
            await gateway.verify_websocket(key="\ud800", timestamp="1", signature="s", ip="203.0.113.7")
        assert await good == [Denied()]
