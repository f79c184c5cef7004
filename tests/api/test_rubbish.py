"""Rubbish over HTTP is a 4xx problem, never a 500, whatever it is and wherever it is put."""

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import Cast, Person
from tests.support.openapi import Operation, operations

CODE = "493817"  # stands in for what a person sends and must never read again
SURROGATE = '{"name": "\\ud800", "permissions": []}'
NASTY = [
    "\x00", "a\x00b", "\ud800", "'; DROP TABLE users; --", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "%00",
    "\u202eevil", "\r\nSet-Cookie: a=b", "x" * 70_000, "💥" * 3_000, "", " ", "-1", "null", "1e309", "0x10",
]  # fmt: skip
VALUES: list[object] = [
    None, True, 0, -1, 2**31, 2**63, 2**64, 1.5, [], [[]], {}, {"a": 1}, [None], ["\x00"], ["\ud800"], *NASTY,
]  # fmt: skip
STRANGE_BODIES = [
    b"", b"{", b"null", b"[]", b'"text"', b"1", b"\xff\xfe", b"\x00", b'{"name": NaN}', b'{"name": "a", "name": 1}',
    b'{"version": ' + b"9" * 5_000 + b"}", b'{"version": 1e400}', b"[" * 60_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    SURROGATE.encode(), b'{"\\ud800": 1}', b'{"session_type": "\\u0000"}',
    '{"name": "x"'.encode("utf-16"), b"name=a&permissions=trade", b"x" * 10_000_000,
]  # fmt: skip


CONTENT_TYPES = [
    "application/json", "text/plain", "application/xml", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/octet-stream",
    "", "/", "a" * 9_000,
]  # fmt: skip


def quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")[:9_000]


def is_a_problem(response: httpx.Response) -> bool:
    if response.headers["content-type"] != "application/problem+json":
        return False
    body = response.json()
    return bool(body["status"] == response.status_code and {"type", "title", "detail"} <= body.keys())


def assert_refused(response: httpx.Response, what: object) -> None:
    told = f"{response.status_code} for {what!r:.200}: {response.text[:300]}"
    assert 400 <= response.status_code < 500, told
    assert is_a_problem(response), told
    assert response.headers["cache-control"] == "no-store", told


def assert_no_fault(response: httpx.Response, what: object) -> None:
    if response.status_code >= 400:
        assert_refused(response, what)


async def send(person: Person, operation: Operation, **parts: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}", **parts.pop("headers", {})}
    url = httpx.URL(f"http://127.0.0.1{operation.filled(parts.pop('ids', {}))}{parts.pop('query', '')}")
    return await person.http.request(operation.method, url, headers=headers, **parts)


def with_bodies() -> list[Operation]:
    return [each for each in operations() if each.body]


def with_parameters(place: str) -> list[Operation]:
    return [each for each in operations() if each.parameters(place)]


@pytest.mark.parametrize("operation", with_bodies(), ids=str)
async def test_it_refuses_bodies_that_are_not_what_the_route_asks_for(cast: Cast, operation: Operation) -> None:
    who = operation.person(cast)
    for body in STRANGE_BODIES:
        response = await send(who, operation, content=body, headers={"Content-Type": "application/json"})
        assert_refused(response, body)


@pytest.mark.parametrize("operation", with_bodies(), ids=str)
async def test_it_refuses_unknown_fields_without_repeating_their_values(cast: Cast, operation: Operation) -> None:
    body = {**operation.example, "surprise": CODE}
    ids = {"request_id": (await cast.owner.create_api_key()).id} if "{request_id}" in operation.path else {}

    response = await send(operation.person(cast), operation, json=body, ids=ids)

    assert_refused(response, body)
    assert response.status_code == 422
    assert CODE not in response.text


@pytest.mark.parametrize("operation", with_bodies(), ids=str)
async def test_it_refuses_wrong_values_in_every_field(cast: Cast, operation: Operation) -> None:
    who = operation.person(cast)
    for field in operation.example:
        for value in VALUES:
            content = json.dumps({**operation.example, field: value})
            response = await send(who, operation, content=content, headers={"Content-Type": "application/json"})
            assert_no_fault(response, (field, value))


@pytest.mark.parametrize("operation", with_bodies(), ids=str)
async def test_it_refuses_other_content_types_and_encodings(cast: Cast, operation: Operation) -> None:
    who = operation.person(cast)
    for content_type in CONTENT_TYPES[1:]:
        response = await send(who, operation, content=b"<a/>", headers={"Content-Type": content_type})
        assert_refused(response, content_type)
    gzipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert_refused(await send(who, operation, content=b"\x1f\x8b\x08\x00rubbish", headers=gzipped), "gzip")


@pytest.mark.parametrize("operation", with_parameters("path"), ids=str)
async def test_it_answers_unknown_and_malformed_ids_with_404_or_422(cast: Cast, operation: Operation) -> None:
    who, names = operation.person(cast), [each["name"] for each in operation.parameters("path")]
    for text in [str(uuid4()), "1", "nil", "x" * 5_000, *map(quoted, filter(None, NASTY))]:
        response = await send(who, operation, ids=dict.fromkeys(names, text), json=operation.example or None)
        assert_refused(response, text)
        assert response.status_code in {404, 405, 414, 422}


@pytest.mark.parametrize("operation", with_parameters("query"), ids=str)
async def test_it_refuses_invalid_query_parameters(cast: Cast, operation: Operation) -> None:
    who = operation.person(cast)
    for parameter in operation.parameters("query"):
        for text in [
            "",
            "x",
            "-1",
            "0",
            "1.5",
            "9" * 5_000,
            "%00",
            "%ff",
            "'%20OR%201=1",
            "1&limit=zwei",
            "NaN",
            "%F0%9F%92%A5",
        ]:
            response = await send(who, operation, query=f"?{parameter['name']}={text}")
            if text != "0":  # as a boolean, 0 is "no"
                assert_refused(response, (parameter["name"], text))
            assert_no_fault(response, (parameter["name"], text))


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_it_refuses_methods_that_the_route_does_not_have(cast: Cast, operation: Operation) -> None:
    there = {each.method for each in operations() if each.path == operation.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "HEAD", "OPTIONS"} - there:
        response = await operation.person(cast).http.request(method, operation.filled({}))
        assert response.status_code in {401, 404, 405}, method
        assert method == "HEAD" or is_a_problem(response), method


async def test_it_refuses_idempotency_keys_that_are_none(cast: Cast) -> None:
    for key in [b"", b" ", b"a b", b"\xff\xfe", "ü".encode(), b"x" * 201, b"x" * 10_000, b"\x01"]:
        headers = {b"authorization": f"Bearer {cast.owner.token}".encode(), b"idempotency-key": key}
        response = await cast.owner.http.post("/v1/fix-credentials", json={"session_type": "trade"}, headers=headers)
        assert_refused(response, key)
        assert response.status_code == 422


async def test_it_refuses_authorization_headers_that_are_none(cast: Cast) -> None:
    token = cast.owner.token
    head, payload, signature = token.split(".")
    none = "eyJhbGciOiJub25lIn0"
    for value in [
        b"", b"Bearer", b"Bearer ", b"Basic YTpi", b"Bearer a.b.c", b"Bearer \xff\xfe", b"Bearer " + b"x" * 10_000,
        f"Token {token}".encode(), f"Bearer {head}.{payload}.".encode(), f"Bearer {none}.{payload}.".encode(),
        f"Bearer {head}.{payload}.{signature[::-1]}".encode(), f"Bearer {token} {token}".encode(),
    ]:  # fmt: skip
        response = await cast.owner.http.get("/v1/requests", headers=[(b"authorization", value)])
        assert_refused(response, value)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_not_a_way_in(cast: Cast) -> None:
    valid = f"Bearer {cast.owner.token}".encode()

    headers = [(b"authorization", b"Bearer rubbish"), (b"authorization", valid)]
    response = await cast.owner.http.get("/v1/requests", headers=headers)

    assert response.status_code == 401


async def test_it_answers_paths_that_lead_nowhere_with_404(cast: Cast) -> None:
    for path in ["/v2", "/v1", "/v1/requests/../../etc/passwd", "/v1//api-keys", "/v1/api-keys/%2e%2e%2f", "/%00",
                 "/problems/none", "/problems/%00", "/codec", "/codec/", "/codec/none", "/local/inbox",
                 "/v1/" + "x" * 8_000]:  # fmt: skip
        response = await cast.owner.http.get(path)
        assert_refused(response, path)
        assert response.status_code == 404


async def test_a_body_of_10_megabytes_is_413_whether_it_tells_its_length_or_not(cast: Cast) -> None:
    async def chunks() -> Any:
        for _ in range(160):
            yield b'{"name": "' + b"x" * 65_536

    for body in (b"x" * 10_000_000, chunks()):
        headers = {"Authorization": f"Bearer {cast.owner.token}"}
        response = await cast.owner.http.post("/v1/api-keys", content=body, headers=headers)
        assert response.status_code == 413
        assert is_a_problem(response)
        assert response.json()["type"] == "/problems/body-too-large"


async def test_a_code_in_a_body_that_is_refused_is_not_repeated(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    for body in ({"code": CODE, "reveal_challenge": "short"}, {"code": [CODE]}, {"code": f"{CODE}x"}, CODE, [CODE]):
        response = await flow.post("/two-factor-code", body)
        assert response.status_code == 422
        assert CODE not in response.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    operation = draw(st.sampled_from(operations()))
    body = {
        name: draw(json_values | st.just(value)) for name, value in operation.example.items() if draw(st.booleans())
    }
    extra = draw(st.dictionaries(st.text(max_size=9), json_values, max_size=2)) if draw(st.booleans()) else {}
    odd = draw(st.just({**body, **extra}) | json_values)
    named = operation.parameters("path")
    ids = {each["name"]: draw(st.just(str(uuid4())) | st.text(min_size=1, max_size=30)) for each in named}
    query = {each["name"]: draw(st.text(max_size=20)) for each in operation.parameters("query") if draw(st.booleans())}
    return {
        "operation": operation,
        "ids": {name: quoted(text) for name, text in ids.items()},
        "query": "?" + "&".join(f"{name}={quoted(text)}" for name, text in query.items()),
        "content": json.dumps(odd).encode(),
        "headers": {
            "Content-Type": draw(st.sampled_from(CONTENT_TYPES[:7])),
            **({"Idempotency-Key": draw(st.text("ab-é ", min_size=1)).encode()} if draw(st.booleans()) else {}),
        },
    }


async def nothing_breaks(cast: Cast, call: dict[str, Any]) -> None:
    parts = dict(call)
    operation = parts.pop("operation")
    if not operation.body:
        parts.pop("content")
    response = await send(operation.person(cast), operation, **parts)
    assert response.status_code < 500 or operation.path == "/readyz", (call, response.text)
    assert_no_fault(response, call)


SAMPLE = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SAMPLE
@given(call=calls())
async def test_whatever_is_sent_to_any_route_is_answered_or_refused(cast: Cast, call: dict[str, Any]) -> None:
    await nothing_breaks(cast, call)


@pytest.mark.prove
@settings(SAMPLE, max_examples=5_000, derandomize=False)
@given(call=calls())
async def test_whatever_is_sent_to_any_route_is_answered_or_refused_5000_times(
    cast: Cast, call: dict[str, Any]
) -> None:
    await nothing_breaks(cast, call)
