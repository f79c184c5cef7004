"""A secret stands in the dialog that shows it, and nowhere once that is closed, whichever way."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Response, expect

from tests.browser.management import ADDRESS, Management
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.rows import let_reveal_age

_EVERYWHERE = """async () => ({
  document: document.documentElement.outerHTML,
  fields: [...document.querySelectorAll("input, textarea")].map((field) => field.value).join(" "),
  address: location.href,
  title: document.title,
  history: JSON.stringify([history.state, ...navigation.entries().map((entry) => [entry.url, entry.getState()])]),
  localStorage: JSON.stringify({ ...localStorage }),
  sessionStorage: JSON.stringify({ ...sessionStorage }),
  caches: JSON.stringify(await caches.keys()),
  databases: JSON.stringify(await indexedDB.databases()),
  cookies: document.cookie,
  window: window.name,
})"""


async def _places_of(page: Page, secret: str) -> list[str]:
    """Return where in the browser the secret is still found."""
    places = await page.evaluate(_EVERYWHERE)
    places["all cookies"] = str(await page.context.cookies())
    assert places.pop("caches") == places.pop("databases") == "[]"
    return [place for place, held in places.items() if secret in held]


async def _press_close_anyway(owner: Management) -> None:
    await owner.panel.get_by_role("button", name="Close", exact=True).click()
    await expect(owner.panel.locator(".guard")).to_contain_text("You have not said yet that it is saved.")
    await owner.press("Close anyway")


async def _press_escape_twice(owner: Management) -> None:
    await owner.page.keyboard.press("Escape")
    await expect(owner.panel.get_by_role("button", name="Keep it open")).to_be_focused()
    await owner.page.keyboard.press("Escape")


async def _go_back_twice(owner: Management) -> None:
    await owner.page.go_back()
    await expect(owner.panel.get_by_role("button", name="Keep it open")).to_be_focused()
    await owner.page.go_back()
    assert owner.page.url.endswith(ADDRESS)


async def _go_elsewhere_and_back(owner: Management) -> None:
    await owner.page.goto("/signed-out")
    await owner.page.go_back()


async def _reload(owner: Management) -> None:
    await owner.page.reload()


async def _be_kept_by_the_browser(owner: Management) -> None:
    # The tests' browser keeps no page that one has left; this is what one that does tells it.
    await owner.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert await owner.panel.count() == 1
    await expect(owner.panel.locator("[data-secret]")).to_have_count(0)
    await owner.open()


WAYS_OUT: tuple[Callable[[Management], Awaitable[None]], ...] = (
    _press_close_anyway,
    _press_escape_twice,
    _go_back_twice,
    _reload,
    _go_elsewhere_and_back,
    _be_kept_by_the_browser,
)


async def test_no_secret_is_left_however_its_dialog_is_closed(page: Page, cast: Cast, visitors: Visitors) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright takes no built-in
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    await owner.to_secret("Market maker", "Trade")
    secret = await owner.secret()
    assert await _places_of(page, secret) == ["document"]

    for leave in WAYS_OUT:
        await leave(owner)
        await expect(owner.panel).to_have_count(0)
        assert await _places_of(page, secret) == [], leave.__name__
        await page.get_by_role("link", name="Resume").click()
        await owner.press("Show it again")
        await expect(owner.panel.locator("#dialog-title")).to_be_focused()
        assert await owner.secret() == secret
    await owner.tick()
    await owner.press("ACTIVATE")
    await owner.sees("Confirm the activation by email")

    assert await _places_of(page, secret) == []
    revealing = [each for each in answers if each.url.endswith(("/two-factor-code", "/secret"))]
    assert len(revealing) == 1 + len(WAYS_OUT)
    assert {each.headers["cache-control"] for each in revealing} == {"no-store"}
    assert not any(secret in each.url for each in answers)


async def test_the_guard_warns_before_a_secret_is_lost_and_not_once_it_is_saved(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    await owner.to_secret("Market maker")
    secret = await owner.secret()

    await page.keyboard.press("Escape")
    await owner.press("Keep it open")
    await expect(owner.panel.locator(".guard")).to_be_hidden()
    assert await owner.secret() == secret
    await owner.tick()
    await page.keyboard.press("Escape")

    await expect(owner.panel).to_have_count(0)
    assert await _places_of(page, secret) == []
    await page.get_by_role("link", name="Resume").click()
    await owner.sees("Activate Market maker?")


@pytest.mark.prove
async def test_key_and_password_can_be_copied_and_downloaded(cast: Cast, visitors: Visitors, tmp_path: Path) -> None:
    page = await visitors.come(cast.sms_owner, permissions=["clipboard-write"])
    owner = Management(page, cast.sms_owner)
    await owner.open()
    await owner.press_on_page("+ NEW FIX CREDENTIALS")
    await owner.panel.get_by_role("button", name="FOR TRADE SESSION").click()
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.sees("Save your Password")
    password = await owner.secret()
    shown = [
        f"{await each.get_attribute('data-label')}: {await each.inner_text()}\n"
        for each in await owner.panel.locator("[data-label]").all()
    ]

    async with page.expect_download() as coming:
        await owner.press("Download as a text file")
    file = tmp_path / "downloaded"
    await (await coming.value).save_as(file)
    await owner.panel.get_by_role("button", name="Copy Password").click()
    await expect(owner.panel.get_by_role("button", name="Copy Password")).to_contain_text("Copied")
    await owner.tick()
    await owner.press("ACTIVATE LATER")
    await owner.sees(re.compile("^Left inactive"))

    assert file.read_text() == "".join(shown)
    assert [line.partition(":")[0] for line in shown] == ["Session Name", "Username", "Password"]
    assert await _places_of(page, password) == []
    await owner.press("Done")
    await expect(page.get_by_role("link", name="+ NEW FIX CREDENTIALS")).to_be_focused()
    await owner.is_back()
    await page.get_by_role("searchbox").focus()
    await page.keyboard.press("ControlOrMeta+v")
    await expect(page.get_by_role("searchbox")).to_have_value(password)


@pytest.mark.prove
async def test_a_secret_is_shown_again_in_its_own_browser_alone_and_for_two_minutes(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    flow = await owner.to_secret("Market maker")
    secret = await owner.secret()
    elsewhere = Management(await visitors.come(cast.owner), cast.owner)
    await elsewhere.open()

    await elsewhere.page.get_by_role("link", name="Resume").click()
    await elsewhere.press("Show it again")
    await expect(elsewhere.panel).to_contain_text("it is shown only where the code was entered")
    assert await _places_of(elsewhere.page, secret) == []
    await let_reveal_age(cast.core, flow.id, timedelta(minutes=2))
    await page.reload()
    await page.get_by_role("link", name="Resume").click()
    await owner.press("Show it again")

    await expect(owner.panel).to_contain_text("cannot be shown any more")
    await expect(owner.panel.get_by_role("button", name="ACTIVATE", exact=True)).to_be_disabled()
    await owner.tick()
    await owner.press("ACTIVATE LATER")
    await owner.sees("Left inactive: Market maker")


@pytest.mark.prove
async def test_without_javascript_going_back_does_not_bring_the_secret_back(cast: Cast, visitors: Visitors) -> None:
    page = await visitors.come(cast.owner, java_script_enabled=False)
    owner = Management(page, cast.owner)
    await owner.open()
    await owner.to_secret("Market maker")
    secret = await owner.secret()
    await owner.tick()
    await owner.press("ACTIVATE LATER")
    await owner.sees("Left inactive: Market maker")

    assert secret not in await page.content()
    with pytest.raises(PlaywrightError, match="ERR_CACHE_MISS"):
        await page.go_back()
