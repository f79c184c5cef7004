"""Takes the README's pictures anew from a running local stack with fresh data.

make run ARGS=--fresh                  # in another terminal
python -m tests.browser.pictures       # into docs/screenshots
"""

import asyncio
import re
import sys
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, async_playwright

from countersign.cli.context import command_settings
from countersign.local.sign_in import demo_otp
from tests.support.browser import ARGUMENTS, MISSING, find_chromium

_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
_KEYS = (
    ("Market maker", "Trade", "203.0.113.7; 2001:db8::/48", "BTC order 1.5 day 10"),
    ("Treasury", "Funds External", "198.51.100.20", ""),
)
_STEP_SECONDS = 31


async def main() -> None:
    """Walk through the journeys as Olivia, Sonia and Amy, and picture what the README shows."""
    async with async_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            sys.exit(MISSING)
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        olivia = await _come(browser, "Olivia")
        for name, level, whitelist, limits in _KEYS:
            await _create_key(olivia, name, level, whitelist=whitelist, limits=limits)
            await asyncio.sleep(_STEP_SECONDS)  # a code of an authenticator is good once
        await _take(olivia, "api-keys")
        await _ask_account_manager(await _come(browser, "Sonia"))
        await _decide(await _come(browser, "Amy"))
        await browser.close()


async def _come(browser: Browser, name: str) -> Page:
    context = await browser.new_context(
        base_url=command_settings().public_url, viewport={"width": 1200, "height": 760}, reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.get_by_role("link", name=name).click()
    await page.get_by_role("heading", level=1).wait_for()
    return page


async def _create_key(page: Page, name: str, level: str, *, whitelist: str, limits: str) -> None:
    await page.get_by_role("link", name="+ NEW API KEY").click()
    await page.get_by_label("API Key name").fill(name)
    await page.get_by_role("checkbox", name=level).check()
    await page.get_by_label("Whitelist your IP addresses").fill(whitelist)
    await page.get_by_label("Trading limits").fill(limits)
    await page.get_by_text("Understood as").wait_for()
    await _take(page, "new-api-key")
    await page.get_by_role("button", name="CREATE API Key").click()
    await _confirm(page, "olivia")
    await page.get_by_role("checkbox", name="I have saved").check()
    await _take(page, "api-secret")
    await page.get_by_role("button", name="ACTIVATE", exact=True).click()
    await page.get_by_label("Email verification code").fill(await _mailed(page, "olivia"))
    await page.get_by_role("button", name="Activate", exact=True).click()
    await page.get_by_role("button", name="Done").click()


async def _ask_account_manager(page: Page) -> None:
    await page.get_by_role("link", name="+ NEW FIX CREDENTIALS").click()
    await page.get_by_role("button", name="FOR TRADE SESSION").click()
    await _confirm(page, "sonia")
    await page.get_by_role("checkbox", name="I have saved").check()
    await page.get_by_role("button", name="ACTIVATE", exact=True).click()
    await page.locator("#session-name").wait_for()


async def _decide(page: Page) -> None:
    await page.get_by_role("link", name="Decide").click()
    await page.get_by_role("heading", name="Activity").wait_for()
    await _take(page, "account-manager")


async def _confirm(page: Page, user: str) -> None:
    await page.get_by_label("Verification code").fill(await demo_otp(command_settings(), user))
    await page.get_by_role("button", name="Confirm").click()


async def _mailed(page: Page, user: str) -> str:
    await page.get_by_text("that we sent").wait_for()
    async with httpx.AsyncClient(base_url=command_settings().public_url) as inbox:
        mails = (await inbox.get("/local/inbox", params={"to": f"{user}@example.com"})).json()
    codes = (re.search(r"\b\d{6}\b", mail["text"]) for mail in mails if "/activate/" in mail["text"])
    return next(code[0] for code in codes if code)


async def _take(page: Page, name: str) -> None:
    _FOLDER.mkdir(exist_ok=True)
    secret = page.locator("[data-label='API Secret']")
    await page.screenshot(path=_FOLDER / f"{name}.png", animations="disabled", mask=[secret], mask_color="#7c857e")


if __name__ == "__main__":
    asyncio.run(main())
