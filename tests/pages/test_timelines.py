"""What happened, as people read it: owners see what concerns them, account managers and ops all of it."""

import pytest

from tests.support.cast import Cast
from tests.support.fix import audit, decide, decided, name_of, signal_decision, waiting_for_manager
from tests.support.pages import Page, Reader
from tests.support.patience import eventually
from tests.support.rows import change

REFUSED = "account-manager:decision-refused"


@pytest.fixture
async def session_name(cast: Cast) -> str:
    """FIX credentials on which one decision was refused and one carried out."""
    flow = await waiting_for_manager(cast.owner)
    await signal_decision(flow, "garbage")

    async def is_refused() -> bool:
        return REFUSED in [each["event"] for each in await audit(cast.owner, flow.id, seen_by=cast.ops)]

    await eventually(is_refused)
    decided(await decide(cast.account_manager, await name_of(flow)))
    return await name_of(flow)


async def seen_by_owner(cast: Cast, session_name: str) -> Page:
    olivia = await Reader.signed_in(cast.owner)
    [link] = {
        link
        for link in (await olivia.get(f"/settings/api-keys?q={session_name}")).links
        if link.startswith("/settings/fix-credentials/") and link.count("/") == 3 and not link.endswith("/new")
    }
    return await olivia.get(link)


async def test_owners_see_where_they_were_and_not_where_staff_is(cast: Cast, session_name: str) -> None:
    page = await seen_by_owner(cast, session_name)

    assert "· owner · from 127.0.0.1" in page.text
    assert "· account_manager " in page.text
    assert "account_manager · from" not in page.text


async def test_owners_do_not_see_decisions_that_were_refused(cast: Cast, session_name: str) -> None:
    assert "A decision was refused" not in (await seen_by_owner(cast, session_name)).text


async def test_account_managers_see_both(cast: Cast, session_name: str) -> None:
    amy = await Reader.signed_in(cast.account_manager)

    page = await amy.get(f"/account-manager/{session_name}")

    assert "account_manager · from 127.0.0.1" in page.text
    assert "A decision was refused" in page.text


async def test_who_left_the_account_is_no_longer_seen_where_he_was(cast: Cast, session_name: str) -> None:
    await change(cast.core, "UPDATE memberships SET user_id = %s WHERE user_id = %s", cast.outsider.id, cast.owner.id)
    sonia = await audit(cast.second_owner)

    assert {each["ip"] for each in sonia if each["actor_id"] == str(cast.owner.id)} == {None}


async def test_the_api_shows_owners_no_more_and_ops_everything(cast: Cast, session_name: str) -> None:
    owners, ops = await audit(cast.owner), await audit(cast.owner, seen_by=cast.ops)

    assert {each["ip"] for each in owners if each["actor_id"] == str(cast.account_manager.id)} == {None}
    assert {each["ip"] for each in owners if each["actor_id"] == str(cast.owner.id)} == {"127.0.0.1"}
    assert {each["ip"] for each in ops if each["actor_id"] == str(cast.account_manager.id)} == {"127.0.0.1"}
    assert [each["event"] for each in ops if each not in owners].count(REFUSED) == 1
    assert REFUSED not in [each["event"] for each in owners]
