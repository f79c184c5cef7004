"""Changes of two-factor authentication as their person goes through them."""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pyotp

from countersign.domain.people import Role
from countersign.storage import accounts
from tests.support.cast import Flow, Person, challenge_of
from tests.support.pages import Page, Reader


async def begin_change(person: Person, to: str, **form: object) -> Flow:
    """Begin a change and wait until it asks for its first code."""
    verifier = secrets.token_urlsafe(32)
    if to == "authenticator":
        form = {"reveal_challenge": challenge_of(verifier), **form}
    return replace(await person.begin("/security/changes", {"to": to, **form}), verifier=verifier)


async def begin_on_page(reader: Reader, person: Person, to: str, *, phone: str = "") -> Flow:
    """Begin a change on the pages, in the browser of ``reader``."""
    form = (await reader.get(f"/settings/security/{to}")).form_to(f"/settings/security/{to}")
    assert (await reader.send(form, phone=phone)).status == 303
    request_id = (await standing(person))["open_change"]
    flow = Flow(person, request_id, f"change-two-factor/{request_id}")
    await flow.until(lambda shown: shown["step"] != "starting")
    return flow


async def enter_on_page(reader: Reader, flow: Flow, code: str) -> Page:
    """Enter a code of either factor on the request's page."""
    address = f"/settings/requests/{flow.id}"
    return await reader.send((await reader.get(address)).form_to(f"{address}/two-factor-code"), code=code)


async def new_code_on_page(reader: Reader, flow: Flow) -> str:
    """Return the first code of the authenticator that the page shows, which the person has from now on."""
    shown = seed_on(await reader.get(f"/settings/requests/{flow.id}"))
    assert shown
    flow.person.seed, flow.person.last_step = shown, 0
    return flow.person.authenticator_code()


def seed_on(page: Page) -> str | None:
    """Return the new authenticator's key that the page shows, or None."""
    found = re.search(r'<code id="seed">([A-Z2-7 ]+)</code>', page.response.text)
    return found[1].replace(" ", "") if found else None


async def enrolment(flow: Flow) -> dict[str, str]:
    """Return what the new authenticator is set up with."""
    response = await flow.post("/enrolment", {"reveal_verifier": flow.verifier})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def new_code(flow: Flow) -> str:
    """Return the newest code of the new authenticator or phone, which the person has from now on."""
    shown = await flow.shown()
    assert shown["step"] == "new_factor_code"
    if shown["channel"] == "authenticator":
        flow.person.seed, flow.person.last_step = (await enrolment(flow))["secret"], 0
        return flow.person.authenticator_code(skew=flow.skew)
    return (await codes_sent_to(flow, new_phone_of(flow.person)))[-1]


async def codes_sent_to(flow: Flow, phone: str) -> list[str]:
    """Return the codes that were sent to a number, once the newest went out."""
    await flow.until(lambda shown: shown["delivery"] == "sent")
    return [text[:6] for text in flow.person.providers.texts_to(phone)]


def new_phone_of(person: Person) -> str:
    """Return a number of the person's own; whatever follows +4473 is a valid mobile number."""
    return f"+4473{person.id.int // 10**8 % 10**8:08}"


async def changed(person: Person, to: str, **form: object) -> Flow:
    """Return a change that was carried out."""
    flow = await begin_change(person, to, **form)
    if (await flow.shown())["step"] == "two_factor_code":
        ok(await flow.enter_code())
    if (await flow.shown())["step"] == "new_factor_code":
        ok(await flow.enter_code(await new_code(flow)))
    assert await flow.outcome() == "changed"
    return flow


async def recovery_codes(flow: Flow) -> list[str]:
    """Return the recovery codes that come with a change."""
    return list(ok(await flow.post("/recovery-codes", {"reveal_verifier": flow.verifier}))["codes"])


async def enter_recovery_code(flow: Flow, code: str) -> httpx.Response:
    return await flow.post("/recovery-code", {"code": code, "reveal_challenge": flow.challenge})


async def standing(person: Person) -> dict[str, Any]:
    return ok(await person.get("/security"))


def ok(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return dict(response.json())


def code_of(seed: str, *, skew: timedelta = timedelta(), steps: int = 0) -> str:
    """Return an authenticator's present code, or one of some steps away."""
    return pyotp.TOTP(seed).at(int(time.time() + skew.total_seconds()) + 30 * steps)


async def also_owner_of(person: Person, other: Person) -> UUID:
    """Make the person an owner of the other's account too; return its id."""
    assert other.account_id
    async with person.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=other.account_id, user_id=person.id, role=Role.OWNER)
    return other.account_id


@contextmanager
def acting_for(person: Person, account_id: UUID) -> Iterator[None]:
    """Let the person act for another account meanwhile."""
    usual, person.account_id = person.account_id, account_id
    try:
        yield
    finally:
        person.account_id = usual
