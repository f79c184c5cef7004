"""Containing an account whose past was lost with a restore."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from countersign.domain.errors import IssuingFrozen, NotFound
from countersign.domain.messages import ActivationCode, Actor, ActorKind
from countersign.effects.containing import Contained, contain
from countersign.storage.sessions import Session, insert
from tests.support.house import NOW, House

OPS = Actor(kind=ActorKind.OPS)


async def contained(house: House) -> Contained:
    return await contain(house.desk, house.account_id, at=NOW, actor=OPS)


async def active_key(house: House) -> UUID:
    case = await (await house.create_key()).to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent())) is None
    return (await case.request()).credential_id


async def status(house: House, credential_id: UUID) -> str:
    [(found,)] = await house.select("SELECT status FROM credentials WHERE id = %s", credential_id)
    return str(found)


async def test_what_is_active_goes_off_and_every_owner_is_told(house: House) -> None:
    key = await active_key(house)

    assert await contained(house) == Contained(house.account_id, requests=0, credentials=1)

    assert await status(house, key) == "inactive"
    assert {("credential_deactivated", owner) for owner in (house.owner, house.sms_owner)} <= await house.mails()


async def test_what_is_open_ends_and_nothing_of_it_remains_usable(house: House) -> None:
    at_code, at_secret = await house.create_key(), await (await house.create_fix()).to_secret()

    assert (await contained(house)).requests == 2

    for case in (at_code, at_secret):
        assert (await case.request()).outcome == "cancelled"
    assert await status(house, (await at_secret.request()).credential_id) == "discarded"


async def test_nothing_is_issued_until_ops_have_looked(house: House) -> None:
    await contained(house)

    with pytest.raises(IssuingFrozen):
        await house.create_key()


async def test_browsers_that_were_signed_out_since_and_codes_used_since_are_good_for_nothing(house: House) -> None:
    async with house.desk.database.connection() as connection:
        times = {"created_at": NOW, "seen_at": NOW, "expires_at": NOW + timedelta(days=1)}
        await insert(connection, Session(token_hash=uuid4().bytes, user_id=house.owner, account_id=None, **times))
    await house.change(
        "INSERT INTO recovery_codes (user_id, code_mac, key_id) VALUES (%s, %s, 'k')", house.owner, uuid4().bytes
    )

    await contained(house)

    assert await house.select("SELECT 1 FROM sessions WHERE user_id = %s", house.owner) == []
    assert await house.select("SELECT 1 FROM recovery_codes WHERE user_id = %s", house.owner) == []


async def test_a_second_time_changes_nothing(house: House) -> None:
    await active_key(house)
    await contained(house)
    before = await house.events()

    assert await contained(house) == Contained(house.account_id, requests=0, credentials=0)

    assert await house.events() == before


async def test_the_trail_tells_of_it(house: House) -> None:
    await contained(house)

    event, details = await house.last_event()
    assert (event, details["recovery_codes_deleted"]) == ("account:issuing-frozen", True)


async def test_an_account_that_is_not_there_is_told_as_such(house: House) -> None:
    with pytest.raises(NotFound):
        await contain(house.desk, uuid4(), at=NOW, actor=OPS)
