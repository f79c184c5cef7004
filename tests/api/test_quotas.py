"""Quotas per minute: who is held back, who is not, and what every answer tells of it."""

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.app import create_app
from api.quotas import Quota, neighbourhood
from countersign.local.issuer import ISSUER
from countersign.settings import Quotas, Settings
from tests.support.answers import problem
from tests.support.cast import Cast, Person
from tests.support.openapi import operations
from tests.support.pages import FRAGMENT, HTML, Reader

FEW = Quotas(sign_in=2, unproven=2, codes=2, starts=2, previews=2, codec=2)
SEEN = r'"{name}";r={left};t=\d+'
NOBODY = str(uuid4())
CODE = {"code": "000000"}


@asynccontextmanager
async def process(settings: Settings, quotas: Quotas = FEW, **changes: Any) -> AsyncIterator["Process"]:
    """An API process whose quotas nobody has used yet."""
    app = create_app(settings.model_copy(update={"quotas": quotas, **changes}))
    async with app.router.lifespan_context(app):
        yield Process(app)


@dataclass(frozen=True)
class Process:
    """One process of the API, reached from one address or another."""

    app: Any
    address: str = field(default_factory=lambda: str(IPv4Address(secrets.randbits(32))))

    async def call(self, method: str, path: str, *, token: str = "", address: str = "", **parts: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **parts.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, client=(address or self.address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers, **parts)

    async def statuses(self, times: int, method: str, path: str, **parts: Any) -> list[int]:
        return [(await self.call(method, path, **parts)).status_code for _ in range(times)]


@pytest.fixture(scope="module")
async def running(settings: Settings) -> AsyncIterator[Process]:
    async with process(settings) as opened:
        yield opened


@pytest.fixture
def api(running: Process) -> Process:
    """The one process, from an address that nobody has called from yet."""
    return Process(running.app)


def at_gateway(person: Person, ip: str) -> str:
    """Return a token of the gateway's, which says where the person is."""
    claims = {"iss": ISSUER, "sub": str(person.id), "aud": "countersign", "account": str(person.account_id), "ip": ip}
    return person.issuer.sign(claims, lifetime=timedelta(minutes=1))


async def test_one_call_too_many_is_429_and_says_how_long_to_wait(api: Process, cast: Cast) -> None:
    path = f"/v1/requests/{NOBODY}/two-factor-code"
    assert await api.statuses(2, "POST", path, token=cast.owner.token, json=CODE) == [404, 404]

    refused = await api.call("POST", path, token=cast.owner.token, json=CODE)

    assert problem(refused) == (429, "too-many-calls")
    assert 55 <= int(refused.headers["Retry-After"]) <= 61
    assert refused.json()["retry_after"] == int(refused.headers["Retry-After"])


async def test_every_answer_of_a_limited_route_tells_quota_and_what_is_left(api: Process, cast: Cast) -> None:
    path = f"/v1/requests/{NOBODY}/two-factor-code"
    answers = [await api.call("POST", path, token=cast.owner.token, json=CODE) for _ in range(3)]

    for answer, left in zip(answers, (1, 0, 0), strict=True):
        assert re.fullmatch(SEEN.format(name="codes", left=left), answer.headers["RateLimit"])
        assert answer.headers["RateLimit-Policy"] == '"codes";q=2;w=60'


async def test_other_answers_tell_nothing(api: Process, cast: Cast) -> None:
    answer = await api.call("GET", "/v1/requests", token=cast.owner.token)

    assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)


async def test_a_minute_later_calls_are_taken_again(api: Process, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/requests/{NOBODY}/two-factor-code"
    assert await api.statuses(3, "POST", path, token=cast.owner.token, json=CODE) == [404, 404, 429]

    later = time.time() + 61
    monkeypatch.setattr("limits.aio.storage.memory.time", SimpleNamespace(time=lambda: later))

    assert await api.statuses(1, "POST", path, token=cast.owner.token, json=CODE) == [404]


async def test_two_people_at_one_address_have_a_quota_each(api: Process, cast: Cast) -> None:
    path = f"/v1/requests/{NOBODY}/two-factor-code"
    assert await api.statuses(3, "POST", path, token=cast.owner.token, json=CODE) == [404, 404, 429]

    assert await api.statuses(1, "POST", path, token=cast.second_owner.token, json=CODE) == [404]


async def test_a_person_behind_the_gateway_is_where_the_token_says(api: Process, cast: Cast) -> None:
    path = f"/v1/requests/{NOBODY}/two-factor-code"
    here, there = at_gateway(cast.owner, "203.0.113.1"), at_gateway(cast.owner, "203.0.113.2")
    assert await api.statuses(3, "POST", path, token=here, json=CODE) == [404, 404, 429]

    assert await api.statuses(1, "POST", path, token=there, json=CODE) == [404]
    assert await api.statuses(1, "POST", path, token=here, address="198.51.100.7", json=CODE) == [429]


async def test_bad_tokens_use_up_the_quota_of_their_address_and_hold_back_nobody_who_has_a_good_one(
    api: Process, cast: Cast
) -> None:
    assert await api.statuses(4, "GET", "/v1/requests", token="rubbish") == [401, 401, 429, 429]
    assert await api.statuses(1, "GET", "/v1/requests") == [429]

    assert await api.statuses(5, "GET", "/v1/requests", token=cast.owner.token) == [200] * 5
    assert await api.statuses(1, "GET", "/v1/requests", token="rubbish", address="192.0.2.2") == [401]


async def test_where_a_bad_token_says_to_be_is_not_believed(api: Process, cast: Cast) -> None:
    claimed = f"{at_gateway(cast.owner, '203.0.113.1')[:-4]}AAAA"

    assert await api.statuses(3, "GET", "/v1/requests", token=claimed) == [401, 401, 429]


async def test_sessions_that_are_none_count_like_bad_tokens_and_good_ones_are_let_through(
    api: Process, cast: Cast
) -> None:
    reader = await Reader.signed_in(cast.owner)
    invented = {**HTML, "Cookie": f"{reader.cookie.partition('=')[0]}={secrets.token_urlsafe(32)}"}

    assert await api.statuses(3, "GET", "/settings/api-keys", headers=invented) == [303, 303, 429]
    for _ in range(2):
        answer = await api.call("GET", "/settings/api-keys", headers={**HTML, "Cookie": reader.cookie})
        assert answer.status_code == 200


async def test_signing_in_is_limited_by_address(api: Process) -> None:
    starts = await api.statuses(2, "GET", "/sign-in/start", headers=HTML)
    assert 429 not in starts

    refused = await api.call("GET", "/sign-in/callback", headers=HTML)

    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("text/html")
    assert "You are going too fast" in refused.text
    assert int(refused.headers["Retry-After"]) > 0
    assert 429 not in await api.statuses(2, "GET", "/sign-in/start", headers=HTML, address="192.0.2.2")


async def test_the_page_that_says_how_to_sign_in_is_not(api: Process) -> None:
    assert await api.statuses(5, "GET", "/sign-in", headers=HTML) == [200] * 5


async def test_previews_of_a_whitelist_are_limited_and_the_page_stays_as_it_is(api: Process, cast: Cast) -> None:
    reader = await Reader.signed_in(cast.owner)
    headers = {**FRAGMENT, "HX-Target": "understood", "Cookie": reader.cookie, "Sec-Fetch-Site": "same-origin"}
    typed = {"ip_whitelist": "203.0.113.7"}
    path = "/settings/api-keys/understood"
    assert await api.statuses(2, "POST", path, headers=headers, data=typed) == [200, 200]

    refused = await api.call("POST", path, headers=headers, data=typed)

    assert refused.status_code == 429
    assert refused.headers["HX-Reswap"] == "none"
    assert "going too fast" in refused.headers["HX-Trigger"]


async def test_starts_on_pages_and_over_the_api_share_a_quota_and_the_form_keeps_what_was_typed(
    api: Process, cast: Cast
) -> None:
    reader = await Reader.signed_in(cast.owner)
    headers = {**HTML, "Cookie": reader.cookie, "Sec-Fetch-Site": "same-origin"}
    assert await api.statuses(2, "POST", "/v1/api-keys", token=cast.owner.token, json={"name": "x"}) == [202, 409]

    refused = await api.call("POST", "/settings/api-keys/new", headers=headers, data={"name": "my new bot"})

    assert refused.status_code == 429
    assert "my new bot" in refused.text
    assert "going too fast" in refused.text
    assert int(refused.headers["Retry-After"]) > 0


async def test_the_codec_endpoint_is_limited_by_person(api: Process, cast: Cast) -> None:
    body: dict[str, list[object]] = {"payloads": []}
    path = "/codec/decode"
    assert await api.statuses(3, "POST", path, token=cast.ops.token, json=body) == [200, 200, 429]
    assert await api.statuses(1, "POST", path, token=cast.account_manager.token, json=body) == [403]
    assert await api.statuses(3, "POST", path, token="rubbish", json=body) == [401, 401, 429]


async def test_the_open_codec_endpoint_of_the_local_stack_is_limited_by_address(settings: Settings) -> None:
    async with process(settings, mode="local", codec_open=True) as api:
        assert await api.statuses(3, "POST", "/codec/decode", json={"payloads": []}) == [200, 200, 429]


async def test_the_inbox_of_the_local_stack_is_not_limited(settings: Settings) -> None:
    async with process(settings, mode="local") as api:
        assert await api.statuses(5, "GET", "/local/inbox") == [200] * 5


UNLIMITED = ("/deactivations", "/activation", "/secret-saved")
POSTS = [each for each in operations() if each.method == "POST" and not each.path.endswith(UNLIMITED)]


async def test_every_start_and_everything_about_codes_and_secrets_is_limited(settings: Settings, cast: Cast) -> None:
    for operation in POSTS:
        caller, body = operation.person(cast), operation.example if operation.body else None
        async with process(settings) as api:
            call = {"token": caller.token, "json": body}
            statuses = await api.statuses(3, "POST", operation.filled({}), **call)
        assert (429 in statuses[:2], statuses[2]) == (False, 429), operation


async def test_deactivating_and_cancelling_are_never_held_back(api: Process, cast: Cast) -> None:
    token = cast.owner.token
    assert await api.statuses(4, "POST", f"/v1/api-keys/{NOBODY}/deactivations", token=token) == [404] * 4
    assert await api.statuses(4, "DELETE", f"/v1/requests/{NOBODY}", token=token) == [404] * 4


async def test_a_quota_of_zero_sets_no_limit(settings: Settings, cast: Cast) -> None:
    async with process(settings, FEW.model_copy(update={"codes": 0})) as api:
        path = f"/v1/requests/{NOBODY}/two-factor-code"
        assert await api.statuses(40, "POST", path, token=cast.owner.token, json=CODE) == [404] * 40


def test_every_quota_has_a_limit_that_a_person_does_not_meet() -> None:
    assert {quota: getattr(Quotas(), quota) >= 30 for quota in Quota} == dict.fromkeys(Quota, True)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (None, "unknown"),
    ],
)
def test_an_ipv6_subscriber_counts_as_one_address(address: str | None, counted: str) -> None:
    assert neighbourhood(address) == counted
