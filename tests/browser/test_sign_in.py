"""Signing in on the local stack, with one click."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from countersign.local.application import local_application
from countersign.local.demo import seed_with
from countersign.local.environment import identity_issuer
from countersign.settings import Settings
from countersign.wiring import Parts
from tests.browser.accessibility import axe
from tests.browser.screens import screens
from tests.browser.visits import Visitors
from tests.support.site import Site, serving


@pytest.fixture
async def local_visitors(core: Parts, browser: Browser, settings: Settings, tmp_path: Path) -> AsyncIterator[Visitors]:
    async with core.database.transaction() as connection:
        await seed_with(connection, core.keys)
    apps: list[ASGIApp] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await apps[0](scope, receive, send)

    async with serving(serve) as url:
        port = urlsplit(url).port or 0
        issuer = identity_issuer(port)
        changes = {"mode": "local", "data": tmp_path, "public_url": url, "api_port": port, "oidc_issuer": issuer}
        local = settings.model_copy(update=changes)
        app = local_application(local)
        apps.append(app)
        async with app.router.lifespan_context(app), Visitors.at(browser, Site(url, local)) as visitors:
            yield visitors


async def test_a_demo_person_signs_in_with_one_click_and_out_again(local_visitors: Visitors) -> None:
    page = await local_visitors.come()
    await page.goto("/settings/api-keys?status=active")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await axe(page)
    await screens(page, "sign-in")

    await page.get_by_role("link", name="Olivia").click()
    await expect(page).to_have_url(f"{local_visitors.site.url}/settings/api-keys?status=active")
    await expect(page.get_by_text("Harbour Trading", exact=True)).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await axe(page)
    await page.go_back()
    await page.goto("/settings/api-keys")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await page.context.cookies() == []


@pytest.mark.prove
async def test_who_signs_in_for_another_tab_is_sent_back_to_it(local_visitors: Visitors) -> None:
    page = await local_visitors.come()
    await page.goto("/sign-in?next=/signed-in")
    await page.get_by_role("link", name="Sam").click()

    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    await axe(page)
    await screens(page, "signed-in")


@pytest.mark.prove
async def test_a_sign_in_that_fails_can_be_begun_again(local_visitors: Visitors) -> None:
    page = await local_visitors.come()
    await page.goto("/sign-in/callback?error=access_denied&state=x")
    await axe(page)
    await screens(page, "sign-in-failed")

    await page.get_by_role("link", name="Sign in again").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
