"""Security headers: on every answer, and the same whatever the answer is."""

from pathlib import Path

import httpx
import pytest

from api import static_files
from api.headers import security_headers
from countersign.settings import Settings
from tests.support.signing_in import Browser, Place

ANSWERS = {
    "a page": ("GET", "/sign-in", 200),
    "a redirect": ("GET", "/", 303),
    "an error page": ("GET", "/nowhere", 404),
    "a form that is refused": ("POST", "/sign-out", 403),
    "JSON": ("GET", "/healthz", 200),
    "the OpenAPI document": ("GET", "/openapi.json", 200),
    "a problem": ("GET", "/v1/requests", 401),
    "a static file": ("GET", "/static/htmx.min.js?v=1", 200),
    "a static file that is not there": ("GET", "/static/nothing.js?v=1", 404),
    "the codec": ("POST", "/codec/decode", 401),
    "the page of a mail's link": ("GET", "/activate/00000000-0000-0000-0000-000000000000", 0),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_every_answer_has_them(browser: Browser, place: Place, method: str, path: str, status: int) -> None:
    response = await browser.client.request(method, path, headers={"Accept": "text/html"})

    expected = security_headers(place.settings, cross_origin=path.startswith("/codec/"))
    assert response.status_code == status or not status
    assert {name: response.headers.get_list(name) for name in expected} == {
        name: [value] for name, value in expected.items()
    }


async def test_answers_to_the_wrong_host_and_to_bodies_too_large_have_them(browser: Browser) -> None:
    misdirected = await browser.client.get("/sign-in", headers={"Host": "evil.example"})
    too_large = await browser.client.post("/sign-out", content=b"x" * 70_000)

    assert (misdirected.status_code, too_large.status_code) == (421, 413)
    for response in (misdirected, too_large):
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_answers_of_production_have_them(http: httpx.AsyncClient, settings: Settings) -> None:
    response = await http.get("/healthz")

    assert security_headers(settings).items() <= dict(response.headers).items()


def test_scripts_and_styles_come_from_here_and_never_from_the_page_itself(settings: Settings) -> None:
    policy = security_headers(settings)["content-security-policy"]
    directives = dict(each.split(" ", 1) for each in policy.split("; "))

    assert "unsafe" not in policy
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert {directives[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}


def test_copying_is_allowed_and_nothing_else(settings: Settings) -> None:
    policy = security_headers(settings)["permissions-policy"]

    assert "clipboard-write" not in policy
    assert all(each.endswith("=()") for each in policy.split(", "))


def test_https_stays_https_for_a_year_and_http_is_not_told_so(settings: Settings, place: Place) -> None:
    assert security_headers(settings)["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in security_headers(place.settings)


def test_pages_of_other_sites_may_read_the_codec_alone(settings: Settings) -> None:
    assert security_headers(settings)["cross-origin-resource-policy"] == "same-origin"
    assert security_headers(settings, cross_origin=True)["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("path", "lasting"),
    [
        (static_files.address("htmx.min.js"), True),
        (static_files.address("icons/key.svg"), True),
        (f"{static_files.address('htmx.min.js')}&w=1", False),
        (static_files.address("htmx.min.js").replace("htmx.min.js", "countersign.js"), False),
        ("/static/htmx.min.js?v=1", False),
        ("/static/htmx.min.js", False),
        ("/static/../templates/layout.html?v=1", False),
        ("/static/nothing.js?v=1", False),
        ("/sign-in?v=1", False),
        ("/healthz?v=1", False),
    ],
)
async def test_only_files_whose_address_holds_a_hash_are_kept(browser: Browser, path: str, *, lasting: bool) -> None:
    response = await browser.get(path)

    expected = "public, max-age=31536000, immutable" if lasting else "no-store"
    assert response.headers.get_list("cache-control") == [expected]


async def test_a_file_that_a_deployment_replaced_is_not_kept_under_its_old_address(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_files, "STATIC", tmp_path)
    (tmp_path / "htmx.min.js").write_text("another")

    response = await browser.get(static_files.address("htmx.min.js"))

    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
