"""Funds permissions are held back for a day after a change of how their requester is reached or confirms."""

from datetime import datetime, timedelta

import pytest

from countersign.domain.messages import ActivationCode
from countersign.effects.holding import funds_begin_at
from tests.support.house import NOW, TICK, Case, House, minutes

DAY = timedelta(hours=24)
FUNDS = ("trade", "funds_wallet")


async def changed(house: House, at: datetime) -> datetime:
    """Let the owner's security have been changed then; return when the hold ends."""
    await house.change("UPDATE users SET security_changed_at = %s WHERE id = %s", at, house.owner)
    return at + DAY


async def held(case: Case) -> datetime | None:
    query = "SELECT funds_from FROM credentials WHERE id = %s"
    [(until,)] = await case.house.select(query, (await case.request()).credential_id)
    return datetime.fromisoformat(until.isoformat()) if until else None


async def foreseen(case: Case, *, at: datetime = NOW) -> datetime | None:
    return funds_begin_at(await case.request(), rules=case.house.desk.rules, at=at)


async def events_of_hold(house: House) -> list[dict[str, str]]:
    return [details for event, details in await house.events() if event == "credential:funds-held"]


async def activated(case: Case) -> Case:
    await case.to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent())) is None
    return case


async def test_a_key_made_after_a_change_begins_to_move_funds_a_day_after_it(house: House) -> None:
    until = await changed(house, NOW - minutes(1))
    case = await house.create_key(permissions=FUNDS)
    assert await foreseen(case) == until

    await case.to_secret()

    assert (await held(case), await foreseen(case)) == (until, until)
    [told] = await events_of_hold(house)
    assert datetime.fromisoformat(told["until"]) == until


async def test_the_hold_is_told_of_after_the_activation_too_until_it_is_over(house: House) -> None:
    until = await changed(house, NOW - minutes(1))
    case = await activated(await house.create_key(permissions=FUNDS))

    assert await foreseen(case, at=until - TICK) == until
    assert await foreseen(case, at=until) is None


async def test_a_key_without_funds_is_held_quietly_in_case_that_it_is_given_some(house: House) -> None:
    until = await changed(house, NOW - minutes(1))
    case = await (await house.create_key()).to_secret()

    assert (await held(case), await foreseen(case)) == (until, None)
    assert await events_of_hold(house) == []


@pytest.mark.parametrize("ago", [None, DAY])
async def test_without_a_change_of_the_last_day_nothing_is_held(house: House, ago: timedelta | None) -> None:
    if ago is not None:
        await changed(house, NOW - ago)
    case = await (await house.create_key(permissions=FUNDS)).to_secret()

    assert (await held(case), await foreseen(case)) == (None, None)
    assert await events_of_hold(house) == []


async def test_a_request_that_ended_otherwise_foresees_nothing(house: House) -> None:
    await changed(house, NOW - minutes(1))
    case = await house.create_key(permissions=FUNDS)

    await case.cancel()

    assert await foreseen(case) is None


async def test_nor_does_one_that_was_about_a_key_that_is_held(house: House) -> None:
    until = await changed(house, NOW - minutes(1))
    made = await (await house.create_key(permissions=FUNDS)).left_inactive()
    case = await house.activate_key((await made.request()).credential_id)
    assert await foreseen(case) == until

    await case.cancel()

    assert await foreseen(case) is None


async def test_what_was_activated_before_a_change_is_not_held_by_it(house: House) -> None:
    case = await activated(await house.create_key(permissions=FUNDS))

    await changed(house, NOW)

    assert (await held(case), await foreseen(case)) == (None, None)


async def test_an_activation_by_someone_else_neither_shortens_nor_forgets_a_hold(house: House) -> None:
    until = await changed(house, NOW - minutes(1))
    case = await (await house.create_key(permissions=FUNDS)).left_inactive()
    await house.change("UPDATE users SET security_changed_at = NULL WHERE id = %s", house.owner)

    again = await (await house.activate_key((await case.request()).credential_id)).to_secret()

    assert await held(again) == until


async def test_a_hold_that_is_over_is_forgotten_at_the_next_activation(house: House) -> None:
    case = await (await house.create_key(permissions=FUNDS)).left_inactive()
    credential_id = (await case.request()).credential_id
    await house.change("UPDATE credentials SET funds_from = %s WHERE id = %s", NOW, credential_id)

    await (await house.activate_key(credential_id)).to_secret()

    assert await held(case) is None
