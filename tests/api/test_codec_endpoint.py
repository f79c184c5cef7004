"""The codec endpoint: ops read payloads, account managers encode what they send, and nobody else either."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload

from api import codec
from countersign.adapters.payload_codec import endpoint_codec
from countersign.settings import Settings
from tests.support.cast import Cast, Person
from tests.support.histories import payloads_in
from tests.support.stage import api_of

UI = "https://temporal.example"
PLAIN = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": b64encode(b'{"a": 1}').decode()}


@pytest.fixture(scope="module")
async def endpoint(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api_of(settings.model_copy(update={"codec_cors_origins": [UI]})) as client:
        yield client


async def ask(
    endpoint: httpx.AsyncClient, what: str, person: Person | None, payloads: object, **headers: str
) -> httpx.Response:
    if person is not None:
        headers["Authorization"] = f"Bearer {person.token}"
    content = payloads if isinstance(payloads, bytes) else json.dumps({"payloads": payloads}).encode()
    return await endpoint.post(f"/codec/{what}", content=content, headers={"X-Namespace": "default", **headers})


async def started(cast: Cast) -> tuple[str, dict[str, Any]]:
    """Return a request's id and the payload that its workflow was started with."""
    flow = await cast.owner.create_api_key()
    event = (await flow.handle.fetch_history()).events[0]
    [payload] = event.workflow_execution_started_event_attributes.input.payloads
    return flow.id, MessageToDict(payload)


async def test_ops_read_a_payload_of_a_history(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    request_id, payload = await started(cast)
    assert request_id.encode() not in json.dumps(payload).encode()

    response = await ask(endpoint, "decode", cast.ops, [payload])

    [decoded] = response.json()["payloads"]
    assert decoded["data"] == b64encode(json.dumps({"request_id": request_id}, separators=(",", ":")).encode()).decode()


async def test_what_was_encoded_decodes_to_what_it_was(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    encoded = (await ask(endpoint, "encode", cast.account_manager, [PLAIN, PLAIN])).json()["payloads"]
    assert [each["metadata"]["encoding"] for each in encoded] == [b64encode(b"binary/encrypted").decode()] * 2
    assert encoded[0]["data"] != encoded[1]["data"]

    decoded = (await ask(endpoint, "decode", cast.ops, encoded)).json()["payloads"]

    assert decoded == [PLAIN, PLAIN]


async def test_what_is_plain_or_was_changed_passes_through_unchanged(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    _, payload = await started(cast)
    changed = {**payload, "data": b64encode(b"x" * 40).decode()}

    response = await ask(endpoint, "decode", cast.ops, [PLAIN, changed, {}])

    assert response.json()["payloads"] == [PLAIN, changed, {}]


async def test_account_managers_may_encode_and_not_decode(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    answers = [await ask(endpoint, what, cast.account_manager, [PLAIN]) for what in ("encode", "decode")]
    assert [answer.status_code for answer in answers] == [200, 403]


@pytest.mark.parametrize("what", ["encode", "decode"])
async def test_it_refuses_everyone_else(cast: Cast, endpoint: httpx.AsyncClient, what: str) -> None:
    for person, status in ((cast.owner, 403), (cast.member, 403), (None, 401)):
        response = await ask(endpoint, what, person, [PLAIN])
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert "payloads" not in response.json()


async def test_it_refuses_garbage(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    for body in [
        b"", b"{", b"null", b"[1]", b"1", b'"x"', b"\xff\xfe", b'{"payloads": 1}', b'{"payloads": [1]}',
        b'{"payload": []}',
        b'{"payloads": [{"data": "YQ"}]}"', b'{"payloads": [{"data": 1}]}', b'{"payloads": [{"metadata": []}]}',
        b'{"payloads": [{"metadata": {"encoding": 1}}]}', b'{"payloads": [{"metadata": {"\\ud800": "YQ=="}}]}',
        b"[" * 50_000, b'{"payloads":' * 10_000, b'{"payloads": [{"surprise": 1}]}',
        b'{"payloads": [{}], "payloads": 2}',
    ]:  # fmt: skip
        for what in ("encode", "decode"):
            response = await ask(endpoint, what, cast.ops, body)
            assert response.status_code == 422, (body[:60], response.text)
            assert response.headers["content-type"] == "application/problem+json"


async def test_payloads_as_large_as_temporal_takes_them_are_read_and_larger_ones_refused(
    cast: Cast, endpoint: httpx.AsyncClient
) -> None:
    large = {**PLAIN, "data": b64encode(b"x" * 2_000_000).decode()}

    assert (await ask(endpoint, "decode", cast.ops, [large])).json()["payloads"] == [large]
    assert (await ask(endpoint, "decode", cast.ops, [large, large])).status_code == 413


@pytest.mark.parametrize("what", ["encode", "decode"])
async def test_the_ui_may_ask_from_its_own_origin_alone(endpoint: httpx.AsyncClient, what: str) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace,authorization",
    }
    allowed = await endpoint.options(f"/codec/{what}", headers={"Origin": UI, **asked})
    refused = await endpoint.options(f"/codec/{what}", headers={"Origin": "https://evil.example", **asked})

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, UI)
    for name in ("content-type", "x-namespace", "authorization", "authorization-extras"):
        assert name in allowed.headers["access-control-allow-headers"]
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


async def test_errors_carry_the_headers_that_let_the_ui_read_them(
    cast: Cast, endpoint: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        await ask(endpoint, "decode", None, [PLAIN], Origin=UI),
        await ask(endpoint, "decode", cast.owner, [PLAIN], Origin=UI),
        await ask(endpoint, "decode", cast.ops, b"{", Origin=UI),
        await endpoint.post("/codec/none", headers={"Origin": UI}),
        await endpoint.get("/codec/decode", headers={"Origin": UI}),
    ]
    monkeypatch.setattr(codec, "endpoint_codec", None)
    answers.append(await ask(endpoint, "decode", cast.ops, [PLAIN], Origin=UI))

    assert [answer.status_code for answer in answers] == [401, 403, 422, 404, 405, 500]
    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == [UI] * 6
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_another_origin_gets_no_header_that_would_let_it_read(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    response = await ask(endpoint, "decode", cast.ops, [PLAIN], Origin="https://evil.example")

    assert "access-control-allow-origin" not in response.headers


async def test_it_is_open_on_a_local_stack_that_says_so(settings: Settings, tmp_path: Path) -> None:
    local = {"mode": "local", "data": tmp_path}
    async with api_of(settings.model_copy(update={**local, "codec_open": True})) as client:
        assert (await ask(client, "decode", None, [PLAIN])).status_code == 200
    async with api_of(settings.model_copy(update=local)) as client:
        assert (await ask(client, "decode", None, [PLAIN])).status_code == 401


async def test_a_decoded_message_shows_no_code_wherever_it_stands_in_the_history(
    cast: Cast, endpoint: httpx.AsyncClient
) -> None:
    flow = await cast.owner.create_api_key()
    wrong, right = "000000", await flow.code()
    await flow.enter_code(wrong)
    await flow.enter_code(right)
    await flow.to_activation_code()
    [token] = await flow.link_tokens()
    await flow.post("/activation-link", {"token": token})
    payloads = [payload async for event in flow.handle.fetch_history_events() for payload in payloads_in(event)]

    asked = [MessageToDict(payload) for payload in payloads]
    decoded = (await ask(endpoint, "decode", cast.ops, asked)).json()["payloads"]

    text = b"\n".join(b64decode(each.get("data", "")) for each in decoded).decode()
    assert text.count('"[redacted]"') >= 6
    assert '"kind": "two_factor_code"' in text
    assert flow.id in text
    for secret in (wrong, right, token):
        assert secret not in text


async def test_a_code_that_was_encoded_by_hand_is_not_decoded_again(cast: Cast, endpoint: httpx.AsyncClient) -> None:
    plain = {**PLAIN, "data": b64encode(b'{"code": "493817"}').decode()}
    encoded = (await ask(endpoint, "encode", cast.account_manager, [plain])).json()["payloads"]

    [decoded] = (await ask(endpoint, "decode", cast.ops, encoded)).json()["payloads"]

    assert json.loads(b64decode(decoded["data"])) == {"code": "[redacted]"}


@pytest.mark.parametrize("what", ["encode", "decode"])
async def test_payloads_of_another_namespace_are_refused(
    cast: Cast, endpoint: httpx.AsyncClient, settings: Settings, what: str
) -> None:
    refused = await ask(endpoint, what, cast.ops, [PLAIN], **{"X-Namespace": "elsewhere"})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")

    foreign = await endpoint_codec(cast.core.keys, "elsewhere").encode([Payload(data=b"{}")])
    asked = [MessageToDict(payload) for payload in foreign]
    assert (await ask(endpoint, "decode", cast.ops, asked)).json()["payloads"] == asked
