"""The real Temporal UI with our codec endpoint: ops read a workflow's history in clear, and no code in it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from countersign.adapters.keyring import Purpose
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.wiring import parts
from tests.browser.screens import screens
from tests.browser.visits import visit
from tests.browser.watch import Watch
from tests.support.cast import Cast, Flow, Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.security import ok
from tests.support.site import site_of
from tests.support.workers import working

TALL = {"width": 1400, "height": 1600}
_ENDPOINT = "https://codec.example"

pytestmark = pytest.mark.prove


@dataclass(frozen=True)
class Ui:
    """Where the UI is, where the codec endpoint is, and a workflow to look at with the codes that were sent to it."""

    url: str
    codec: str
    cast: Cast
    flow: Flow
    codes: tuple[str, ...]

    @property
    def history(self) -> str:
        return f"{self.url}/namespaces/default/workflows/{self.flow.workflow_id.replace('/', '%2F')}"


Opening = Callable[[str], AbstractAsyncContextManager[Ui]]


@pytest.fixture
def ui(settings: Settings, postgres: EmbeddedPostgres, issuer: Issuer, providers: Providers, tmp_path: Path) -> Opening:
    """A Temporal of its own with its UI, and a codec endpoint that is "open", as on a local stack, or is not."""

    @asynccontextmanager
    async def opened(endpoint: str) -> AsyncIterator[Ui]:
        server = EmbeddedTemporal(port=free_port(), ui_port=free_port())
        url = f"http://127.0.0.1:{server.ui_port}"
        changes = {
            "mode": "local",
            "data": tmp_path,
            "database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url),
            "temporal_address": server.address,
            "task_queue": f"ui-{uuid4()}",
            "codec_open": endpoint == "open",
            "codec_cors_origins": [url],
            "message_timeout_seconds": 20.0,
        }
        own = settings.model_copy(update=changes)
        async with site_of(own) as site, httpx.AsyncClient(base_url=site.url, timeout=30) as http:
            codec = f"{site.url}/codec"
            with ExitStack() as stack:
                running = replace(server, codec_endpoint=codec).running()
                await asyncio.to_thread(stack.enter_context, running)
                async with parts(own, purposes=frozenset(Purpose), lazy=False) as core, working(core):
                    cast = await Cast.enter(core, http=http, issuer=issuer, providers=providers)
                    yield await _ui_with_codes(url, codec, cast)

    return opened


async def _ui_with_codes(url: str, codec: str, cast: Cast) -> Ui:
    flow = await cast.owner.create_api_key("bot")
    wrong, right = "000000", await flow.code()
    await flow.enter_code(wrong)
    ok(await flow.enter_code(right))
    return Ui(url, codec, cast, flow, (wrong, right))


async def read_history(page: Page, ui: Ui) -> str:
    """Return all that the UI shows of the history, its messages unfolded."""
    await page.goto(ui.history)
    await expect(page.get_by_text(f'"{ui.flow.id}"')).to_be_visible()
    await page.goto(page.url.replace("/timeline", "/history"))
    await expect(page.get_by_text("create-api-key: bot (read, trade)")).to_be_visible()
    for row in await page.get_by_text("Workflow Execution Update Accepted").all():
        await row.click()
    await expect(page.get_by_text('"[redacted]"').first).to_be_visible()
    return await page.inner_text("main")


async def test_ops_read_summaries_and_inputs_in_clear_and_no_code(browser: Browser, ui: Opening) -> None:
    async with ui("open") as opened, visit(browser, Watch(opened.url), viewport=TALL) as page:
        shown = await read_history(page, opened)
        await screens(page, "temporal-ui")

    for told in ("two_factor_code: runs out, unless it is over by then", '"kind": "two_factor_code"'):
        assert told in shown
    for code in opened.codes:
        assert code not in shown


async def test_a_ui_with_sign_in_passes_the_persons_token_which_decides_whether_it_reads(
    browser: Browser, ui: Opening
) -> None:
    async with ui("for ops alone") as opened:
        async with visit(browser, Watch(opened.url), viewport=TALL) as page:
            ops = opened.cast.ops.token
            asked = await sign_in(page, opened, token=ops)
            shown = await read_history(page, opened)
        for stranger in (opened.cast.account_manager, opened.cast.owner):
            async with visit(browser, Watch(opened.url)) as page:
                refused = await sign_in(page, opened, token=stranger.token)
                await page.goto(opened.history)
                await eventually(partial(_any, refused))
                assert {each.status for each in refused} == {403}
                assert f'"{opened.flow.id}"' not in await page.inner_text("main")

    assert {each.status for each in asked} == {200}
    told = {name: {each.headers[name] for each in asked} for name in ("authorization", "authorization-extras")}
    assert told == {"authorization": {f"Bearer {ops}"}, "authorization-extras": {"an ID token"}}
    for code in opened.codes:
        assert code not in shown


@dataclass(frozen=True)
class Asked:
    """What the UI asked of the codec endpoint, and what it was answered."""

    headers: dict[str, str]
    status: int


async def _any(asked: list[Asked]) -> bool:
    return bool(asked)


async def sign_in(page: Page, ui: Ui, *, token: str) -> list[Asked]:
    """Let the UI believe that a person has signed in; return what it will ask the codec endpoint.

    It passes tokens to https addresses alone: what it sends to ours there goes to the real endpoint.
    """
    asked: list[Asked] = []

    async def pass_on(route: Route) -> None:
        headers = {**await route.request.all_headers(), "host": urlsplit(ui.codec).netloc}
        response = await route.fetch(url=route.request.url.replace(_ENDPOINT, ui.codec), headers=headers)
        asked.append(Asked(headers, response.status))
        await route.fulfill(response=response)

    async def with_sign_in(route: Route) -> None:
        response = await route.fetch()
        codec = {"Endpoint": _ENDPOINT, "PassAccessToken": True, "IncludeCredentials": False}
        auth = {"Enabled": True, "Options": None, "Providers": None}
        await route.fulfill(response=response, json={**await response.json(), "Codec": codec, "Auth": auth})

    await page.route(f"{_ENDPOINT}/**", pass_on)
    await page.route("**/api/v1/settings*", with_sign_in)
    kept = json.dumps(json.dumps({"accessToken": token, "idToken": "an ID token", "name": "Otto"}))
    await page.add_init_script(f'localStorage.setItem("AuthUser", {kept})')
    return asked
