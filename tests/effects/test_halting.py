"""Stopping by ops: a key, an account, everything."""

import asyncio
from uuid import UUID, uuid4

import pytest

from countersign.domain.errors import (
    InvalidInput,
    IssuingFrozen,
    IssuingSuspended,
    NotAtThisStep,
    NotConfirmed,
    NotFound,
    RequestClosed,
)
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import Activate, ActivationCode
from countersign.domain.requests import ChangeTo
from countersign.effects.halting import Halted, halt_account, halt_credential, halt_everything, require_confirmed
from countersign.effects.issuance import frozen_house, thaw_account, thaw_house
from countersign.effects.naming import credential_called
from countersign.effects.orders import parse_name, parse_reason
from countersign.effects.work import Desk
from countersign.storage import halting
from countersign.storage.credentials import Credential
from countersign.storage.halting import Counts
from tests.support.emergencies import (
    ORDER,
    active_fix,
    active_key,
    findings,
    outcome,
    status,
    told_by_ops,
)
from tests.support.house import House


@pytest.fixture
async def house(apart: Desk) -> House:
    return await House.build(apart)


async def credential(house: House, credential_id: UUID) -> Credential:
    async with house.desk.database.connection() as connection:
        return await credential_called(connection, str(credential_id))


async def stop_key(house: House, credential_id: UUID) -> Halted:
    return await halt_credential(house.desk, await credential(house, credential_id), ORDER)


async def stop(house: House) -> Halted:
    return await halt_account(house.desk, house.account_id, ORDER)


async def stop_everything(desk: Desk) -> list[Halted]:
    return [done async for done in halt_everything(desk, ORDER)]


async def test_a_key_goes_off_with_what_is_open_about_it_and_nothing_else_does(house: House) -> None:
    key, other = await active_key(house), await active_key(house)
    edit = await house.edit_key(key, permissions=["read"], ip_whitelist="")

    done = await stop_key(house, key)

    assert done == Halted(house.account_id, credentials=1, requests=1)
    assert (await status(house, key), await status(house, other)) == ("inactive", "active")
    assert await outcome(edit) == "superseded"
    assert {("credential_deactivated", owner) for owner in (house.owner, house.sms_owner)} <= await house.mails()


async def test_the_trail_tells_who_stopped_it_and_why(house: House) -> None:
    await stop_key(house, await active_key(house))

    told = {"by": "Otto", "reason": "leaked, ticket 7"}
    assert await told_by_ops(house) == [{"credentials": 1, "requests": 0, **told}]
    await stop(house)
    assert ("account:issuing-frozen", told) in await house.events()


async def test_a_key_that_is_off_already_is_left_alone(house: House) -> None:
    key = await active_key(house)
    await stop_key(house, key)
    before = await house.events()

    assert not (await stop_key(house, key)).anything
    assert await house.events() == before


async def test_a_key_that_was_stopped_can_be_activated_again_by_its_owner(house: House) -> None:
    key = await active_key(house)
    await stop_key(house, key)

    case = await (await house.activate_key(key)).to_secret()

    assert (await outcome(case), await status(house, key)) == ("activated", "active")


async def test_all_of_an_account_goes_off_and_ends_and_stays_so(house: House) -> None:
    key, fix = await active_key(house), await active_fix(house)
    mailed, asked = await (await house.create_key()).to_waiting(), await (await house.create_fix()).to_waiting()
    code = await mailed.sent()
    at_secret, begun = await (await house.create_fix()).to_secret(), await house.start(house.owner)

    assert await stop(house) == Halted(house.account_id, credentials=2, requests=4, froze=True)

    assert {await status(house, each) for each in (key, fix)} == {"inactive"}
    assert {await outcome(each) for each in (mailed, asked, at_secret, begun)} == {"cancelled"}
    assert await status(house, (await at_secret.request()).credential_id) == "discarded"
    assert await mailed.problem(ActivationCode(code=code)) == "request-closed"
    assert (await asked.decide()).problem == "request-closed"
    with pytest.raises(IssuingFrozen):
        await house.activate_key(key)


async def test_owners_get_one_mail_about_all_of_it(house: House) -> None:
    for _ in range(3):
        await active_key(house)
    await stop(house)

    query = "SELECT context FROM notices WHERE account_id = %s AND event = 'account_stopped'"
    contexts = [context for (context,) in await house.select(query, house.account_id)]
    assert len(contexts) == 2
    assert {(len(each["names"]), each["more"], each["actor_name"]) for each in contexts} == {
        (3, 0, "The exchange's operations team")
    }


async def test_how_a_person_confirms_may_still_be_changed_once_ops_thaw(house: House) -> None:
    change = await house.change_two_factor(house.sms_owner, ChangeTo.OFF)
    await active_key(house)

    await stop(house)

    assert await outcome(change) is None


async def test_a_second_time_changes_nothing(house: House) -> None:
    await active_key(house)
    await stop(house)
    before = await house.events()

    assert await stop(house) == Halted(house.account_id)
    assert await house.events() == before


async def test_after_a_thaw_the_owner_activates_again(house: House) -> None:
    key = await active_key(house)
    await stop(house)
    async with house.desk.on_account(house.account_id, at=ORDER.at, actor=ORDER.actor) as work:
        await thaw_account(work, ORDER)

    await (await house.activate_key(key)).to_secret()

    assert await status(house, key) == "active"


async def test_an_account_that_is_not_there_is_told_as_such(apart: Desk) -> None:
    with pytest.raises(NotFound):
        await halt_account(apart, uuid4(), ORDER)


async def test_what_would_be_stopped_is_counted_and_nothing_is_changed(house: House) -> None:
    key = await active_key(house)
    await active_fix(house)
    await house.edit_key(key, permissions=["read"], ip_whitelist="")
    await house.create_key()
    await house.change_two_factor(house.sms_owner, ChangeTo.OFF)
    before = await house.events()

    async with house.desk.database.connection() as connection:
        of_key = await halting.of_credential(connection, key)
        of_account = await halting.of_account(connection, house.account_id)
        of_all = await halting.of_everything(connection)

    assert of_key == Counts(api_keys=1, fix_credentials=0, open_requests=1)
    assert of_account == Counts(api_keys=1, fix_credentials=1, open_requests=2)
    assert (of_all.active >= 2, of_all.open_requests >= 2) == (True, True)
    assert await house.events() == before


async def test_everything_goes_off_in_every_account_and_nothing_begins(apart: Desk) -> None:
    houses = [await House.build(apart) for _ in range(6)]
    keys = [await active_key(house) for house in houses]
    asked = [await (await house.create_fix()).to_waiting() for house in houses]
    try:
        done = {each.account_id: each for each in await stop_everything(apart)}

        assert [await status(*each) for each in zip(houses, keys, strict=True)] == ["inactive"] * 6
        assert [await outcome(case) for case in asked] == ["cancelled"] * 6
        assert all(done[house.account_id].credentials == 1 for house in houses)
        with pytest.raises(IssuingSuspended):
            await houses[0].create_key()
        assert await stop_everything(apart) == []
        assert await findings(apart, houses[0].account_id) == []
        frozen = await frozen_house(apart)
        assert frozen is not None
        assert (frozen.frozen, frozen.done_by, frozen.reason) == (HouseFreeze.ALL, "Otto", "leaked, ticket 7")
    finally:
        await thaw_house(apart, ORDER)
    # One thaw is enough.
    await houses[0].create_key()


async def test_interrupted_it_goes_on_where_it_stood(apart: Desk) -> None:
    houses = [await House.build(apart) for _ in range(9)]
    keys = [await active_key(house) for house in houses]
    try:
        stopping = halt_everything(apart, ORDER)
        await anext(stopping)
        await stopping.aclose()
        left = [each for each in zip(houses, keys, strict=True) if await status(*each) == "active"]
        assert 0 < len(left) < 9

        again = await stop_everything(apart)

        ours = {house.account_id for house in houses}
        assert ours & {each.account_id for each in again} == {house.account_id for house, _ in left}
        assert {await status(*each) for each in zip(houses, keys, strict=True)} == {"inactive"}
        assert [len(await told_by_ops(house)) for house in houses] == [1] * 9
    finally:
        await thaw_house(apart, ORDER)


async def test_fifty_stops_at_once_are_one(house: House) -> None:
    await active_key(house)
    await house.create_key()

    done = await asyncio.gather(*(stop(house) for _ in range(50)))

    assert [each for each in done if each.anything] == [Halted(house.account_id, 1, 1, froze=True)]
    assert len(await told_by_ops(house)) == 1
    assert await findings(house.desk, house.account_id) == []


async def test_an_activation_under_way_is_never_active_once_the_account_is_stopped(house: House) -> None:
    answers = set()
    for comes_first in (True, False) * 4:
        other = await House.build(house.desk)
        case = await (await other.create_key()).to_waiting()
        activation = case.problem(ActivationCode(code=await case.sent()))
        both = (activation, stop(other)) if comes_first else (stop(other), activation)
        answers |= {each for each in await asyncio.gather(*both) if not isinstance(each, Halted)}
        assert await status(other, (await case.request()).credential_id) == "inactive"
        assert await findings(other.desk, other.account_id) == []
    assert answers == {None, "request-closed"}


@pytest.mark.parametrize("step", ["choice", "manager"])
async def test_nor_is_what_waits_for_a_choice_or_a_manager(house: House, step: str) -> None:
    case = await (await house.create_fix()).to_choice() if step == "choice" else None
    case = case or await (await house.create_fix()).to_waiting()
    deciding = case.problem(Activate()) if step == "choice" else case.decide()

    await asyncio.gather(deciding, stop(house))

    assert await status(house, (await case.request()).credential_id) == "inactive"


async def test_everything_stops_while_requests_are_being_made(apart: Desk) -> None:
    houses, some_are_active = [await House.build(apart) for _ in range(6)], asyncio.Event()

    async def make(house: House) -> None:
        while True:
            try:
                await active_key(house)
            except IssuingSuspended:
                return
            except (AssertionError, RequestClosed, NotAtThisStep):
                # Ended at one of its steps.
                continue
            some_are_active.set()

    async def stop_them() -> list[Halted]:
        await some_are_active.wait()
        return await stop_everything(apart)

    try:
        stopped, _ = await asyncio.gather(stop_them(), asyncio.gather(*map(make, houses)))
        assert sum(each.credentials for each in stopped) > 0
        async with apart.database.connection() as connection:
            counts = await halting.of_everything(connection)
        assert (counts.active, counts.open_requests) == (0, 0)
    finally:
        await thaw_house(apart, ORDER)


@pytest.mark.parametrize(("active", "typed"), [(0, 0), (9, 9), (100, 95), (100, 110)])
def test_a_number_that_is_right_or_nearly_so_confirms(active: int, typed: int) -> None:
    require_confirmed(Counts(api_keys=active, fix_credentials=0, open_requests=3), typed)


@pytest.mark.parametrize(("active", "typed"), [(0, 1), (9, 8), (9, -1), (100, 89), (100, 111), (5, 0)])
def test_any_other_number_confirms_nothing_and_the_right_one_is_told(active: int, typed: int) -> None:
    with pytest.raises(NotConfirmed, match=f"^{active} credentials are active now"):
        require_confirmed(Counts(api_keys=0, fix_credentials=active, open_requests=3), typed)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 201, "\x00"])
def test_without_a_reason_and_a_name_nothing_is_ordered(text: str) -> None:
    with pytest.raises(InvalidInput, match="Say why"):
        parse_reason(text)
    with pytest.raises(InvalidInput, match="Say who you are"):
        parse_name(text)


def test_a_reason_stands_on_one_line() -> None:
    assert parse_reason(" leaked\x00\n to  a\u202e forum ") == "leaked to a forum"
