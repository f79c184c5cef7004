"""What goes wrong on the way costs nobody what was typed, and makes nothing twice."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.browser.management import ADDRESS, Management, open_requests
from tests.browser.visits import Visitors
from tests.support.cast import Cast, Person, Providers
from tests.support.rows import change, fill_account
from tests.support.site import Site, site_of
from tests.support.stage import Stage, set_stage

AT_ONCE = 20


@pytest.fixture
async def owner(page: Page, cast: Cast, visitors: Visitors) -> Management:
    await visitors.sign_in(page, cast.owner)
    opened = Management(page, cast.owner)
    await opened.open()
    return opened


async def _end_sessions(person: Person) -> None:
    await change(person.core, "DELETE FROM sessions WHERE user_id = %s", person.id)


async def test_a_session_that_ends_in_the_middle_costs_nothing_that_was_typed(
    owner: Management, visitors: Visitors
) -> None:
    visitors.watch.announce("Status Error Code 401")
    await owner.fill_new_key("Market maker", "Trade", "Funds Wallet", whitelist="203.0.113.7")
    # The page looks for news by itself and must not find out before the press.
    await owner.page.route("**/live*", lambda route: route.fulfill(status=204))
    await _end_sessions(owner.person)
    await owner.press("CREATE API Key")
    interruption = owner.page.get_by_role("dialog", name="Your session has ended")
    await expect(interruption).to_be_visible()
    async with owner.page.context.expect_page() as opening:
        await interruption.get_by_role("link", name="Sign in").click()
    assert (await opening.value).url.endswith("/sign-in?next=/signed-in")
    await visitors.sign_in(owner.page, owner.person)
    await interruption.get_by_role("button", name="Back to what I typed").click()

    await expect(owner.panel.get_by_label("API Key name")).to_have_value("Market maker")
    await expect(owner.panel.get_by_label("Funds Wallet")).to_be_checked()
    await expect(owner.panel.get_by_label("Whitelist your IP addresses")).to_have_value("203.0.113.7")
    await owner.press("CREATE API Key")
    shown = await (await owner.asked_for_code()).shown()
    assert (shown["name"], shown["ip_whitelist"]) == ("Market maker", ["203.0.113.7"])


@pytest.mark.prove
async def test_a_page_that_looks_for_news_says_once_that_its_session_has_ended(
    owner: Management, visitors: Visitors
) -> None:
    visitors.watch.announce("Status Error Code 401")
    await owner.fill_new_key("Market maker", "Trade")
    await _end_sessions(owner.person)
    interruption = owner.page.get_by_role("dialog", name="Your session has ended")
    await interruption.get_by_role("button", name="Back to what I typed").click()
    async with owner.page.expect_response("**/live*"):
        pass

    await expect(interruption).to_be_hidden()
    await owner.panel.get_by_label("API Key name").fill("Typed on")


@pytest.mark.prove
async def test_without_javascript_a_form_that_came_too_late_can_be_sent_again(cast: Cast, visitors: Visitors) -> None:
    owner = Management(await visitors.come(cast.owner, java_script_enabled=False), cast.owner)
    await owner.open()
    await owner.fill_new_key("Market maker", "Trade", whitelist="203.0.113.7")
    await _end_sessions(cast.owner)
    await owner.press("CREATE API Key")
    await expect(owner.page.get_by_role("heading", level=1)).to_have_text("Your session has ended")
    await visitors.sign_in(owner.page, cast.owner)
    await owner.page.get_by_role("button", name="Send it again").click()

    shown = await (await owner.asked_for_code()).shown()
    assert (shown["name"], shown["permissions"], shown["ip_whitelist"]) == (
        "Market maker",
        ["read", "trade"],
        ["203.0.113.7"],
    )


async def test_a_double_click_makes_one_request(owner: Management) -> None:
    await owner.fill_new_key("Market maker", "Trade")

    await owner.panel.get_by_role("button", name="CREATE API Key").dblclick()

    await owner.asked_for_code()
    assert await open_requests(owner.person) == 1


@pytest.mark.prove
async def test_one_form_sent_twenty_times_at_once_makes_one_request(owner: Management, site: Site) -> None:
    await owner.fill_new_key("Market maker", "Trade")
    key = await owner.panel.locator("input[name=key]").input_value()
    cookies = {each["name"]: each["value"] for each in await owner.page.context.cookies()}
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    form = {"name": "Market maker", "permissions": "trade", "ip_whitelist": "", "key": key}
    async with httpx.AsyncClient(base_url=site.url, cookies=cookies, headers=headers, timeout=30) as http:
        sent = await asyncio.gather(*(http.post(f"{ADDRESS}/new", data=form) for _ in range(AT_ONCE)))

    assert {each.status_code for each in sent} == {303}
    assert len({each.headers["location"] for each in sent}) == 1
    assert await open_requests(owner.person) == 1


@pytest.mark.prove
async def test_back_closes_an_open_dialog_and_stays_on_the_list(owner: Management) -> None:
    await owner.fill_new_key("Market maker", "Trade")

    await owner.page.go_back()

    await expect(owner.dialog).to_be_hidden()
    assert owner.page.url.endswith(ADDRESS)
    await owner.press_on_page("+ NEW API KEY")
    await owner.close()
    await owner.is_back()
    await owner.page.go_back()
    assert not owner.page.url.endswith(ADDRESS)


@pytest.mark.prove
async def test_a_request_that_one_tab_finishes_is_finished_in_the_other(owner: Management, cast: Cast) -> None:
    await cast.second_owner.inactive_api_key("Market maker")
    await owner.open()
    other = Management(await owner.page.context.new_page(), owner.person)
    await other.open()
    for tab in (other, owner):
        await tab.page.bring_to_front()
        await tab.row("Market maker").get_by_role("link", name="Activate Market maker", exact=True).click()
        await tab.sees("Activate Market maker")
    await owner.press("Activate")
    flow = await owner.asked_for_code()
    await other.page.bring_to_front()
    await other.press("Activate")
    await other.sees("Unfinished: Market maker")
    await other.press("Resume")
    await other.asked_for_code()
    await other.panel.locator("#code").fill("12")

    await owner.page.bring_to_front()
    await owner.enter_two_factor(flow)

    await owner.sees("Active: Market maker")
    await other.look_again()
    await other.sees("Active: Market maker")
    await other.has_status("Market maker", "Active")
    assert await open_requests(owner.person) == 0


@pytest.mark.prove
async def test_what_is_being_typed_survives_news_from_elsewhere(owner: Management, cast: Cast) -> None:
    flow = await owner.create_key("Market maker", "Trade")
    await owner.panel.locator("#code").fill("123")
    wrong = await flow.enter_code("000000")
    assert wrong.status_code == 422
    await owner.look_again()

    await expect(owner.panel).to_contain_text("Tries left: 4.")

    await expect(owner.panel.locator("#code")).to_have_value("123")
    await expect(owner.panel.locator("#code")).to_be_focused()


@pytest.mark.prove
async def test_two_tabs_that_edit_the_same_key_make_one_edit(owner: Management, cast: Cast) -> None:
    await cast.second_owner.active_api_key("Market maker")
    await owner.open()
    other = Management(await owner.page.context.new_page(), owner.person)
    await other.open()
    for tab in (other, owner):
        await tab.page.bring_to_front()
        await tab.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
        await tab.sees("Edit Market maker")
        await tab.choose_levels("Funds Internal")
        await tab.tick()
    await owner.press("Save")
    await owner.asked_for_code()

    await other.page.bring_to_front()
    await other.press("Save")

    await other.sees("Unfinished: Market maker")
    await other.press("Cancel it…")
    await other.press("Cancel the request")
    await other.sees("Cancelled")
    await owner.look_again()
    await owner.sees("Cancelled")
    await owner.has_status("Market maker", "Active")


async def test_offline_says_so_and_keeps_what_was_typed(owner: Management, visitors: Visitors) -> None:
    visitors.watch.announce("ERR_INTERNET_DISCONNECTED")
    visitors.watch.announce("htmx:sendError")
    await owner.fill_new_key("Market maker", "Trade")
    await owner.page.context.set_offline(offline=True)
    await owner.press("CREATE API Key")
    await expect(owner.dialog.locator(".toast")).to_contain_text("There is no connection")
    await owner.page.context.set_offline(offline=False)

    await expect(owner.panel.get_by_label("API Key name")).to_have_value("Market maker")
    await owner.press("CREATE API Key")
    await owner.asked_for_code()
    assert await open_requests(owner.person) == 1


async def test_rubbish_in_a_form_is_named_all_at_once_and_nothing_is_lost(owner: Management, cast: Cast) -> None:
    await cast.second_owner.inactive_api_key("Taken")
    name = owner.panel.get_by_label("API Key name")
    whitelist = owner.panel.get_by_label("Whitelist your IP addresses")
    alert = owner.panel.get_by_role("alert")
    bad = "203.0.113.7, 999.1.1.1; nonsense 10.0.0.1/8\n::g"

    await owner.fill_new_key("Market maker", "Funds Internal", whitelist=bad)
    await owner.press("CREATE API Key")
    for entry in ("999.1.1.1", "nonsense", "::g"):
        await expect(alert).to_contain_text(entry)
        await expect(owner.panel.locator("#understood")).to_contain_text(entry)
    await expect(whitelist).to_have_value(bad)
    await expect(owner.panel.get_by_label("Funds Internal")).to_be_checked()

    await whitelist.fill("")
    for wrong, told in (
        ("x" * 65, "64"),
        ("bot\u202egnp", "name"),
        ("TAKEN", "Another API key of this account has that name"),
    ):
        await name.fill(wrong)
        await owner.press("CREATE API Key")
        await expect(alert).to_contain_text(told)
        await expect(name).to_have_value(wrong)
        await expect(name).to_be_focused()
    await name.fill("Market maker")
    await owner.press("CREATE API Key")
    await owner.asked_for_code()


@pytest.mark.prove
async def test_an_edit_that_changes_nothing_is_refused(owner: Management, cast: Cast) -> None:
    await cast.second_owner.inactive_api_key("Market maker", ip_whitelist="203.0.113.7")
    await owner.open()
    await owner.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
    await owner.tick()
    await owner.press("Save")

    await expect(owner.panel.get_by_role("alert")).to_contain_text("The edit changes nothing.")
    await expect(owner.panel.get_by_label("Whitelist your IP addresses")).to_have_value("203.0.113.7")
    await expect(owner.panel.locator(".tick input")).to_be_checked()


@pytest.mark.prove
async def test_an_account_that_is_full_says_so(owner: Management, cast: Cast) -> None:
    await fill_account(cast.owner)
    await owner.fill_new_key("One more", "Trade")
    await owner.press("CREATE API Key")

    await expect(owner.panel.get_by_role("alert")).to_contain_text("as many credentials as it may have")
    await expect(owner.panel.get_by_label("API Key name")).to_have_value("One more")


@pytest.mark.prove
async def test_addresses_that_mean_nothing_get_a_page_that_says_so(owner: Management, cast: Cast) -> None:
    await owner.page.goto(f"{ADDRESS}?status=nonsense&q=%00")
    await expect(owner.page.get_by_role("heading", level=1)).to_have_text("API Keys Management")
    for address in ("/nowhere", f"/settings/requests/{cast.outsider.id}", f"{ADDRESS}/not-an-id/edit"):
        answer = await owner.page.goto(address)
        assert answer is not None
        assert answer.status in {404, 422}
        await expect(owner.page.get_by_role("link", name="Go to the start page")).to_be_visible()


@pytest.fixture
async def stage(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    async with set_stage(core, issuer=issuer, providers=providers, message_timeout_seconds=1) as opened:
        yield opened


@pytest.mark.prove
async def test_with_every_worker_stopped_all_is_shown_and_delays_are_told(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    settings = stage.core.settings.model_copy(update={"mode": "local", "data": tmp_path})
    async with site_of(settings) as site, Visitors.at(browser, site) as visitors:
        visitors.watch.announce("answer 503")
        person = stage.cast.owner
        async with stage.at_work(chores=True):
            await stage.cast.second_owner.active_api_key("Market maker")
        await age_heartbeat(stage)
        owner = Management(await visitors.come(person), person)
        await owner.open()
        await owner.has_status("Market maker", "Active")
        late = owner.page.get_by_role("status").filter(has_text="Steps are delayed.")
        await expect(late).to_be_visible()
        await owner.row("Market maker").get_by_role("link", name="Deactivate Market maker", exact=True).click()
        await owner.press("Deactivate")
        await owner.sees("Deactivated: Market maker")
        await owner.press("Done")
        await owner.fill_new_key("Night bot", "Trade")
        await owner.press("CREATE API Key")
        await owner.sees("Create API key")
        await expect(owner.panel.get_by_role("status")).to_contain_text("It begins in a moment")

        async with stage.at_work(chores=True):
            flow = await owner.asked_for_code()
        code = await flow.code()
        await owner.enter(code)
        await expect(owner.panel.get_by_role("alert")).to_contain_text("nothing is lost, try again")
        async with stage.at_work(chores=True):
            # The code has reached the workflow after all.
            await owner.sees("Create API key")
            await owner.press("Show it")
            await owner.sees("Save your API Secret")


@pytest.mark.prove
async def test_every_journey_can_be_gone_without_javascript(cast: Cast, visitors: Visitors) -> None:
    owner = Management(await visitors.come(cast.owner, java_script_enabled=False), cast.owner)
    await owner.open()
    flow = await owner.to_secret("Market maker", "Trade", whitelist="203.0.113.7")
    await owner.tick()
    await owner.press("ACTIVATE LATER")
    await owner.sees("Left inactive: Market maker")
    await owner.press("Done")
    await owner.has_status("Market maker", "Inactive")

    await owner.row("Market maker").get_by_role("link", name="Activate Market maker", exact=True).click()
    await owner.press("Activate")
    flow = await owner.asked_for_code()
    await owner.enter("000000")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("Tries left: 4.")
    await owner.enter_two_factor(flow)
    await owner.sees("Active: Market maker")
    await owner.press("Done")
    await owner.row("Market maker").get_by_role("link", name="Deactivate Market maker", exact=True).click()
    await owner.press("Deactivate")
    await owner.sees("Deactivated: Market maker")

    sms = Management(await visitors.come(cast.sms_owner, java_script_enabled=False), cast.sms_owner)
    await sms.open()
    await sms.row("Market maker").get_by_role("link", name="Edit Market maker", exact=True).click()
    await sms.choose_levels()
    await sms.tick()
    await sms.press("Save")
    await sms.enter_two_factor(await sms.asked_for_code())
    await sms.press("Activate")
    await sms.enter_mailed(await sms.request())
    await sms.sees("Active: Market maker")
    await sms.press("Done")
    await sms.press_on_page("+ NEW FIX CREDENTIALS")
    await sms.press(re.compile("FOR TRADE SESSION"))
    await sms.enter_two_factor(await sms.asked_for_code())
    await sms.sees("Save your Password")
    await sms.tick()
    await sms.press("ACTIVATE")
    await sms.sees("FIX Credentials created")


async def age_heartbeat(stage: Stage) -> None:
    await change(
        stage.core,
        "UPDATE heartbeats SET at = at - interval '1 minute' WHERE task_queue = %s",
        stage.core.settings.task_queue,
    )
