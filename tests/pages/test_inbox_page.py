"""The local stack's inbox, as people read it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from countersign.adapters.local_inbox import LocalInbox
from countersign.adapters.senders import Mail
from countersign.settings import Settings
from tests.support.pages import Reader
from tests.support.stage import api_of

LINK = "http://127.0.0.1:8080/activate/1#a-123456-b"


@pytest.fixture
async def inbox(tmp_path: Path) -> LocalInbox:
    inbox = LocalInbox(tmp_path)
    await inbox.send_sms(to="+12025550123", text="482913 is your code.", key="sms")
    await inbox.send_mail(
        to="olivia@example.com",
        mail=Mail(subject="Your <link>", text=f"Open\n{LINK}\n<b>", html="<p>x</p>"),
        key="mail",
    )
    return inbox


@pytest.fixture
async def anyone(settings: Settings, inbox: LocalInbox, tmp_path: Path) -> AsyncIterator[Reader]:
    async with api_of(settings.model_copy(update={"mode": "local", "data": tmp_path})) as http:
        yield Reader(http)


async def test_it_shows_messages_newest_first_to_whoever_looks(anyone: Reader) -> None:
    page = await anyone.get("/local/messages")

    assert page.status == 200
    assert page.text.index("olivia@example.com", page.text.index("Local inbox")) < page.text.rindex("+12025550123")


async def test_a_code_stands_alone_to_be_copied_and_six_digits_of_a_link_do_not(anyone: Reader) -> None:
    page = await anyone.get("/local/messages")

    assert '<code id="code-sms">482913</code>' in page.response.text
    assert 'data-copy="code-sms"' in page.response.text
    assert "code-mail" not in page.response.text


async def test_links_can_be_followed_and_nothing_else_becomes_markup(anyone: Reader) -> None:
    page = await anyone.get("/local/messages")

    assert LINK in page.links
    assert "Your &lt;link&gt;" in page.response.text
    assert "<b>" not in page.response.text


async def test_it_is_narrowed_to_one_recipient(anyone: Reader) -> None:
    page = await anyone.get("/local/messages?to=%2B12025550123")

    assert "482913" in page.text
    assert LINK not in page.links


async def test_an_open_page_that_looks_again_is_left_alone_until_a_message_comes(
    anyone: Reader, inbox: LocalInbox
) -> None:
    seen = await anyone.get("/local/messages")
    look = "/local/messages?" + seen.response.text.split('hx-get="/local/messages?')[1].split('"')[0]

    unchanged = await anyone.get(look.replace("&amp;", "&"), fragment=True)
    await inbox.send_sms(to="+12025550123", text="A new one.", key="later")
    changed = await anyone.get(look.replace("&amp;", "&"), fragment=True)

    assert (unchanged.status, changed.status) == (204, 200)
    assert "A new one." in changed.text


async def test_an_empty_inbox_says_so(settings: Settings, tmp_path: Path) -> None:
    async with api_of(settings.model_copy(update={"mode": "local", "data": tmp_path / "empty"})) as http:
        page = await Reader(http).get("/local/messages")

    assert "No messages yet." in page.text


async def test_production_has_none(http: httpx.AsyncClient) -> None:
    assert (await Reader(http).get("/local/messages")).status == 404
