"""Every error is a problem (RFC 9457) that its type describes, and none says more than it should."""

import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from api import problems
from api.app import create_app
from countersign.domain.errors import BY_SLUG, DomainError, NotSignedIn, TooManyCodes, WrongCode
from countersign.settings import Settings
from tests.support.cast import Cast

CODE = "493817"
EVERY = pytest.mark.parametrize("error", BY_SLUG.values(), ids=BY_SLUG.keys())


async def answer(error: Exception) -> httpx.Response:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(problems.Unforeseen)

    @app.get("/")
    async def fail() -> None:
        raise error

    return await call(app, "/")


async def call(app: FastAPI, path: str, method: str = "GET", **parts: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, **parts)


@EVERY
async def test_an_error_is_a_problem_of_its_type(error: type[DomainError]) -> None:
    response = await answer(error("Said so.", member=1))

    assert response.status_code == error.status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "type": f"/problems/{error.slug}",
        "title": error.title(),
        "status": error.status,
        "detail": "Said so.",
        "member": 1,
    }


@EVERY
async def test_the_type_of_a_problem_leads_to_its_description(
    http: httpx.AsyncClient, error: type[DomainError]
) -> None:
    response = await http.get(f"/problems/{error.slug}")

    assert response.status_code == 200
    assert response.json() == {"type": f"/problems/{error.slug}", "title": error.title(), "status": error.status}


@EVERY
async def test_429_and_503_say_when_to_try_again_and_401_how_to_sign_in(error: type[DomainError]) -> None:
    headers = (await answer(error())).headers

    assert ("retry-after" in headers) == (error.status in {429, 503})
    assert ("www-authenticate" in headers) == (error.status == 401)
    assert headers.get("retry-after", "1").isdigit()


async def test_the_problem_says_itself_when_to_try_again() -> None:
    response = await answer(TooManyCodes(retry_after=1234))

    assert response.headers["retry-after"] == "1234"
    assert response.json()["retry_after"] == 1234


async def test_a_member_cannot_pass_for_one_of_rfc_9457() -> None:
    body = (await answer(WrongCode("Said so.", status=200, title="Fine", type="about:blank"))).json()

    assert (body["status"], body["title"], body["type"]) == (422, "The code is wrong.", "/problems/wrong-code")


async def test_a_401_names_the_scheme() -> None:
    assert (await answer(NotSignedIn())).headers["www-authenticate"] == 'Bearer realm="countersign"'


async def test_what_nobody_foresaw_is_told_neither_in_the_answer_nor_in_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)

    async def fail() -> None:
        code = CODE
        raise RuntimeError(f"{code} was the code")

    app.add_api_route("/fail", fail)
    async with app.router.lifespan_context(app):
        with caplog.at_level(logging.DEBUG):
            response = await call(app, "/fail")

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["detail"] == "This is our fault; try again."
    assert CODE not in response.text + caplog.text
    assert "RuntimeError" not in response.text
    assert "RuntimeError at fail:" in caplog.text


async def test_an_invalid_field_is_pointed_at_and_its_value_left_out() -> None:
    class Form(BaseModel):
        code: int

    app = FastAPI()
    problems.install(app)

    async def take(form: Form) -> None:
        pytest.fail(f"{form} was taken")

    app.add_api_route("/", take, methods=["POST"])
    response = await call(app, "/", "POST", json={"code": [CODE]})

    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["pointer"] == "/code"
    assert CODE not in response.text


async def test_a_field_name_that_would_turn_the_line_around_is_told_as_an_escape() -> None:
    class Form(BaseModel, extra="forbid"):
        code: int = 1

    app = FastAPI()
    problems.install(app)

    async def take(form: Form) -> None:
        pytest.fail(f"{form} was taken")

    app.add_api_route("/", take, methods=["POST"])
    response = await call(app, "/", "POST", content=b'{"\\u202e": 1}', headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/\\u202e"


async def test_a_body_that_cannot_be_decoded_is_invalid_input_like_other_broken_json(cast: Cast) -> None:
    headers = {"Authorization": f"Bearer {cast.owner.token}", "Content-Type": "application/json"}

    for body in (b"\xff\xfe", b'{"session_type": "\xe9"}', b"[" * 60_000, b"{"):
        response = await cast.owner.http.post("/v1/fix-credentials", content=body, headers=headers)
        assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-input")


async def test_a_405_names_every_method_of_the_path(http: httpx.AsyncClient) -> None:
    for path, methods in {
        "/v1/api-keys": "GET, POST",
        "/v1/fix-credentials": "GET, POST",
        f"/v1/requests/{uuid4()}": "DELETE, GET",
        f"/v1/requests/{uuid4()}/secret": "POST",
        "/codec/decode": "POST",
    }.items():
        response = await http.put(path)
        assert (response.status_code, response.headers["allow"]) == (405, methods)
