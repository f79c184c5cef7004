"""Freezing what is issued: for one account, or for the whole exchange."""

import psycopg
import pytest

from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import Conflict, IssuingFrozen, IssuingSuspended
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import Activate, ActivateLater, ActivationCode, RequestAt, ResendCode
from countersign.domain.requests import ChangeTo
from countersign.effects.deactivation import deactivate_found
from countersign.effects.issuance import freeze_account, freeze_house, frozen_house, thaw_account, thaw_house
from countersign.effects.opening import find_credential
from countersign.effects.progress import begin
from countersign.effects.work import Desk
from tests.support.emergencies import ORDER, active_key, house_frozen, outcome, status
from tests.support.house import NOW, House, minutes

LEVELS = pytest.mark.parametrize("level", [HouseFreeze.NEW, HouseFreeze.ALL])


@pytest.fixture
async def house(apart: Desk) -> House:
    return await House.build(apart)


async def freeze(house: House) -> bool:
    async with house.desk.on_account(house.account_id, at=ORDER.at, actor=ORDER.actor) as work:
        return await freeze_account(work, ORDER)


@LEVELS
async def test_nothing_new_begins_while_the_whole_exchange_is_frozen(house: House, level: HouseFreeze) -> None:
    key, fix = await active_key(house), await (await house.create_fix()).left_inactive()
    fix_id = (await fix.request()).credential_id
    async with house_frozen(house.desk, level):
        for start in (
            house.create_key(),
            house.create_fix(house.sms_owner),
            house.edit_key(key, permissions=["read"], ip_whitelist=""),
            house.activate_fix(fix_id, house.owner),
            house.activate_fix(fix_id, house.manager),
        ):
            with pytest.raises(IssuingSuspended, match="Nothing is lost: active credentials go on working"):
                await start
        assert await status(house, key) == "active"
    await house.create_key()


async def test_what_is_open_goes_on_to_its_end_by_mail_and_by_account_manager(house: House) -> None:
    at_code, mailed = await house.create_key(), await (await house.create_key()).to_waiting()
    asked = await (await house.create_fix()).to_waiting()
    async with house_frozen(house.desk, HouseFreeze.NEW):
        await at_code.to_waiting()
        assert await mailed.problem(ActivationCode(code=await mailed.sent())) is None
        assert (await asked.decide()).problem is None
    assert {await outcome(mailed), await outcome(asked)} == {"activated"}


async def test_with_what_is_open_held_too_nothing_is_activated_and_no_try_is_used_up(house: House) -> None:
    mailed, chosen = await (await house.create_key()).to_waiting(), await (await house.create_key()).to_choice()
    asked, at_code = await (await house.create_fix()).to_waiting(), await house.create_key()
    code, link, statement = await mailed.sent(), await mailed.link(), "3" * 32
    async with house_frozen(house.desk, HouseFreeze.ALL):
        assert await mailed.problem(ActivationCode(code=code)) == "issuing-suspended"
        assert await mailed.problem(ActivationCode(code="000000")) == "issuing-suspended"
        assert await mailed.problem(ActivationCode(link_token=link)) == "issuing-suspended"
        assert await mailed.problem(ResendCode(), at=NOW + minutes(2)) == "issuing-suspended"
        assert await chosen.problem(Activate()) == "issuing-suspended"
        assert (await asked.decide(id=statement)).problem == "issuing-suspended"
        assert (await at_code.enter(at_code.authenticator())).problem == "issuing-suspended"
        assert await chosen.problem(ActivateLater()) is None
    assert await mailed.problem(ActivationCode(code=code)) is None
    assert (await asked.decide(id=statement)).problem is None
    assert (await mailed.request()).wrong_codes in {None, 0}
    assert {await outcome(mailed), await outcome(asked)} == {"activated"}


async def test_an_account_manager_may_reject_meanwhile_and_an_owner_deactivate(house: House) -> None:
    key, asked = await active_key(house), await (await house.create_fix()).to_waiting()
    async with house_frozen(house.desk, HouseFreeze.ALL):
        assert (await asked.decide(decision="reject")).problem is None
        async with house.desk.on_account(house.account_id, at=NOW, actor=ORDER.actor) as work:
            await deactivate_found(work, await find_credential(work, key, kind=CredentialKind.API_KEY))
    assert (await outcome(asked), await status(house, key)) == ("rejected", "inactive")


async def test_what_begins_a_moment_after_the_freeze_goes_on_unless_that_is_held_too(house: House) -> None:
    goes_on, held = await house.start_key(house.owner), await house.start_key(house.owner)
    async with house_frozen(house.desk, HouseFreeze.NEW):
        await begin(house.desk, RequestAt(request_id=goes_on, at=NOW))
    async with house_frozen(house.desk, HouseFreeze.ALL):
        await begin(house.desk, RequestAt(request_id=held, at=NOW))
    query = "SELECT step, outcome, reason FROM requests WHERE id = %s"
    assert await house.select(query, goes_on) == [("two_factor_code", None, None)]
    assert await house.select(query, held) == [("closed", "cancelled", "issuing-suspended")]


async def test_how_a_person_confirms_may_be_changed_while_only_new_credentials_are_frozen(house: House) -> None:
    async with house_frozen(house.desk, HouseFreeze.NEW):
        await house.change_two_factor(house.sms_owner, ChangeTo.OFF)
    async with house_frozen(house.desk, HouseFreeze.ALL):
        with pytest.raises(IssuingSuspended):
            await house.change_two_factor(house.owner, ChangeTo.OFF)


async def test_who_froze_it_and_why_is_kept_and_nobody_weakens_it_by_freezing_again(apart: Desk) -> None:
    assert await frozen_house(apart) is None
    assert await freeze_house(apart, HouseFreeze.NEW, ORDER)
    assert not await freeze_house(apart, HouseFreeze.NEW, ORDER)
    assert await freeze_house(apart, HouseFreeze.ALL, ORDER)
    assert not await freeze_house(apart, HouseFreeze.NEW, ORDER)
    found = await frozen_house(apart)
    assert found is not None
    assert (found.frozen, found.done_by, found.reason) == (HouseFreeze.ALL, ORDER.by, ORDER.reason)
    await thaw_house(apart, ORDER)
    with pytest.raises(Conflict):
        await thaw_house(apart, ORDER)


@pytest.mark.parametrize(
    "statement", ["UPDATE house_freezes SET frozen = 'none'", "DELETE FROM house_freezes", "TRUNCATE house_freezes"]
)
async def test_the_application_cannot_change_what_was_ordered_once(house: House, statement: str) -> None:
    async with house.desk.database.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement.encode())


async def test_one_account_is_frozen_with_all_that_is_open_and_its_owners_are_told(house: House) -> None:
    mailed, asked = await (await house.create_key()).to_waiting(), await (await house.create_fix()).to_waiting()
    other = await House.build(house.desk)

    assert await freeze(house)

    assert await mailed.problem(ActivationCode(code=await mailed.sent())) == "issuing-frozen"
    assert (await asked.decide()).problem == "issuing-frozen"
    with pytest.raises(IssuingFrozen):
        await house.create_key()
    await other.create_key()
    assert {("issuing_frozen_by_ops", owner) for owner in (house.owner, house.sms_owner)} <= await house.mails()
    assert ("account:issuing-frozen", {"by": "Otto", "reason": "leaked, ticket 7"}) in await house.events()
    assert not await freeze(house)


async def test_one_account_is_thawed_and_the_trail_tells_who_did_it(house: House) -> None:
    mailed = await (await house.create_key()).to_waiting()
    await freeze(house)

    async with house.desk.on_account(house.account_id, at=ORDER.at, actor=ORDER.actor) as work:
        await thaw_account(work, ORDER)

    event, details = await house.last_event()
    assert (event, details["by"], details["reason"]) == ("account:issuing-thawed", "Otto", "leaked, ticket 7")
    assert await mailed.problem(ActivationCode(code=await mailed.sent())) is None
    with pytest.raises(Conflict):
        async with house.desk.on_account(house.account_id, at=ORDER.at, actor=ORDER.actor) as work:
            await thaw_account(work, ORDER)
