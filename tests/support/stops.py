"""The links "This wasn't me" as they reach people, and pressing them."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from countersign.effects.stop_links import stop_token
from countersign.storage import stops
from tests.support.cast import Person
from tests.support.fix import execute, mails
from tests.support.pages import HTML, Page
from tests.support.patience import eventually

_LINK = re.compile(r"https://countersign\.example/stop/([0-9a-f-]{36})#([\w-]{43})\b")
ASKED = "API key that can move funds asked for"
EDITED = "More access asked for"
ACTIVATED = "API key activated"
CHANGED = "Two-factor authentication changed"
CONTACT = "Your email address was changed"


async def link_to(person: Person, subject: str) -> tuple[str, str]:
    """Return id and token of the link in the newest mail to the person whose subject begins so."""
    found = _LINK.search((await mails(person, subject))[-1])
    assert found, "no link in the mail"
    return found[1], found[2]


async def link_at(person: Person, email: str, subject: str) -> tuple[str, str]:
    """Return id and token of the link in the mail that went to that address."""

    async def found() -> list[str]:
        every = person.providers.mails_to(email)
        return [mail["content"][0]["value"] for mail in every if mail["subject"].startswith(subject)]

    link = _LINK.search((await eventually(found))[-1])
    assert link, "no link in the mail"
    return link[1], link[2]


async def press(http: httpx.AsyncClient, link: tuple[str, str]) -> httpx.Response:
    """Stop over JSON, as nobody in particular."""
    return await http.post(f"/v1/stops/{link[0]}", json={"token": link[1]})


async def pressed(http: httpx.AsyncClient, link: tuple[str, str]) -> str:
    """Return what a press did."""
    response = await press(http, link)
    assert response.status_code == 200, response.text
    return str(response.json()["effect"])


async def press_on_page(http: httpx.AsyncClient, link: tuple[str, str], **headers: str) -> Page:
    """Press the button, as the page's script would have filled the form; without a session."""
    return Page.of(await http.post(f"/stop/{link[0]}", data={"token": link[1]}, headers={**HTML, **headers}))


async def status_of(person: Person, key_id: str) -> str:
    return str((await person.get(f"/api-keys/{key_id}")).json()["status"])


async def let_link_age(person: Person, link: tuple[str, str], age: timedelta) -> tuple[str, str]:
    """Return the link that was sent so long before: its end is part of its token."""
    await execute(person.core, "UPDATE stops SET expires_at = expires_at - %s WHERE id = %s", age, link[0])
    return link[0], await token_of(person, link[0])


async def token_of(person: Person, stop_id: str) -> str:
    """Return the token as only who holds the key ring can."""
    async with person.core.database.connection() as connection:
        stop = await stops.get(connection, UUID(stop_id))
    assert stop
    return stop_token(person.core.keys, stop)


def events_called(events: list[dict[str, Any]], tag: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == tag]
