"""What stands in an open dialog stays there, whatever goes wrong at the server or happens in another tab."""

from collections.abc import Callable
from typing import NoReturn

import pytest
from playwright.async_api import Page, expect

from api.pages.viewing import Viewed
from countersign.domain.errors import Unavailable
from countersign.storage import sessions
from tests.browser.management import ADDRESS, Management, open_requests
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.security import also_owner_of

FAULTS: dict[str, tuple[Exception, tuple[str, ...]]] = {
    "503": (Unavailable(), ("answer 503",)),
    "500": (RuntimeError("493817"), ("answer 500", "Status Error Code 500")),
}
_LET_THE_TOAST_GO = "document.querySelectorAll('.toast').forEach((toast) => { toast.textContent = '' })"


@pytest.fixture
async def owner(page: Page, cast: Cast, visitors: Visitors) -> Management:
    await visitors.sign_in(page, cast.owner)
    opened = Management(page, cast.owner)
    await opened.open()
    return opened


def failing(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "announced"),
    [pytest.param(*fault, id=name, marks=[pytest.mark.prove] * (name != "503")) for name, fault in FAULTS.items()],
)
async def test_the_secret_stays_when_activate_goes_wrong(
    owner: Management,
    visitors: Visitors,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    announced: tuple[str, ...],
) -> None:
    for part in announced:
        visitors.watch.announce(part)
    await owner.to_secret("Market maker", "Trade")
    secret = await owner.secret()
    async with owner.page.expect_response("**/secret-saved"):
        await owner.tick()

    with monkeypatch.context() as broken:
        broken.setattr(Viewed, "send", failing(error))
        await owner.press("ACTIVATE")
        await expect(owner.dialog.locator(".toast")).to_contain_text("lost")
    await owner.sees("Save your API Secret")
    assert await owner.secret() == secret

    await owner.press("ACTIVATE")
    await owner.sees("Confirm the activation by email")


@pytest.mark.prove
async def test_back_asks_before_a_secret_is_lost_and_goes_when_it_is_pressed_again(owner: Management) -> None:
    await owner.to_secret("Market maker", "Trade")
    secret = await owner.secret()

    await owner.page.go_back()
    await expect(owner.panel.locator(".guard")).to_contain_text("You have not said yet that it is saved.")
    await expect(owner.panel.get_by_role("button", name="Keep it open")).to_be_focused()
    assert await owner.secret() == secret
    await owner.press("Keep it open")
    await expect(owner.panel.locator(".guard")).to_be_hidden()
    await owner.page.go_back()
    await expect(owner.panel.locator(".guard")).to_be_visible()
    await owner.page.go_back()

    await expect(owner.dialog).to_be_hidden()
    assert owner.page.url.endswith(ADDRESS)
    assert secret not in await owner.page.content()
    await owner.is_back()
    await owner.page.get_by_role("link", name="Resume").click()
    await owner.press("Show it again")
    await owner.tick()
    await owner.page.go_back()
    await expect(owner.dialog).to_be_hidden()


async def test_a_form_acts_for_the_account_it_was_opened_for_or_not_at_all(owner: Management, cast: Cast) -> None:
    await also_owner_of(cast.owner, cast.outsider)
    await owner.open()
    await owner.fill_new_key("Market maker", "Trade", whitelist="203.0.113.7")
    other = await owner.page.context.new_page()
    await other.goto(ADDRESS)
    await other.get_by_label("Account", exact=True).select_option("Away")
    await other.get_by_role("button", name="Switch").click()
    await expect(other.locator(".who-account")).to_have_text("Away")
    await owner.page.bring_to_front()

    await owner.press("CREATE API Key")

    await expect(owner.dialog.locator(".toast")).to_contain_text("You now act for Away")
    await expect(owner.panel.get_by_label("API Key name")).to_have_value("Market maker")
    assert await open_requests(cast.owner) == 0
    await other.get_by_label("Account", exact=True).select_option("Home")
    await other.get_by_role("button", name="Switch").click()
    await expect(other.locator(".who-account")).to_have_text("Home")
    await owner.press("CREATE API Key")
    await owner.asked_for_code()


@pytest.mark.prove
async def test_without_javascript_it_can_be_sent_once_the_account_is_switched_back(
    cast: Cast, visitors: Visitors
) -> None:
    await also_owner_of(cast.owner, cast.outsider)
    owner = Management(await visitors.come(cast.owner, java_script_enabled=False), cast.owner)
    await owner.open()
    await owner.fill_new_key("Market maker", "Trade", whitelist="203.0.113.7")
    other = await owner.page.context.new_page()
    await other.goto(ADDRESS)
    await other.get_by_label("Account", exact=True).select_option("Away")
    await other.get_by_role("button", name="Switch").click()
    await expect(other.locator(".who-account")).to_have_text("Away")
    await owner.press("CREATE API Key")
    await expect(owner.page.get_by_role("heading", level=1)).to_contain_text("opened for another account")

    async with owner.page.context.expect_page() as opening:
        await owner.page.get_by_role("button", name="Switch back to Home").click()
    await expect((await opening.value).locator(".who-account")).to_have_text("Home")
    await owner.page.get_by_role("button", name="Send it again").click()

    assert (await (await owner.asked_for_code()).shown())["ip_whitelist"] == ["203.0.113.7"]


async def test_the_box_for_a_recovery_code_stays_open_while_its_panel_looks_again(
    owner: Management, page: Page
) -> None:
    await page.goto("/settings/security")
    await owner.press_on_page("Turn off")
    await owner.press("Turn off")
    flow = await owner.asked_for_code()
    await owner.press("Phone or app lost? Use a recovery code")
    await owner.panel.get_by_label("Recovery code").fill("ABCD")
    assert (await flow.enter_code("000000")).status_code == 422

    await owner.look_again()

    await expect(owner.panel).to_contain_text("Tries left: 4.")
    await expect(owner.panel.get_by_label("Recovery code")).to_be_visible()
    await expect(owner.panel.get_by_label("Recovery code")).to_have_value("ABCD")
    await expect(owner.panel.get_by_label("Recovery code")).to_be_focused()


async def test_a_page_that_looks_for_news_says_once_that_the_database_is_down(
    cast: Cast, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors.watch.announce("answer 503")
    page = await visitors.come(cast.owner)
    await page.clock.install()
    await page.goto(ADDRESS)
    toast = page.locator("body > .toast")
    with monkeypatch.context() as broken:
        broken.setattr(sessions, "get", failing(Unavailable()))
        await _poll(page)
        await expect(toast).to_contain_text("does not answer")
        await page.evaluate(_LET_THE_TOAST_GO)
        await _poll(page)
        assert await toast.inner_text() == ""
    await _poll(page)
    with monkeypatch.context() as broken:
        broken.setattr(sessions, "get", failing(Unavailable()))
        await _poll(page)
        await expect(toast).to_contain_text("does not answer")


async def _poll(page: Page) -> None:
    """Let the page ask once whether anything has changed, and hear the answer."""
    await page.evaluate(
        "void (window.heard = new Promise((done) =>"
        " document.addEventListener('htmx:afterRequest', () => done(true), { once: true })))"
    )
    await page.clock.run_for(3000)
    assert await page.evaluate("window.heard")
