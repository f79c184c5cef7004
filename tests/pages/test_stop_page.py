"""Where "This wasn't me" leads, without signing in."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from tests.support.cast import Cast, Flow
from tests.support.pages import Page, Reader
from tests.support.proxy import Proxy
from tests.support.stage import api_of
from tests.support.stops import ASKED, let_link_age, link_to, press_on_page

FUNDS = {"permissions": ["funds_external"], "ip_whitelist": "203.0.113.7"}


@pytest.fixture
async def flow(cast: Cast) -> Flow:
    """A creation that can move funds and was told to every owner."""
    return await cast.owner.create_api_key("Market maker", **FUNDS)


@pytest.fixture
async def link(cast: Cast, flow: Flow) -> tuple[str, str]:
    return await link_to(cast.owner, ASKED)


async def test_opening_it_stops_nothing_and_tells_nobody_whether_there_is_such_a_link(
    flow: Flow, link: tuple[str, str], http: httpx.AsyncClient
) -> None:
    nobodys = str(uuid4())
    there, nowhere = [await Reader(http).get(f"/stop/{link_id}?token={link[1]}") for link_id in (link[0], nobodys)]

    assert (there.status, nowhere.status) == (200, 200)
    assert there.response.text.replace(link[0], "") == nowhere.response.text.replace(nobodys, "")
    assert "Opening this page has stopped nothing" in there.text
    assert "Market maker" not in there.response.text
    assert await flow.step() == "two_factor_code"


async def test_the_button_stops_it_and_pressed_again_says_the_same(
    flow: Flow, link: tuple[str, str], http: httpx.AsyncClient
) -> None:
    first, again = [await press_on_page(http, link) for _ in range(2)]

    assert (first.status, again.status) == (200, 200)
    assert "The request was cancelled" in first.text
    assert first.response.text == again.response.text
    assert await flow.outcome() == "cancelled"


async def test_without_its_token_it_says_how_to_stop_it_otherwise(
    flow: Flow, link: tuple[str, str], http: httpx.AsyncClient
) -> None:
    page = await Reader(http).get(f"/stop/{link[0]}")
    refused = await press_on_page(http, (link[0], ""))

    assert "sign in, then cancel the request or deactivate the key" in page.text
    assert "/settings/api-keys" in page.links
    assert refused.status == 422
    assert await flow.step() == "two_factor_code"


async def test_a_wrong_token_is_told_and_not_kept(flow: Flow, link: tuple[str, str], http: httpx.AsyncClient) -> None:
    for token in ("x" * 43, "x" * 999, "ü€\x00"):
        refused = await press_on_page(http, (link[0], token))
        assert refused.status == 422
        assert "This link is not valid" in refused.text
        assert refused.form_to(f"/stop/{link[0]}").fields["token"] == ""

    assert await flow.step() == "two_factor_code"


async def test_an_old_link_has_a_page_that_says_so(flow: Flow, link: tuple[str, str], http: httpx.AsyncClient) -> None:
    old = await let_link_age(flow.person, link, timedelta(days=7))

    page = await press_on_page(http, old)

    assert (page.status, await flow.step()) == (410, "two_factor_code")
    assert "This link has expired" in page.text


async def test_the_browser_of_a_mail_program_that_hides_where_a_form_comes_from_works_too(
    flow: Flow, link: tuple[str, str], http: httpx.AsyncClient
) -> None:
    page = await press_on_page(http, link, Origin="null")

    assert (page.status, await flow.outcome()) == (200, "cancelled")


async def test_no_other_method_stops_anything(flow: Flow, link: tuple[str, str], http: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        await http.request(method, f"/stop/{link[0]}", params={"token": link[1]})

    assert await flow.step() == "two_factor_code"


@pytest.mark.prove
async def test_while_the_database_is_down_it_says_so_and_keeps_the_token(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with Proxy.to(postgres.port) as way:
        url = settings.database_url.get_secret_value().replace(f":{postgres.port}/", f":{way.port}/")
        async with api_of(settings.model_copy(update={"database_url": SecretStr(url)})) as client:
            # A process that never saw its database answers nothing.
            await Reader(client).get("/sign-in")
            await way.cut()
            opened = await Reader(client).get(f"/stop/{uuid4()}")
            page = await press_on_page(client, (str(uuid4()), "x" * 43))

    assert (opened.status, page.status) == (200, 503)
    [form] = page.forms
    assert form.fields["token"] == "x" * 43


async def test_the_activity_of_the_key_tells_that_it_was_stopped(cast: Cast, http: httpx.AsyncClient) -> None:
    key_id = await cast.owner.active_api_key("Market maker", **FUNDS)
    await press_on_page(http, await link_to(cast.second_owner, ASKED))

    page: Page = await (await Reader.signed_in(cast.owner)).get(f"/settings/api-keys/{key_id}")

    assert "Said “This wasn't me”; the key was deactivated" in page.text
    assert "The link in a mail to second_owner" in page.text
