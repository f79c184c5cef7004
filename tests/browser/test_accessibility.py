"""Everyone can use the pages: with a screen reader, a keyboard alone, a narrow window, large letters, any script."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.accessibility import fits, inspect
from tests.browser.management import ADDRESS, FIVE_MINUTES, Management, age_codes
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.fix import name_of, waiting_for_manager
from tests.support.rows import change

NAMES = (
    "Handelsschlüssel für München",
    "取引ボット一号",
    "روبوت التداول",
    "Unbreakable" * 5 + "ABCDEFGHI",
    '<b onclick="alert(1)">&amp;',
)
_ALL_THE_WAY_ROUND = 16
_IN_THE_DIALOG = "document.activeElement.closest('#window') !== null"


async def test_creating_an_api_key(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await inspect(page)
    await owner.fill_new_key("Market maker", "Funds External", whitelist="nonsense 999.1.1.1")
    await owner.press("CREATE API Key")
    await expect(owner.panel.get_by_role("alert")).to_be_visible()
    await inspect(page)
    await owner.panel.get_by_label("Whitelist your IP addresses").fill("")
    await expect(owner.panel.locator("#understood")).to_contain_text("could move funds")
    await inspect(page)
    await owner.press("CREATE API Key")
    flow = await owner.asked_for_code()
    await inspect(page)
    await owner.enter("000000")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("Tries left: 4.")
    await inspect(page)
    await age_codes(flow, FIVE_MINUTES)
    await owner.open()
    await inspect(page)
    await page.get_by_role("link", name="Resume").click()
    await expect(owner.panel).to_contain_text("The code has expired.")
    await inspect(page)
    await owner.press("Cancel this request…")
    await owner.sees("Cancel this request?")
    await inspect(page)
    await owner.press("Go back")
    await owner.press("Resend")
    await expect(owner.panel).to_contain_text("The code expires in")
    await owner.enter_two_factor(flow)
    await owner.sees("Save your API Secret")
    await inspect(page)
    await page.keyboard.press("Escape")
    await expect(owner.panel.locator(".guard")).to_be_visible()
    await inspect(page)
    await owner.press("Close anyway")
    await page.get_by_role("link", name="Resume").click()
    await owner.sees("Create API key")
    await inspect(page)
    await owner.press("Show it again")
    await owner.tick()
    await owner.press("ACTIVATE")
    await owner.sees("Confirm the activation by email")
    await inspect(page)
    await owner.enter_mailed(flow)
    await owner.sees("Active: Market maker")
    await inspect(page)


@pytest.mark.prove
async def test_a_key_that_exists(page: Page, cast: Cast, visitors: Visitors) -> None:
    key = await cast.owner.active_api_key("Market maker", permissions=["trade", "funds_external"])
    for outcome in ("allowed", "ip_not_allowed"):
        await change(
            cast.core,
            """INSERT INTO credential_activity (credential_id, outcome, day, count, last_at, last_ip)
               VALUES (%s, %s, current_date, 1204, now(), '2001:db8:85a3:8d3:1319:8a2e:370:7348')""",
            key,
            outcome,
        )
    await cast.owner.inactive_api_key("Night bot", ip_whitelist="203.0.113.7 2001:db8::/48 198.51.100.0/24")
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await inspect(page)
    await owner.row("Market maker").get_by_role("link", name="Market maker", exact=True).click()
    await owner.sees("Market maker")
    await expect(owner.panel).to_contain_text("Denied: IP address not on the whitelist")
    await inspect(page)
    await owner.press("Close")
    await owner.row("Night bot").get_by_role("link", name="Activate Night bot", exact=True).click()
    await owner.sees("Activate Night bot")
    await inspect(page)
    await owner.press("Activate Later")
    await owner.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
    await owner.choose_levels("Funds External", "Funds Wallet")
    await owner.tick()
    await expect(owner.panel).to_contain_text("Adds Funds Wallet")
    await inspect(page)
    await owner.press("Save")
    flow = await owner.asked_for_code()
    await owner.enter_two_factor(flow)
    await owner.sees("Activate Market maker?")
    await inspect(page)
    await page.keyboard.press("Escape")
    await owner.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
    await owner.sees("Unfinished: Market maker")
    await inspect(page)
    await owner.press("Close")
    await owner.row("Market maker").get_by_role("link", name="Deactivate Market maker", exact=True).click()
    await owner.sees("Deactivate Market maker?")
    await inspect(page)
    await owner.press("Deactivate")
    await owner.sees("Deactivated: Market maker")
    await inspect(page)
    await page.goto(f"/settings/requests/{flow.id}")
    await owner.sees("Ended by a deactivation")
    await inspect(page)
    await page.goto(f"{ADDRESS}?q=nothing-like-that")
    await inspect(page)


@pytest.mark.prove
async def test_fix_credentials_and_the_account_manager(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await owner.press_on_page("+ NEW FIX CREDENTIALS")
    await owner.sees("New FIX Credentials")
    await inspect(page)
    await owner.press(re.compile("FOR TRADE SESSION"))
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.sees("Save your Password")
    await inspect(page)
    await owner.tick()
    await owner.press("ACTIVATE")
    await owner.sees("FIX Credentials created")
    await inspect(page)
    await owner.press("Done")
    name = await owner.page.locator("#lists .name.mono").inner_text()
    await inspect(page)

    manager = Management(await visitors.come(cast.account_manager), cast.account_manager)
    await manager.page.goto(f"/account-manager?q={name[:4]}")
    await inspect(manager.page)
    await manager.row(name).get_by_role("link", name=f"Decide on {name}", exact=True).click()
    await manager.sees(name)
    await inspect(manager.page)
    await manager.press("Reject…")
    await manager.sees(f"Reject {name}?")
    await manager.panel.get_by_label("Reason").fill("Not on the list of sessions.")
    await inspect(manager.page)
    await manager.press("Reject")
    await manager.sees(f"Rejected: {name}")
    await inspect(manager.page)
    await page.goto(ADDRESS)
    await owner.row(name).get_by_role("link", name=name, exact=True).click()
    await expect(owner.panel.locator(".timeline")).to_contain_text("Not on the list of sessions.")
    await inspect(page)


@pytest.mark.parametrize(
    ("who", "address"),
    [
        (None, "/sign-in"),
        ("owner", "/settings/security"),
        ("owner", "/settings/sessions"),
        ("account_manager", "/account-manager"),
        *(
            pytest.param(*visit, marks=pytest.mark.prove)
            for visit in [
                (None, "/signed-out"),
                ("owner", "/signed-in"),
                ("owner", "/nowhere"),
                ("member", ADDRESS),
                ("plain_owner", ADDRESS),
                ("unassigned_manager", "/account-manager"),
                ("ops", "/ops/requests"),
                (None, "/local/messages"),
            ]
        ),
    ],
)
async def test_pages_of_their_own(cast: Cast, visitors: Visitors, who: str | None, address: str) -> None:
    page = await visitors.come(getattr(cast, who) if who else None)
    await page.goto(address)

    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await inspect(page)


@pytest.mark.prove
async def test_dialogs_about_what_stands_in_the_way(page: Page, cast: Cast, visitors: Visitors) -> None:
    visitors.watch.announce("Status Error Code 401")
    bare = Management(page, cast.bare_owner)
    await visitors.sign_in(page, cast.bare_owner)
    await bare.open()
    await bare.press_on_page("+ NEW API KEY")
    await bare.sees("Two-Factor Authentication")
    await inspect(page)
    await bare.press("Cancel")
    await change(cast.core, "DELETE FROM sessions WHERE user_id = %s", cast.bare_owner.id)
    await bare.press_on_page("+ NEW API KEY")
    await expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    await inspect(page)


async def _tab_to(wanted: Locator, *, at_most: int = 40) -> None:
    """Press Tab until the focus is there."""
    for _ in range(at_most):
        if await wanted.evaluate("each => each === document.activeElement"):
            return
        await wanted.page.keyboard.press("Tab")
    pytest.fail(f"Not reached with Tab: {wanted}")


async def test_the_focus_stays_in_a_dialog_and_returns_to_where_it_came_from(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner, keys = Management(page, cast.owner), page.keyboard
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    await keys.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await keys.press("Enter")
    opener = page.get_by_role("link", name="+ NEW API KEY")
    await _tab_to(opener)
    await keys.press("Enter")
    await expect(owner.panel.get_by_label("API Key name")).to_be_focused()

    for _ in range(_ALL_THE_WAY_ROUND):
        await keys.press("Tab")
        assert await page.evaluate("[document.body, null].includes(document.activeElement) || " + _IN_THE_DIALOG)
    await keys.press("Escape")
    await expect(owner.dialog).to_be_hidden()
    await owner.is_back()
    await expect(opener).to_be_focused()


async def test_an_api_key_is_made_with_the_keyboard_alone(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner, keys = Management(page, cast.owner), page.keyboard
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    opener = page.get_by_role("link", name="+ NEW API KEY")
    await _tab_to(opener)
    await keys.press("Enter")
    await expect(owner.panel.get_by_label("API Key name")).to_be_focused()
    await keys.type("Market maker")
    await _tab_to(owner.panel.get_by_label("Trade", exact=True))
    await keys.press("Space")
    whitelist = owner.panel.get_by_label("Whitelist your IP addresses")
    await _tab_to(whitelist)
    await keys.type("999.1.1.1")
    await _press_with_enter(owner, "CREATE API Key")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("999.1.1.1")
    await expect(whitelist).to_be_focused()
    await keys.press("ControlOrMeta+a")
    await keys.type("203.0.113.7")
    await _press_with_enter(owner, "CREATE API Key")
    flow = await owner.asked_for_code()
    await _type_code(owner, "000000")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("Tries left: 4.")
    await _type_code(owner, await flow.code())
    await owner.sees("Save your API Secret")
    await expect(owner.panel.locator("#dialog-title")).to_be_focused()
    await _tab_to(owner.panel.get_by_role("button", name="Copy API Secret"))
    await _tab_to(owner.panel.locator("#saved"))
    await keys.press("Space")
    await _press_with_enter(owner, "ACTIVATE")
    await owner.sees("Confirm the activation by email")
    await _type_code(owner, await flow.code())
    await owner.sees("Active: Market maker")
    await _press_with_enter(owner, "Done")
    await expect(opener).to_be_focused()


async def _press_with_enter(owner: Management, name: str) -> None:
    await _tab_to(owner.panel.get_by_role("button", name=name, exact=True))
    await owner.page.keyboard.press("Enter")


async def _type_code(owner: Management, code: str) -> None:
    await expect(owner.panel.locator("#code")).to_be_focused()
    await owner.page.keyboard.type(code)
    await owner.page.keyboard.press("Enter")


@pytest.mark.prove
async def test_focus_returns_to_the_row_though_its_list_has_changed(page: Page, cast: Cast, visitors: Visitors) -> None:
    await cast.owner.active_api_key("Market maker")
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    see = owner.row("Market maker").get_by_role("link", name="Market maker", exact=True)
    await see.press("Enter")
    await owner.sees("Market maker")
    await cast.second_owner.inactive_api_key("Another")
    await owner.look_again()
    await expect(owner.row("Another")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(see).to_be_focused()

    # The button that was pressed is gone from the list: the focus goes to the content, not to nowhere.
    await owner.row("Market maker").get_by_role("link", name="Deactivate Market maker", exact=True).press("Enter")
    await owner.press("Deactivate")
    await owner.press("Done")
    await expect(page.locator("#main")).to_be_focused()


@pytest.mark.prove
async def test_names_in_any_script_break_nothing(page: Page, cast: Cast, visitors: Visitors) -> None:
    for name in NAMES:
        await cast.second_owner.begin("/api-keys", {"name": name, "permissions": ["trade"], "ip_whitelist": ""})
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    for name in NAMES:
        card = page.get_by_role("listitem").filter(has_text=name)
        await expect(card.locator("strong")).to_have_text(name)
    await fits(page)
    await page.get_by_role("link", name=re.compile("Unbreakable")).first.click()
    await expect(owner.panel).to_contain_text("Unbreakable")
    await inspect(page)
    await owner.press("Cancel this request…")
    await owner.press("Cancel the request")
    await owner.sees("Cancelled")
    await fits(page)


@pytest.mark.prove
async def test_times_and_statuses_are_words_and_not_colours_alone(page: Page, cast: Cast, visitors: Visitors) -> None:
    await cast.owner.inactive_api_key("Night bot")
    waiting = await waiting_for_manager(cast.owner)
    await visitors.sign_in(page, cast.owner)
    await page.goto(ADDRESS)

    statuses = await page.locator(".status").all_inner_texts()
    times = await page.locator("td time").all_inner_texts()
    assert statuses == ["Inactive", "Awaiting activation"]
    assert len(times) == 4
    assert all(re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC", each) for each in times)
    await expect(page.locator(".unfinished")).to_contain_text("Waits for your account manager")
    await expect(page.get_by_role("row").filter(has_text=await name_of(waiting))).to_contain_text("Trade session")
