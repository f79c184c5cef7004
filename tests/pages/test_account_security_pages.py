"""Account security on its pages: which of a person's browsers is shown a new key, and who finds a change."""

from uuid import uuid4

import pytest

from countersign.domain.people import Role
from countersign.storage import accounts
from tests.support.cast import Cast, Person
from tests.support.fix import audit
from tests.support.pages import Reader
from tests.support.security import acting_for, begin_change, begin_on_page, enter_on_page, new_code_on_page, seed_on


async def test_a_key_that_no_code_comes_before_is_shown_in_the_browser_that_began_and_in_no_other(cast: Cast) -> None:
    hers, thiefs = [await Reader.signed_in(cast.bare_owner) for _ in range(2)]
    flow = await begin_on_page(hers, cast.bare_owner, "authenticator")

    page, stolen = [await each.get(f"/settings/requests/{flow.id}") for each in (hers, thiefs)]

    assert seed_on(page)
    assert "shown only in the browser where this was begun" in stolen.text
    assert seed_on(stolen) is None
    assert (seed_on(page) or "") not in stolen.response.text
    assert 'class="qr"' in page.response.text
    assert 'class="qr"' not in stolen.response.text


async def test_after_a_code_it_is_shown_in_the_browser_that_entered_it_and_in_no_other(cast: Cast) -> None:
    began, entered = [await Reader.signed_in(cast.owner) for _ in range(2)]
    flow = await begin_on_page(began, cast.owner, "authenticator")
    await enter_on_page(entered, flow, cast.owner.authenticator_code())

    here, there = [await each.get(f"/settings/requests/{flow.id}") for each in (entered, began)]

    assert seed_on(here)
    assert seed_on(there) is None
    assert "shown only in the browser where the code before was entered" in there.text


async def test_a_form_sent_twice_begins_one_change_and_shows_one_key(cast: Cast) -> None:
    nora = await Reader.signed_in(cast.bare_owner)
    form = (await nora.get("/settings/security/authenticator")).form_to("/settings/security/authenticator")

    first, second = [await nora.send(form) for _ in range(2)]
    led_to = {each.response.headers["location"] for each in (first, second)}
    [address] = led_to
    shown = {seed_on(await nora.get(address)) for _ in range(2)}

    assert len(shown) == 1
    assert None not in shown


async def test_that_the_key_was_shown_is_in_the_trail_once_however_often_it_was(cast: Cast) -> None:
    nora = await Reader.signed_in(cast.bare_owner)
    flow = await begin_on_page(nora, cast.bare_owner, "authenticator")
    await (await Reader.signed_in(cast.bare_owner)).get(f"/settings/requests/{flow.id}")

    code = await new_code_on_page(nora, flow)
    await nora.get(f"/settings/requests/{flow.id}")
    await enter_on_page(nora, flow, code)

    events = await audit(cast.bare_owner)
    assert [event["event"] for event in events if event["request_id"] == flow.id] == [
        "request:opened",
        "two-factor:seed-shown",
        "two-factor:new-factor-passed",
        "request:ended",
        "user:changed",
        "two-factor:recovery-codes-shown",
    ]
    assert cast.bare_owner.seed not in str(events)


async def test_ones_own_change_is_there_for_who_acts_for_an_account_that_he_or_she_only_belongs_to(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")
    olivia = await acting_as_member(cast.owner, cast.outsider)

    page = await olivia.get(f"/settings/requests/{flow.id}")
    await enter_on_page(olivia, flow, cast.owner.authenticator_code())

    assert page.status == 200
    assert await flow.outcome() == "changed"


@pytest.mark.parametrize("path", ["", "/cancel"])
async def test_who_owns_no_account_learns_nothing_about_which_requests_there_are(cast: Cast, path: str) -> None:
    theirs = await begin_change(cast.second_owner, "off")
    key = await cast.owner.create_api_key()
    olivia = await acting_as_member(cast.owner, cast.outsider)

    answers = [await olivia.get(f"/settings/requests/{each}{path}") for each in (theirs.id, key.id, uuid4())]

    assert {each.status for each in answers} == {403}


async def acting_as_member(person: Person, other: Person) -> Reader:
    """Return the person's browser, which acts for the other's account, as a member of it."""
    assert other.account_id
    async with person.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=other.account_id, user_id=person.id, role=Role.MEMBER)
    with acting_for(person, other.account_id):
        return await Reader.signed_in(person)
