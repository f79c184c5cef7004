"""A real Chromium on the real pages.

    async def test_an_owner_sees_her_keys(page: Page, cast: Cast, visitors: Visitors) -> None:
        await visitors.sign_in(page, cast.owner)
        await page.goto("/settings/api-keys")
        await expect(page.get_by_role("heading", name="API Keys Management")).to_be_visible()
        await axe(page)
        await screens(page, "api-keys")

- ``page``: a fresh browser of one visitor (1280 x 800, reduced motion, en-GB, UTC) at ``site``; paths are enough.
- ``visitors.come(person, **options)``: another one beside it, signed in: a second person, a second device, a phone
  (``viewport=…``), one without JavaScript (``java_script_enabled=False``). ``page.context.new_page()`` is a second tab.
- ``visitors.sign_in(page, person)`` makes a session in the database; only tests of the sign-in go through its page.
- ``site``: the address and settings of the application, served in the loop of the tests: server, worker, database and
  Playwright share it, so ``cast``, ``Flow.skip`` and ``core`` work beside the browser. ``site.here(link)`` is the same
  link, of a mail say, at this site. With other settings: ``site_of(settings.model_copy(update={…}))`` as ``site`` and
  ``Visitors.at(browser, site)`` as ``visitors``, both ``async with``.
- A test fails at its end for uncaught errors, console errors (the CSP's refusals are such), answers from 500 on (of
  scripts, styles and images from 400 on) and requests to another host, in any tab. What belongs to the test is
  announced: ``visitors.watch.announce("answer 503")``; an announced fault that does not come fails too.
- ``await axe(page)`` fails with what axe-core finds; call it on every page and on every open dialog. It runs under our
  CSP, so nothing is bypassed.
- ``await screens(page, "name")`` takes phone and desktop, light and dark, when COUNTERSIGN_SCREENS names a folder.
- Countdowns: ``await page.clock.install()`` before ``goto``, then ``page.clock.run_for(…)`` moves the browser's time
  and ``Flow.skip(…)`` the workflow's; the server's own clock stays. Wait with ``expect(…)``, never with a sleep.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from countersign.settings import Settings
from tests.browser.visits import PATIENCE_MILLISECONDS, Visitors
from tests.support.browser import ARGUMENTS, MISSING, find_chromium
from tests.support.site import Site, site_of


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            pytest.fail(MISSING, pytrace=False)
        opened = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest.fixture(scope="session")
async def site(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    data: Path = tmp_path_factory.mktemp("site")
    async with site_of(settings.model_copy(update={"mode": "local", "data": data})) as opened:
        yield opened


@pytest.fixture
async def visitors(browser: Browser, site: Site) -> AsyncIterator[Visitors]:
    async with Visitors.at(browser, site) as coming:
        yield coming


@pytest.fixture
async def page(visitors: Visitors) -> Page:
    return await visitors.come()
