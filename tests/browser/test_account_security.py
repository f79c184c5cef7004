"""Account security in the browser: an authenticator, recovery codes, SMS, off."""

import re

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import inspect
from tests.browser.management import Management
from tests.browser.visits import Visitors
from tests.support.cast import Cast, Providers
from tests.support.patience import eventually
from tests.support.security import new_phone_of

ADDRESS = "/settings/security"


async def test_an_authenticator_is_enabled_by_qr_code_and_recovery_codes_are_shown_once(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    nora = Management(page, cast.bare_owner)
    other = await visitors.come(cast.bare_owner)
    await visitors.sign_in(page, nora.person)
    await nora.open()
    await nora.press_on_page("+ NEW API KEY")
    await nora.sees("Two-Factor Authentication")
    await nora.press("Enable two-factor authentication")
    await nora.press_on_page("Enable authenticator app")
    await nora.sees("Authenticator app")
    await inspect(page)
    await nora.press("Continue")
    await nora.sees("Confirm the new method")
    await expect(page.get_by_role("img", name="QR code")).to_be_visible()
    await inspect(page)
    await nora.enter("000000")
    await expect(nora.panel.get_by_role("alert")).to_contain_text("Tries left: 4.")
    seed = (await page.locator("#seed").inner_text()).replace(" ", "")
    flow = await nora.request()
    await other.goto(f"/settings/requests/{flow.id}")
    await expect(other.locator("#main")).to_contain_text("shown only in the browser where this was begun")
    assert seed not in (await other.content()).replace(" ", "")
    await inspect(other)
    # Signed out by the change, that page would be refused its news.
    await other.goto("about:blank")
    await nora.enter(pyotp.TOTP(seed).now())
    await nora.sees("Save your recovery codes")
    codes = await page.locator(".codes code").all_inner_texts()
    assert len(set(codes)) == 10
    await inspect(page)
    await nora.press("I have saved them")
    await expect(page.locator(".codes")).to_have_count(0)
    document = await page.evaluate("document.documentElement.outerHTML")
    assert seed not in document
    assert not any(code in document for code in codes)
    await expect(page.locator("#main")).to_contain_text("10 left.")
    await inspect(page)
    await other.goto(ADDRESS)
    await expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")
    await eventually(lambda: _told(cast.providers, nora.person.email))


@pytest.mark.prove
async def test_a_lost_authenticator_is_replaced_by_sms_with_a_recovery_code(
    page: Page, cast: Cast, visitors: Visitors
) -> None:
    owner = Management(page, cast.owner)
    other = await visitors.come(cast.owner)
    await visitors.sign_in(page, owner.person)
    await page.goto(ADDRESS)
    await owner.press_on_page("New recovery codes")
    await owner.press("Continue")
    await owner.sees("Two-Factor Authentication")
    await owner.enter(owner.person.authenticator_code())
    await owner.sees("Save your recovery codes")
    [code, *_] = await page.locator(".codes code").all_inner_texts()
    await owner.press("I have saved them")

    await owner.press_on_page("Change to SMS")
    await owner.panel.get_by_label("Phone number").fill("12345")
    await owner.press("Continue")
    await expect(owner.panel.get_by_role("alert")).to_contain_text("country code")
    await expect(owner.panel.get_by_label("Phone number")).to_have_value("12345")
    await owner.panel.get_by_label("Phone number").fill(new_phone_of(owner.person))
    await owner.press("Continue")
    await owner.press(re.compile("Use a recovery code"))
    await owner.panel.get_by_label("Recovery code").fill(code.lower())
    await owner.press("Use recovery code")
    await owner.sees("Confirm the new method")
    flow = await owner.request()
    await flow.until(lambda shown: shown["delivery"] == "sent")
    await owner.enter(cast.providers.texts_to(new_phone_of(owner.person))[-1][:6])
    await owner.sees("Two-factor authentication changed")
    await owner.press("Done")
    await expect(page.locator("#main")).to_contain_text("9 left.")
    await expect(page.locator(".method")).to_contain_text("SMS to •••")

    await other.goto(ADDRESS)
    await expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")


async def _told(providers: Providers, email: str) -> bool:
    return any("wo-factor" in subject for subject in providers.subjects_to(email))
