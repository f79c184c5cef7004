"""A page acts for whom it was shown to, and for the account it was shown for, whatever happens in another tab."""

import json
from uuid import UUID

import pytest

from tests.support.cast import Cast, Person
from tests.support.pages import FRAGMENT, Reader
from tests.support.rows import select
from tests.support.security import also_owner_of

NEW = "/settings/api-keys/new"


@pytest.fixture
async def olivia(cast: Cast) -> Reader:
    """An owner of two accounts, who acts for the account Home."""
    await also_owner_of(cast.owner, cast.outsider)
    return await Reader.signed_in(cast.owner)


async def switch(reader: Reader, account_id: UUID | None) -> None:
    assert (await reader.post("/account", {"account_id": str(account_id)})).status == 303


async def begun_in(cast: Cast, by: Person | None = None) -> list[UUID]:
    """Return the accounts in which the owner began something."""
    rows = await select(cast.core, "SELECT account_id FROM requests WHERE user_id = %s", (by or cast.owner).id)
    return [account_id for (account_id,) in rows]


async def test_a_form_that_was_filled_in_for_another_account_does_nothing(cast: Cast, olivia: Reader) -> None:
    form = (await olivia.get(NEW)).form_to(NEW)
    await switch(olivia, cast.outsider.account_id)

    refused = await olivia.send(form, name="Market maker")

    assert refused.status == 409
    assert "You now act for Away" in refused.text
    assert await begun_in(cast) == []


async def test_what_was_typed_into_it_can_be_sent_once_the_account_is_switched_back(cast: Cast, olivia: Reader) -> None:
    form = (await olivia.get(NEW)).form_to(NEW)
    await switch(olivia, cast.outsider.account_id)
    refused = await olivia.send(form, name="Market maker", ip_whitelist="203.0.113.7")

    assert "Switch back to Home" in refused.text
    assert (await olivia.send(refused.form_to("/account"))).status == 303
    assert (await olivia.send(refused.form_to(NEW))).status == 303
    assert await begun_in(cast) == [cast.owner.account_id]


async def test_in_a_dialog_it_stays_as_it_is_and_says_why(cast: Cast, olivia: Reader) -> None:
    form = (await olivia.get(NEW, fragment=True)).form_to(NEW)
    await switch(olivia, cast.outsider.account_id)

    refused = await olivia.send(form, name="Market maker", fragment=True)

    assert (refused.status, refused.response.headers["hx-reswap"]) == (409, "none")
    assert "You now act for Away" in json.loads(refused.response.headers["hx-trigger"])["problem"]
    assert await begun_in(cast) == []


async def test_a_form_of_somebody_who_signed_in_before_does_nothing(cast: Cast, olivia: Reader) -> None:
    form = (await olivia.get(NEW)).form_to(NEW)
    sonia = await Reader.signed_in(cast.second_owner)

    refused = await sonia.send(form, name="Market maker")

    assert refused.status == 409
    assert "Another person has signed in since" in refused.text
    assert "Home" not in refused.text
    assert await begun_in(cast, by=cast.second_owner) == []


async def test_a_page_opens_no_dialog_of_another_account(cast: Cast, olivia: Reader) -> None:
    shown_for = (await olivia.get(NEW)).form_to(NEW).fields["acting_for"]
    headers = {**FRAGMENT, "Cookie": olivia.cookie, "X-Acting-For": shown_for}
    assert (await olivia.http.get(NEW, headers=headers)).status_code == 200
    await switch(olivia, cast.outsider.account_id)

    refused = await olivia.http.get(NEW, headers=headers)

    assert refused.status_code == 409
    assert "data-panel" in refused.text
    assert "You now act for Away" in refused.text


@pytest.mark.parametrize("acting_for", ["", "-", "x/y", "\x00", "é/-"])
async def test_what_no_form_of_ours_says_is_no_account(cast: Cast, olivia: Reader, acting_for: str) -> None:
    refused = await olivia.post(NEW, {"name": "bot", "acting_for": acting_for})

    assert refused.status == 409
    assert await begun_in(cast) == []


async def test_a_form_without_fields_of_its_own_is_held_to_it_too(cast: Cast, olivia: Reader) -> None:
    key = await cast.owner.active_api_key()
    path = f"/settings/api-keys/{key}/deactivate"
    form = (await olivia.get(path)).form_to(path)

    refused = await olivia.post(path, {**form.fields, "acting_for": f"{cast.owner.id}/{cast.outsider.account_id}"})

    assert refused.status == 409
    assert (await cast.owner.get(f"/api-keys/{key}")).json()["status"] == "active"
    assert (await olivia.send(form)).status == 200
