"""What a browser gets where the API answers a problem: a page, or a word about it that leaves the page as it is."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from countersign.settings import Settings
from tests.support.cast import Cast
from tests.support.pages import FRAGMENT, HTML, Reader
from tests.support.signing_in import Browser

LIST = {**FRAGMENT, "HX-Target": "lists"}


@pytest.fixture
async def failing(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application, with a page that has a fault."""
    app = create_app(settings)

    @app.get("/faulty")
    async def fail() -> None:
        raise RuntimeError("493817")

    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def test_a_browser_gets_a_page_for_a_fault_of_ours(failing: httpx.AsyncClient) -> None:
    response = await failing.get("/faulty", headers=HTML)

    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/html")
    assert "Internal error" in response.text
    assert "493817" not in response.text


async def test_a_program_gets_a_problem_for_a_fault_of_ours(failing: httpx.AsyncClient) -> None:
    response = await failing.get("/faulty")

    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("*/*", "application/problem+json")])
async def test_what_is_refused_before_it_is_looked_at_is_a_page_for_a_browser_alone(
    browser: Browser, accept: str, kind: str
) -> None:
    too_large = await browser.client.post("/sign-out", content=b"x" * 70_000, headers={"Accept": accept})
    misdirected = await browser.client.get("/sign-in", headers={"Host": "evil.example", "Accept": accept})

    assert [each.status_code for each in (too_large, misdirected)] == [413, 421]
    assert {each.headers["content-type"].partition(";")[0] for each in (too_large, misdirected)} == {kind}
    assert "The body is too large" in too_large.text
    assert "names of this machine alone" in misdirected.text


async def test_a_page_that_does_not_exist_says_so(cast: Cast) -> None:
    page = await (await Reader.signed_in(cast.owner)).get("/settings/nowhere")

    assert page.status == 404
    assert "Not Found" in page.text


async def test_a_dialog_that_cannot_be_opened_says_why(cast: Cast) -> None:
    reader = await Reader.signed_in(cast.owner)

    page = await reader.get("/settings/requests/00000000-0000-4000-8000-000000000000", fragment=True)

    assert page.status == 404
    assert "data-panel" in page.response.text
    assert "hx-reswap" not in page.response.headers


async def test_a_list_that_cannot_be_narrowed_stays_as_it_is(cast: Cast) -> None:
    reader = await Reader.signed_in(cast.owner)

    response = await reader.http.get(
        "/settings/api-keys", params={"q": "x" * 101}, headers={**LIST, "Cookie": reader.cookie}
    )

    assert response.status_code == 422
    assert response.headers["hx-reswap"] == "none"


async def test_what_went_wrong_is_said_once(cast: Cast) -> None:
    reader = await Reader.signed_in(cast.owner)

    page = await reader.post("/settings/requests/00000000-0000-4000-8000-000000000000/cancel", {}, fragment=True)

    said = json.loads(page.response.headers["hx-trigger"])["problem"]
    assert len(said.split(". ")) == 1
