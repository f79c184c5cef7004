"""Browsers of single visitors: each with cookies of its own, and watched."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import Browser, Page

from tests.browser.watch import Watch
from tests.support.cast import Person
from tests.support.pages import session_cookie
from tests.support.site import Site

DESKTOP = {"width": 1280, "height": 800}
PATIENCE_MILLISECONDS = 30_000


@asynccontextmanager
async def visit(browser: Browser, watch: Watch, **options: Any) -> AsyncIterator[Page]:
    """Open a browser that knows nothing yet; ``options`` are Playwright's of a context."""
    usual: dict[str, Any] = {
        "viewport": DESKTOP,
        "reduced_motion": "reduce",
        "locale": "en-GB",
        "timezone_id": "UTC",
        "base_url": watch.site,
    }
    context = await browser.new_context(**usual | options)
    try:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        watch.follow(context)
        yield await context.new_page()
    finally:
        await context.close()


@dataclass
class Visitors:
    """The browsers of one test."""

    browser: Browser
    site: Site
    watch: Watch
    _open: AsyncExitStack

    @classmethod
    @asynccontextmanager
    async def at(cls, browser: Browser, site: Site) -> AsyncIterator[Self]:
        """Let them come to the site; at the end, fail for what went wrong in any of their browsers."""
        watch = Watch(site.url)
        async with AsyncExitStack() as opened:
            yield cls(browser, site, watch, opened)
        watch.check()

    async def come(self, person: Person | None = None, **options: Any) -> Page:
        """Return a page in a fresh browser, signed in as the person; ``options`` are Playwright's of a context."""
        page = await self._open.enter_async_context(visit(self.browser, self.watch, **options))
        if person is not None:
            await self.sign_in(page, person)
        return page

    async def sign_in(self, page: Page, person: Person) -> None:
        """Give the browser a session of the person's, past the sign-in page."""
        cookie = await session_cookie(person, self.site.settings)
        await page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": self.site.url, "httpOnly": True, "sameSite": "Lax"}]
        )
