"""API Keys Management as a person uses it: presses what is labelled, types into what is labelled."""

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from playwright.async_api import Locator, Page, expect

from tests.support.cast import Flow, Person
from tests.support.patience import eventually
from tests.support.rows import change, select

ADDRESS = "/settings/api-keys"
LEVELS = ("Read", "Trade", "Funds Internal", "Funds Wallet", "Funds External")
TWO_MINUTES = timedelta(minutes=2)
FIVE_MINUTES = timedelta(minutes=5)
_RUN_AHEAD = "length => document.querySelectorAll('[data-countdown]').forEach(shown => { shown.endsAt -= length })"
_REQUEST = re.compile(r"/settings/requests/([0-9a-f-]{36})")


@dataclass(frozen=True)
class Management:
    """One tab of one person."""

    page: Page
    person: Person

    @property
    def dialog(self) -> Locator:
        return self.page.locator("#window")

    @property
    def panel(self) -> Locator:
        """The panel, whether it stands in the dialog or, without JavaScript, on a page of its own."""
        return self.page.locator("[data-panel]")

    async def open(self) -> None:
        await self.page.goto(ADDRESS)

    async def press(self, label: str | re.Pattern[str]) -> None:
        """Press what has exactly this label in the panel, be it a button or a link that looks like one."""
        await self._labelled(self.panel, label).click()

    async def press_on_page(self, label: str | re.Pattern[str]) -> None:
        await self._labelled(self.page.locator("#main"), label).click()

    async def sees(self, title: str | re.Pattern[str]) -> None:
        """Wait for the panel of this title."""
        await expect(self.panel.locator("#dialog-title")).to_have_text(title)

    async def choose_levels(self, *labels: str) -> None:
        for label in LEVELS[1:]:
            await self.panel.get_by_label(label, exact=True).set_checked(label in labels)

    async def fill_new_key(self, name: str, *levels: str, whitelist: str = "") -> None:
        """+ NEW API KEY, and what stands in its form."""
        await self.press_on_page("+ NEW API KEY")
        await self.sees("New API Key")
        await self.panel.get_by_label("API Key name").fill(name)
        await self.choose_levels(*levels)
        await self.panel.get_by_label("Whitelist your IP addresses").fill(whitelist)

    async def create_key(self, name: str, *levels: str, whitelist: str = "") -> Flow:
        await self.fill_new_key(name, *levels, whitelist=whitelist)
        await self.press("CREATE API Key")
        return await self.asked_for_code()

    async def asked_for_code(self) -> Flow:
        """Wait for the two-factor pop-up; return the request behind it."""
        await self.sees("Two-Factor Authentication")
        return await self.request()

    async def request(self) -> Flow:
        """Return the request that the panel is about."""
        named = self.panel.locator("form[action*='/settings/requests/'], a[href*='/settings/requests/']").first
        address = await named.get_attribute("action") or await named.get_attribute("href")
        found = _REQUEST.match(address or "")
        assert found, address
        response = await self.person.get(f"/requests/{found[1]}")
        return Flow(self.person, found[1], response.json()["workflow_id"])

    async def enter(self, code: str, *, button: str = "Confirm") -> None:
        await self.panel.locator("#code").fill(code)
        await self.press(button)

    async def enter_two_factor(self, flow: Flow) -> None:
        await self.enter(await flow.code())

    async def enter_mailed(self, flow: Flow) -> None:
        await self.sees("Confirm the activation by email")
        await self.enter(await flow.code(), button="Activate")

    async def secret(self) -> str:
        """Return the API Secret or Password that is shown."""
        return await self.panel.locator("[data-label='API Secret'], [data-label='Password']").inner_text()

    async def to_secret(self, name: str, *levels: str, whitelist: str = "") -> Flow:
        flow = await self.create_key(name, *levels, whitelist=whitelist)
        await self.enter_two_factor(flow)
        await self.sees("Save your API Secret")
        return flow

    async def tick(self) -> None:
        """Tick the one box that enables or shows the buttons below it."""
        await self.panel.locator(".tick input[type=checkbox]").check()

    async def close(self) -> None:
        await self.panel.get_by_role("button", name="Close", exact=True).first.click()
        await expect(self.dialog).to_be_hidden()

    async def look_again(self) -> None:
        """Let the page look for news now, as it does by itself when one of its polls has found any."""
        await self.page.evaluate("htmx.trigger(document.body, 'changed')")

    async def is_back(self) -> None:
        """Wait until the step back in the history that belongs to closing a dialog is done."""
        await eventually(self._stands_on_the_page)
        await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def _stands_on_the_page(self) -> bool:
        return await self.page.evaluate("history.state") is None

    def row(self, name: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=name)

    async def has_status(self, name: str, status: str) -> None:
        await expect(self.row(name).locator(".status")).to_have_text(status)

    async def let_code_age(self, flow: Flow, age: timedelta) -> None:
        """Let the step's codes be older by ``age``, and so the step; countdowns of the page run ahead as much."""
        await age_codes(flow, age)
        await self.page.evaluate(_RUN_AHEAD, age.total_seconds() * 1000)

    @staticmethod
    def _labelled(where: Locator, label: str | re.Pattern[str]) -> Locator:
        # By its text and not by its accessible name, which says for what the button is: "Edit bot".
        text = label if isinstance(label, re.Pattern) else re.compile(rf"^\s*{re.escape(label)}\s*$")
        return where.locator("button:visible, a:visible, summary:visible").filter(has_text=text)


async def age_codes(flow: Flow, age: timedelta) -> None:
    """Let all codes of the request be older by ``age``, and its step's deadline nearer."""
    core, request_id = flow.person.core, UUID(flow.id)
    await change(
        core,
        """UPDATE code_sends SET opened_at = opened_at - %s, expires_at = expires_at - %s
           WHERE challenge_id IN (SELECT id FROM challenges WHERE request_id = %s)""",
        age,
        age,
        request_id,
    )
    await change(core, "UPDATE requests SET deadline = deadline - %s WHERE id = %s", age, request_id)


async def open_requests(person: Person) -> int:
    """Return how many requests the person began that are open still."""
    [[count]] = await select(
        person.core, "SELECT count(*) FROM requests WHERE user_id = %s AND outcome IS NULL", person.id
    )
    return int(count)
