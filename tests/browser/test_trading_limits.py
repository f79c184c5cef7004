"""Trading limits in the browser: typed on any screen, with and without scripts, and read by everyone."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import inspect
from tests.browser.management import ADDRESS, Management
from tests.browser.visits import Visitors
from tests.support.cast import Cast

LIMITS = [{"asset": "BTC", "order_size": "1.5", "daily_volume": "10"}]
MANY = "\n".join(f"ASSET{number:05} order 12345678901234567890.123456789012345678 day 1" for number in range(20))


async def _with_the_form(page: Page, cast: Cast, visitors: Visitors) -> Management:
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await owner.fill_new_key("Bot", "Trade")
    return owner


async def test_limits_are_understood_while_they_are_typed_and_asked_for(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner = await _with_the_form(page, cast, visitors)
    limits, told = owner.panel.get_by_label("Trading limits"), owner.panel.locator("#understood")
    await limits.fill("btc order 1,5")
    await expect(told).to_contain_text("Not an amount like 10 or 0.25, with a point: btc order 1,5.")
    await limits.fill("btc order 1.5 day 10")
    await expect(told).to_contain_text("1.5 BTC an order, 10 BTC a day")

    await owner.press("CREATE API Key")

    flow = await owner.asked_for_code()
    assert (await flow.shown())["trading_limits"] == LIMITS


@pytest.mark.prove
async def test_an_edit_of_limits_alone_is_confirmed_and_activated(page: Page, cast: Cast, visitors: Visitors) -> None:
    await cast.owner.active_api_key("Bot", trading_limits=LIMITS)
    owner = Management(page, cast.sms_owner)
    await visitors.sign_in(page, cast.sms_owner)
    await owner.open()
    await expect(owner.row("Bot")).to_contain_text("Limits for BTC")
    await inspect(page)
    await owner.row("Bot").get_by_role("link", name="Edit Bot", exact=True).click()
    limits = owner.panel.get_by_label("Trading limits")
    await expect(limits).to_have_value("BTC order 1.5 day 10")
    await limits.fill("BTC order 2 day 10")
    await expect(owner.panel.locator("#understood")).to_contain_text("Limits trading to 2 BTC an order, 10 BTC a day")
    await owner.tick()
    await inspect(page)
    await owner.press("Save")
    flow = await owner.asked_for_code()
    await owner.enter_two_factor(flow)
    await owner.sees("Activate Bot?")
    await expect(owner.panel).to_contain_text("2 BTC an order, 10 BTC a day")
    await inspect(page)
    await owner.press("Activate")
    await owner.enter_mailed(flow)
    await owner.sees("Active: Bot")
    await expect(owner.panel).to_contain_text("2 BTC an order, 10 BTC a day")
    await inspect(page)
    await owner.press("Done")
    await owner.row("Bot").get_by_role("link", name="Deactivate Bot", exact=True).click()
    await owner.sees("Deactivate Bot?")
    await expect(owner.panel).to_contain_text("2 BTC an order, 10 BTC a day")
    await inspect(page)


@pytest.mark.prove
async def test_what_is_wrong_and_as_many_limits_as_there_may_be_fit_any_screen(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner = await _with_the_form(page, cast, visitors)
    limits, told = owner.panel.get_by_label("Trading limits"), owner.panel.locator("#understood")
    await limits.fill(f"{MANY}\nONE day 1\nnonsense {'x' * 80}")
    await owner.press("CREATE API Key")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("Not like BTC order 1.5 day 10: nonsense x")
    await expect(told).to_contain_text("The trading limits have entries that cannot stay.")
    await inspect(page)
    await limits.fill(MANY)
    await expect(told).to_contain_text("12345678901234567890.123456789012345678 ASSET00019 an order")
    await inspect(page)
    await owner.press("CREATE API Key")
    await owner.enter_two_factor(await owner.asked_for_code())
    await owner.sees("Save your API Secret")
    await page.goto(ADDRESS)
    await expect(owner.row("Bot")).to_contain_text("Limits for ASSET00000, ASSET00001, ASSET00002 + 17 more")
    await inspect(page)
    await owner.row("Bot").get_by_role("link", name="Bot", exact=True).click()
    await owner.sees("Bot")
    await inspect(page)


@pytest.mark.prove
async def test_limits_are_set_without_scripts(cast: Cast, visitors: Visitors) -> None:
    page = await visitors.come(cast.sms_owner, java_script_enabled=False)
    owner = Management(page, cast.sms_owner)
    await owner.open()
    await owner.fill_new_key("Bot", "Trade")
    await owner.panel.get_by_label("Trading limits").fill("BTC order 1.5 day 10\nbtc day 1")
    await owner.press("CREATE API Key")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("More than one limit of one asset: btc day 1.")
    await owner.panel.get_by_label("Trading limits").fill("BTC order 1.5 day 10")
    await owner.press("CREATE API Key")

    assert (await (await owner.asked_for_code()).shown())["trading_limits"] == LIMITS
