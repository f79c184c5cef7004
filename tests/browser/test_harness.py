"""The harness of the browser tests sees what it is there to see."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from tests.browser.accessibility import axe, violations
from tests.browser.screens import FOLDER, screens
from tests.browser.visits import Visitors, visit
from tests.browser.watch import Watch
from tests.support.browser import find_chromium
from tests.support.cast import Cast
from tests.support.site import Site, serving

_CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
_LAYOUT = '<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1>{}</main></html>'
_BODIES = {
    "well": "<p>All is well.</p>",
    "inline": "<script>document.title = 'injected'</script>",
    "error": '<script src="/wrong.js"></script>',
    "missing": '<img src="/nowhere" alt="">',
    "foreign": '<img src="https://example.com/pixel" alt="">',
    "unnamed": "<input>",
    "faint": '<link rel="stylesheet" href="/faint.css"><p>Hardly to be read.</p>',
}


async def _show(request: Request) -> HTMLResponse:
    name = request.path_params["name"]
    body = _LAYOUT.format(_BODIES.get(name, ""))
    return HTMLResponse(body, 503 if name == "down" else 200, {"Content-Security-Policy": _CSP})


async def _script(request: Request) -> PlainTextResponse:
    return PlainTextResponse("throw new Error('out of paper')", media_type="text/javascript")


async def _style(request: Request) -> PlainTextResponse:
    return PlainTextResponse("p { color: #eee; background: #fff }", media_type="text/css")


@pytest.fixture
async def samples() -> AsyncIterator[str]:
    routes = [Route("/wrong.js", _script), Route("/faint.css", _style), Route("/show/{name}", _show)]
    async with serving(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture
async def watch(samples: str) -> Watch:
    return Watch(samples)


@pytest.fixture
async def sample(browser: Browser, watch: Watch) -> AsyncIterator[Page]:
    async with visit(browser, watch) as page:
        yield page


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("inline", "Content Security Policy"),
        ("error", "uncaught error: out of paper"),
        ("missing", "answer 404"),
        ("foreign", "asked another host: https://example.com/pixel"),
        ("down", "answer 503"),
    ],
)
async def test_what_goes_wrong_on_a_page_fails_its_test_unless_it_was_announced(
    sample: Page, watch: Watch, name: str, fault: str
) -> None:
    await sample.goto(f"/show/{name}")
    await sample.evaluate("0")  # what the page said before has arrived when the answer does

    with pytest.raises(AssertionError, match=fault):
        watch.check()
    for each in list(watch.faults):
        watch.announce(each)
    watch.check()


async def test_a_page_that_is_well_passes_and_what_was_announced_in_vain_fails(sample: Page, watch: Watch) -> None:
    await sample.goto("/show/well")
    watch.check()

    watch.announce("answer 503")

    with pytest.raises(AssertionError, match="did not come"):
        watch.check()


@pytest.mark.prove
async def test_axe_runs_under_a_strict_policy_and_names_rule_impact_and_place(sample: Page, watch: Watch) -> None:
    await sample.goto("/show/well")
    await axe(sample)
    await sample.goto("/show/unnamed")
    assert "label (critical): Form elements must have labels: input" in await violations(sample)
    await sample.goto("/show/faint")

    with pytest.raises(AssertionError, match=r"color-contrast \(serious\).*: p"):
        await axe(sample)

    watch.check()


@pytest.mark.prove
async def test_pictures_are_taken_in_four_ways_and_the_page_stays_as_it_was(
    sample: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sample.goto("/show/well")
    assert await screens(sample, "well") == []
    monkeypatch.setenv(FOLDER, str(tmp_path))

    await screens(sample, "well")

    names = [f"well-{size}-{scheme}.png" for size in ("desktop", "phone") for scheme in ("dark", "light")]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert sample.viewport_size == {"width": 1280, "height": 800}


async def test_the_application_answers_a_browser(page: Page, site: Site) -> None:
    response = await page.goto("/healthz")

    assert response is not None
    assert response.status == 200
    assert page.url == f"{site.url}/healthz"
    await expect(page.locator("body")).to_contain_text("alive")


async def test_two_people_come_with_sessions_of_their_own(cast: Cast, visitors: Visitors, page: Page) -> None:
    await visitors.sign_in(page, cast.owner)
    other = await visitors.come(cast.account_manager)

    [mine], [theirs] = await page.context.cookies(), await other.context.cookies()

    assert mine["httpOnly"]
    assert mine["name"] == theirs["name"]
    assert mine["value"] != theirs["value"]


def test_the_browser_named_in_the_environment_is_taken_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_CHROMIUM", "/bin/true")
    assert find_chromium() == "/bin/true"

    monkeypatch.setenv("COUNTERSIGN_CHROMIUM", "/nowhere/chromium")

    assert find_chromium("/bin/true") is None


def test_playwrights_own_browser_is_taken_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    assert find_chromium("/bin/true") == "/bin/true"
    assert find_chromium("/nowhere/chromium") is None
    assert find_chromium() is None
