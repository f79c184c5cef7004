"""How much a first visit loads, and how long the server takes for a full account."""

import statistics
import time

import pytest
from playwright.async_api import Page

from tests.browser.management import ADDRESS
from tests.browser.visits import Visitors
from tests.support.cast import Cast
from tests.support.pages import HTML, Reader
from tests.support.rows import fill_account

FIRST_VISIT_BYTES = 150_000
RENDERING_SECONDS = 0.050
VISITS = 20


async def test_a_first_visit_loads_less_than_150_kb(page: Page, cast: Cast, visitors: Visitors) -> None:
    loaded: dict[str, float] = {}
    wire = await page.context.new_cdp_session(page)
    wire.on("Network.loadingFinished", lambda said: loaded.update({said["requestId"]: said["encodedDataLength"]}))
    await wire.send("Network.enable")
    await fill_account(cast.owner)
    await visitors.sign_in(page, cast.owner)

    await page.goto(ADDRESS, wait_until="networkidle")

    assert len(loaded) >= 4, "page, stylesheet and two scripts"
    assert sum(loaded.values()) < FIRST_VISIT_BYTES, loaded


@pytest.mark.prove
async def test_the_list_of_a_full_account_takes_the_server_less_than_50_ms(cast: Cast) -> None:
    await fill_account(cast.owner)
    reader = await Reader.signed_in(cast.owner)
    headers = {**HTML, "Cookie": reader.cookie}
    times = []
    for _ in range(VISITS + 3):
        begun = time.perf_counter()
        answer = await reader.http.get(ADDRESS, headers=headers)
        times.append(time.perf_counter() - begun)
        assert answer.status_code == 200, answer.text
        assert answer.text.count("<tr>") == 2 + 100

    assert statistics.median(times[3:]) < RENDERING_SECONDS, times
