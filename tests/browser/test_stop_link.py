"""The link "This wasn't me" in a browser that nobody signed in to."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import Page, expect

from countersign.domain.messages import Actor, ActorKind
from countersign.effects.people import UserChange, change_user
from tests.browser.accessibility import inspect
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.stops import ASKED, link_to

FUNDS = {"permissions": ["trade", "funds_external"], "ip_whitelist": "203.0.113.7"}


async def test_a_reader_of_the_mail_stops_a_creation_with_one_press(page: Page, cast: Cast) -> None:
    flow = await cast.owner.create_api_key("Market maker", **FUNDS)
    link_id, token = await link_to(cast.second_owner, ASKED)

    await page.goto(f"/stop/{link_id}#{token}")
    await expect(page.get_by_role("button", name="This wasn't me: stop it")).to_be_visible()
    assert token not in page.url
    assert await flow.step() == "two_factor_code"
    await inspect(page)
    await page.get_by_role("button", name="This wasn't me: stop it").click()

    await expect(page.get_by_role("heading", name="Stopped")).to_be_visible()
    await inspect(page)
    assert await flow.outcome() == "cancelled"


async def test_without_scripts_the_page_says_how_to_stop_it_otherwise(visitors: Visitors, cast: Cast) -> None:
    await cast.owner.create_api_key("Market maker", **FUNDS)
    link_id, token = await link_to(cast.owner, ASKED)
    page = await visitors.come(java_script_enabled=False)

    await page.goto(f"/stop/{link_id}#{token}")

    await expect(page.get_by_role("link", name="Go to your keys")).to_be_visible()
    await expect(page.get_by_role("button", name="This wasn't me: stop it")).to_be_hidden()


@pytest.mark.prove
async def test_a_hold_is_told_in_the_form_and_in_the_list(visitors: Visitors, cast: Cast) -> None:
    change = UserChange(phone="+442079460123")
    await change_user(cast.core.desk, cast.owner.id, change, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))
    await cast.owner.active_api_key("Market maker", **FUNDS)
    page = await visitors.come(cast.owner)

    await page.goto("/settings/api-keys")
    await expect(page.get_by_text("Funds begin")).to_be_visible()
    await page.get_by_role("link", name="+ NEW API KEY").click()

    await expect(page.get_by_text("Because your phone number was changed on")).to_be_visible()
    await inspect(page)
