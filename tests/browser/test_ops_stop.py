"""Ops stop and freeze in a browser, on a phone too, and without any script."""

from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from countersign.domain.freezing import HouseFreeze
from tests.browser.accessibility import inspect
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.emergencies import house_frozen
from tests.support.rows import change, select

ADDRESS = "/ops/stop"
PHONE = {"width": 390, "height": 844}


async def ask(page: Page, what: str, which: str = "") -> None:
    await page.goto(ADDRESS)
    await page.get_by_label(what, exact=True).check()
    await page.get_by_label("Which one").fill(which)
    await page.get_by_role("button", name="See what it would stop").click()


async def press(page: Page, button: str, *, reason: str = "") -> None:
    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name=button).click()


@pytest.mark.prove
async def test_an_account_is_stopped_after_its_counts_were_seen(cast: Cast, visitors: Visitors) -> None:
    await cast.sms_owner.inactive_api_key("Market maker")
    account = cast.owner.account_id
    await change(cast.core, "UPDATE credentials SET status = 'active' WHERE account_id = %s", account)
    page = await visitors.come(cast.ops)
    await page.goto(ADDRESS)
    await inspect(page)
    await ask(page, "An account", f"nobody {uuid4()}")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such account")
    await inspect(page)

    await ask(page, "An account", str(account))
    await expect(page.get_by_role("heading", name="Stop all of Home?")).to_be_visible()
    await inspect(page)
    await press(page, "Stop the account", reason="Laptop stolen, ticket 7")

    await expect(page.get_by_role("status").last).to_contain_text("1 credential went off, 0 requests ended.")
    await inspect(page)
    found = await select(cast.core, "SELECT DISTINCT status FROM credentials WHERE account_id = %s", account)
    assert found == [("inactive",)]
    owner = await visitors.come(cast.owner)
    await owner.goto("/settings/api-keys")
    await expect(owner.get_by_text("is frozen for Home.")).to_be_visible()
    await inspect(owner)


@pytest.mark.parametrize("options", [{"viewport": PHONE}, {"java_script_enabled": False}], ids=["phone", "no-script"])
async def test_a_key_is_stopped_on_a_phone_and_without_a_script(
    cast: Cast, visitors: Visitors, options: dict[str, object]
) -> None:
    key = await cast.sms_owner.inactive_api_key("Market maker")
    await change(cast.core, "UPDATE credentials SET status = 'active' WHERE id = %s", key)
    page = await visitors.come(cast.ops, **options)

    await ask(page, "One key", key)
    await press(page, "Stop it", reason="On a forum")

    await expect(page.get_by_text("1 credential went off")).to_be_visible()
    assert await select(cast.core, "SELECT status FROM credentials WHERE id = %s", key) == [("inactive",)]


@pytest.mark.prove
async def test_everything_says_what_it_means_and_a_freeze_is_seen(cast: Cast, visitors: Visitors) -> None:
    page = await visitors.come(cast.ops)
    await ask(page, "Everything")
    await expect(page.get_by_label("To confirm, type how many")).to_be_visible()
    await inspect(page)
    async with house_frozen(cast.core.desk, HouseFreeze.ALL):
        await page.goto(ADDRESS)
        await expect(page.get_by_text("and so is what is open")).to_be_visible()
        await inspect(page)
        owner = await visitors.come(cast.owner)
        await owner.goto("/settings/api-keys")
        await expect(owner.get_by_text("issues no new credentials at present")).to_be_visible()
        await inspect(owner)
        await ask(page, "Thaw issuing")
        await inspect(page)
        await press(page, "Thaw", reason="All is well")
        await expect(page.get_by_text("is not frozen any more")).to_be_visible()
        await inspect(page)
    await ask(page, "Freeze issuing")
    await inspect(page)
