"""Each article, followed in the browser step by step; the labels are the articles'."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.management import FIVE_MINUTES, LEVELS, TWO_MINUTES, Management
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.fix import active_fix, decide, decided

ANY_MOMENT = re.compile(r"4:\d\d|5:00")


async def test_how_to_create_an_api_key(page: Page, cast: Cast, visitors: Visitors) -> None:
    bare = Management(page, cast.bare_owner)
    await visitors.sign_in(page, cast.bare_owner)
    await bare.open()
    await bare.press_on_page("+ NEW API KEY")
    await bare.sees("Two-Factor Authentication")
    await expect(bare.panel.get_by_role("link", name="Enable two-factor authentication")).to_have_attribute(
        "href", re.compile("/settings/security$")
    )
    await bare.press("Cancel")
    await expect(bare.dialog).to_be_hidden()

    owner = Management(await visitors.come(cast.sms_owner), cast.sms_owner)
    await owner.open()
    await owner.press_on_page("+ NEW API KEY")
    await owner.sees("New API Key")
    levels = [owner.panel.get_by_role("checkbox", name=level, exact=True) for level in LEVELS]
    await expect(levels[0]).to_be_checked()
    await expect(levels[0]).to_be_disabled()
    for level in levels[1:]:
        await expect(level).to_be_enabled()
        await expect(level).not_to_be_checked()
    await owner.panel.get_by_label("API Key name").fill("Market maker")
    await owner.choose_levels("Trade", "Funds Wallet")
    understood = owner.panel.locator("#understood")
    await expect(understood).to_contain_text("could move funds from any IP address")
    await owner.panel.get_by_label("Whitelist your IP addresses").fill(
        "203.0.113.7; 2001:db8::1,198.51.100.0/24 203.0.113.7"
    )
    await expect(understood).to_contain_text("Understood as 3 entries")
    await expect(understood).not_to_contain_text("could move funds")
    await owner.press("CREATE API Key")

    flow = await owner.asked_for_code()
    first = await flow.code()
    await expect(owner.panel.locator(".window .countdown").first).to_have_text(ANY_MOMENT)
    await expect(owner.panel.get_by_role("button", name="Resend")).to_be_hidden()
    await owner.let_code_age(flow, TWO_MINUTES)
    await owner.press("Resend")
    await expect(owner.panel.get_by_role("button", name="Resend")).to_be_hidden()
    await flow.until(lambda shown: shown["delivery"] == "sent")
    assert len(cast.providers.texts_to(cast.sms_owner.phone)) == 2
    await owner.let_code_age(flow, FIVE_MINUTES)
    await expect(owner.panel).to_contain_text("The code has expired. Request a new one.")
    await owner.enter(first)
    await expect(owner.panel.get_by_role("alert")).to_contain_text("The code has run out")
    await owner.press("Resend")
    await expect(owner.panel).to_contain_text("The code expires in")
    await owner.enter_two_factor(flow)

    await owner.sees("Save your API Secret")
    await owner.tick()
    await owner.press("ACTIVATE LATER")
    await owner.sees("Left inactive: Market maker")
    await expect(owner.panel).to_contain_text("You can activate it later")
    await owner.press("Done")
    await owner.has_status("Market maker", "Inactive")
    await expect(owner.row("Market maker")).to_contain_text("Funds Wallet")
    await expect(owner.row("Market maker")).to_contain_text("+ 1 more")


@pytest.mark.prove
async def test_how_to_activate_an_api_key(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    flow = await owner.to_secret("Market maker", "Trade")

    # Activation of a new key: both ways stay shut until the secret is acknowledged.
    for label in ("API Key", "API Secret"):
        await expect(owner.panel.locator(f"[data-label='{label}']")).to_be_visible()
    choices = [owner.panel.get_by_role("button", name=name, exact=True) for name in ("ACTIVATE", "ACTIVATE LATER")]
    for choice in choices:
        await expect(choice).to_be_disabled()
    await owner.tick()
    for choice in choices:
        await expect(choice).to_be_enabled()
    await choices[0].click()
    await owner.sees("Confirm the activation by email")
    [first] = await flow.sent_codes("email")
    await expect(owner.panel.get_by_role("button", name="Resend")).to_be_hidden()
    await owner.let_code_age(flow, TWO_MINUTES)
    await expect(owner.panel.get_by_role("button", name="Resend")).to_be_visible()
    await owner.let_code_age(flow, FIVE_MINUTES - TWO_MINUTES)
    await expect(owner.panel).to_contain_text("The code has expired. Request a new one.")
    await owner.enter(first, button="Activate")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("The code has run out")
    await owner.press("Resend")
    await expect(owner.panel).to_contain_text("The code expires in")
    await owner.enter_mailed(flow)
    await owner.sees("Active: Market maker")
    await expect(owner.panel.get_by_role("status")).to_contain_text("The API key is active and can be used.")
    await owner.press("Done")
    await owner.has_status("Market maker", "Active")

    # Activation of an inactive key.
    await cast.second_owner.inactive_api_key("Night bot", ip_whitelist="203.0.113.7")
    await owner.open()
    row = owner.row("Night bot")
    await row.get_by_role("link", name="Activate Night bot", exact=True).click()
    await owner.sees("Activate Night bot")
    for told in ("Night bot", "Trade", "203.0.113.7", "Inactive"):
        await expect(owner.panel.locator(".facts")).to_contain_text(told)
    await owner.press("Activate Later")
    await expect(owner.dialog).to_be_hidden()
    await owner.has_status("Night bot", "Inactive")
    await row.get_by_role("link", name="Activate Night bot", exact=True).click()
    await owner.press("Activate")
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.sees("Active: Night bot")
    await owner.press("Done")
    await owner.has_status("Night bot", "Active")


async def test_how_to_edit_an_api_key(page: Page, cast: Cast, visitors: Visitors) -> None:
    await cast.owner.active_api_key("Market maker", ip_whitelist="203.0.113.7")
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    edit = owner.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True)

    # Save and Cancel appear with the acknowledgement, and Cancel discards everything.
    await edit.click()
    await owner.sees("Edit Market maker")
    read = owner.panel.get_by_role("checkbox", name="Read", exact=True)
    await expect(read).to_be_checked()
    await expect(read).to_be_disabled()
    await owner.choose_levels("Funds Internal")
    whitelist = owner.panel.get_by_label("Whitelist your IP addresses")
    await whitelist.fill("203.0.113.8")
    changes = owner.panel.locator("#understood")
    for told in ("Adds Funds Internal", "Removes Trade", "Allows 203.0.113.8", "No longer allows 203.0.113.7"):
        await expect(changes).to_contain_text(told)
    buttons = [owner.panel.get_by_role("button", name=name, exact=True) for name in ("Save", "Cancel")]
    for button in buttons:
        await expect(button).to_be_hidden()
    await owner.tick()
    for button in buttons:
        await expect(button).to_be_visible()
    await buttons[1].click()
    await expect(owner.dialog).to_be_hidden()
    await edit.click()
    await expect(whitelist).to_have_value("203.0.113.7")

    # Save: two-factor code (Resend, expiry), then Activate by email.
    await owner.choose_levels("Trade", "Funds Internal")
    await owner.tick()
    await owner.press("Save")
    flow = await owner.asked_for_code()
    await owner.has_status("Market maker", "Active")
    await expect(owner.panel.get_by_role("button", name="Resend")).to_be_hidden()
    await flow.until(lambda shown: shown["delivery"] == "sent")
    await owner.let_code_age(flow, FIVE_MINUTES)
    await expect(owner.panel).to_contain_text("The code has expired. Request a new one.")
    await owner.press("Resend")
    await expect(owner.panel).to_contain_text("The code expires in")
    await owner.enter_two_factor(flow)
    await owner.sees("Activate Market maker?")
    await expect(owner.panel).to_contain_text("the key is deactivated")
    await owner.press("Activate")
    await owner.enter_mailed(flow)
    await owner.sees("Active: Market maker")
    await owner.press("Done")
    await owner.has_status("Market maker", "Active")
    await expect(owner.row("Market maker")).to_contain_text("Funds Internal")


@pytest.mark.prove
async def test_how_to_edit_an_api_key_and_activate_it_later(page: Page, cast: Cast, visitors: Visitors) -> None:
    await cast.owner.active_api_key("Market maker")
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await owner.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
    await owner.choose_levels()
    await owner.tick()
    await owner.press("Save")
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.press("Activate Later")
    await owner.sees("Left inactive: Market maker")
    await owner.press("Done")
    await owner.has_status("Market maker", "Inactive")
    await expect(owner.row("Market maker").locator(".tags").first).to_have_text("Read")


@pytest.mark.prove
async def test_how_to_create_and_manage_fix_credentials(page: Page, cast: Cast, visitors: Visitors) -> None:
    bare = Management(page, cast.bare_owner)
    await visitors.sign_in(page, cast.bare_owner)
    await bare.open()
    await bare.press_on_page("+ NEW FIX CREDENTIALS")
    await bare.sees("Two-Factor Authentication")
    await bare.press("Cancel")

    # Interrupted when the code is five minutes old.
    owner = Management(await visitors.come(cast.sms_owner), cast.sms_owner)
    await owner.open()
    await owner.press_on_page("+ NEW FIX CREDENTIALS")
    await owner.press(re.compile("FOR TRADE SESSION"))
    flow = await owner.asked_for_code()
    await flow.code()
    await owner.let_code_age(flow, FIVE_MINUTES)
    await owner.sees("Time ran out")
    await expect(owner.panel).to_contain_text("the creation was interrupted")
    await owner.press("Done")
    await expect(owner.page.locator("#lists")).to_contain_text("No FIX credentials yet.")

    # Created, and activated by the account manager.
    await owner.press_on_page("+ NEW FIX CREDENTIALS")
    await owner.press(re.compile("FOR MARKET DATA SESSION"))
    flow = await owner.asked_for_code()
    await owner.enter_two_factor(flow)
    await owner.sees("Save your Password")
    for label in ("Session Name", "Username", "Password"):
        await expect(owner.panel.locator(f"[data-label='{label}']")).to_have_text(re.compile(r"\S{8,}"))
    name = await owner.panel.locator("[data-label='Session Name']").inner_text()
    choices = [owner.panel.get_by_role("button", name=label, exact=True) for label in ("ACTIVATE", "ACTIVATE LATER")]
    for choice in choices:
        await expect(choice).to_be_disabled()
    await owner.tick()
    await expect(choices[1]).to_be_enabled()
    await choices[0].click()
    await owner.sees("FIX Credentials created")
    await expect(owner.panel.locator(".quote code")).to_have_text(name)
    await owner.has_status(name, "Awaiting activation")

    manager = Management(await visitors.come(cast.account_manager), cast.account_manager)
    await manager.page.goto("/account-manager")
    await manager.row(name).get_by_role("link", name=f"Decide on {name}", exact=True).click()
    await manager.press("Activate…")
    await manager.sees(f"Activate {name}?")
    await manager.press("Activate")
    await manager.sees(f"Activated: {name}")
    await owner.sees(f"Active: {name}")  # by itself
    await owner.has_status(name, "Active")
    await owner.press("Done")


@pytest.mark.prove
async def test_how_to_deactivate_fix_credentials(page: Page, cast: Cast, visitors: Visitors) -> None:
    name = (await active_fix(cast, cast.sms_owner, "market_data"))["session_name"]
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    deactivate = owner.row(name).get_by_role("link", name=f"Deactivate {name}", exact=True)
    await deactivate.click()
    for told in (name, "Market data session", "Active"):
        await expect(owner.panel.locator(".facts")).to_contain_text(told)
    await owner.press("Cancel")
    await owner.has_status(name, "Active")
    await deactivate.click()
    await owner.press("Deactivate")
    await owner.sees(f"Deactivated: {name}")
    await expect(owner.panel.get_by_role("status")).to_contain_text("inactive")
    await owner.press("Done")
    await owner.has_status(name, "Inactive")


@pytest.mark.prove
async def test_how_to_have_inactive_fix_credentials_activated(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    await owner.press_on_page("+ NEW FIX CREDENTIALS")
    await owner.press(re.compile("FOR TRADE SESSION"))
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.tick()
    name = await owner.panel.locator("[data-label='Session Name']").inner_text()
    await owner.press("ACTIVATE LATER")
    await owner.sees(f"Left inactive: {name}")
    await expect(owner.panel).to_contain_text(f"contact your account manager and quote the Session Name {name}")
    await owner.press("Done")

    await owner.row(name).get_by_role("link", name=f"Activate {name}", exact=True).click()
    await expect(owner.panel).to_contain_text("contact the account manager and quote the Session Name")
    await owner.press("Activate")
    await owner.sees("Activation asked for")
    decided(await decide(cast.account_manager, name))
    await owner.look_again()
    await owner.sees(f"Active: {name}")
    await owner.press("Done")
    await owner.has_status(name, "Active")


@pytest.mark.prove
async def test_creating_an_api_key_for_a_trading_bot(page: Page, cast: Cast, visitors: Visitors) -> None:
    owner = Management(page, cast.owner)
    await visitors.sign_in(page, cast.owner)
    await owner.open()
    await owner.press_on_page("+ NEW API KEY")
    await owner.panel.get_by_label("API Key name").fill("Gunbot_Trading")
    await owner.choose_levels("Funds External")
    for told in ("Account balance", "Open orders", "Place order", "Cancel order", "Withdrawal"):
        await expect(owner.panel.locator(".levels")).to_contain_text(told)
    await owner.press(re.compile("Give it what a bot needs"))
    for level in LEVELS:
        box = owner.panel.get_by_role("checkbox", name=level, exact=True)
        await expect(box).to_be_checked(checked=level in {"Read", "Trade"})
    await owner.panel.get_by_label("Whitelist your IP addresses").fill("203.0.113.7")
    await owner.press("CREATE API Key")
    flow = await owner.asked_for_code()
    await owner.enter_two_factor(flow)
    await owner.tick()
    await owner.press("ACTIVATE")
    await owner.sees("Confirm the activation by email")

    # Opening the link from the mail activates nothing; its button does.
    [token] = await flow.link_tokens()
    mail = Management(await page.context.new_page(), cast.owner)
    await mail.page.goto(f"/activate/{flow.id}#{token}")
    await mail.sees("Activate Gunbot_Trading?")
    assert token not in mail.page.url
    assert await flow.step() == "activation_code"
    await mail.press("Activate")
    await mail.sees("Active: Gunbot_Trading")
    await owner.look_again()
    await owner.sees("Active: Gunbot_Trading")
    for panel in (mail.panel, owner.panel):
        await expect(panel.locator(".facts")).to_contain_text("203.0.113.7")
        await expect(panel.locator(".review")).to_contain_text("Trade: Place, change and cancel orders.")
        await expect(panel.locator(".review")).not_to_contain_text("Withdraw")
