"""What SMS may cost: the caps of an account and of a day, what they refuse, and what they leave alone."""

import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from countersign.domain.errors import SmsSuspended, TooManySms
from countersign.domain.messages import SYSTEM, Activate, ActivationCode, ResendCode, SecretSaved
from countersign.domain.requests import Channel
from countersign.domain.rules import Rules
from countersign.effects.codes import require_sendable
from countersign.effects.sms import count_sms
from countersign.effects.work import Desk
from tests.support.house import NOW, TICK, House, minutes

DAY = timedelta(days=1)


@pytest.fixture
def noon() -> datetime:
    """Noon of a day on which, as on the next, hardly any other test sends anything, whoever shares the database."""
    return NOW.replace(second=0) + 2 * secrets.randbelow(10**6) * DAY


async def capped(desk: Desk, **caps: Any) -> House:
    return await House.build(replace(desk, rules=Rules(**caps)))


async def made(house: House, at: datetime) -> int:
    rows = await house.select("SELECT made FROM sms_days WHERE day = %s", at.date())
    return int(rows[0][0]) if rows else 0


async def is_held(house: House, at: datetime) -> bool:
    """Tell whether a transaction has the day's row, which is there, to itself."""
    return not await house.select("SELECT 1 FROM sms_days WHERE day = %s FOR UPDATE SKIP LOCKED", at.date())


async def test_an_sms_is_counted_on_its_day_and_a_mail_is_not(desk: Desk, noon: datetime) -> None:
    house = await capped(desk)

    case = await house.create_key(house.sms_owner, at=noon)
    assert await made(house, noon) == 1
    assert await case.problem(ResendCode(), at=noon + minutes(2)) is None
    assert await made(house, noon) == 2
    mailed = await house.create_key(at=noon)
    assert (await mailed.enter(mailed.authenticator(at=noon), at=noon)).problem is None
    await mailed.reveal(at=noon)
    for message in (SecretSaved(), Activate(), ResendCode()):
        noon += minutes(2)
        assert await mailed.problem(message, at=noon) is None

    assert (await made(house, noon), await made(house, noon + DAY)) == (2, 0)


async def test_the_account_gets_its_next_sms_a_day_after_the_first_of_the_last_ones(desk: Desk, noon: datetime) -> None:
    house = await capped(desk, sms_per_account_and_day=2, sms_per_day=0)
    await house.create_key(house.sms_owner, at=noon)
    await house.create_key(house.sms_owner, at=noon + minutes(60))

    with pytest.raises(TooManySms) as refused:
        await house.create_key(house.sms_owner, at=noon + minutes(120))

    assert refused.value.extra == {"retry_after": 22 * 3600}
    with pytest.raises(TooManySms):
        await house.create_key(house.sms_owner, at=noon + DAY - TICK)
    await house.create_key(house.sms_owner, at=noon + DAY)


async def test_requests_that_are_about_to_send_one_count_already(desk: Desk, noon: datetime) -> None:
    house = await capped(desk, sms_per_account_and_day=2, sms_per_day=0)
    await house.start_key(house.sms_owner, at=noon)
    await house.start_key(house.sms_owner, at=noon)

    with pytest.raises(TooManySms) as refused:
        await house.start_key(house.sms_owner, at=noon)

    assert refused.value.extra == {"retry_after": 60}


async def test_an_account_without_sms_left_goes_on_by_authenticator_and_mail(desk: Desk) -> None:
    house = await capped(desk, sms_per_account_and_day=1, sms_per_day=0)
    texted = await house.create_key(house.sms_owner)
    assert await texted.problem(ResendCode(), at=NOW + minutes(2)) == "too-many-sms"

    case = await (await house.create_key()).to_waiting()

    assert await case.problem(ResendCode(), at=NOW + minutes(2)) is None
    assert await case.problem(ActivationCode(code=await case.sent(2)), at=NOW + minutes(3)) is None


async def test_all_accounts_together_get_their_next_sms_at_midnight(desk: Desk, noon: datetime) -> None:
    house, other = await capped(desk, sms_per_day=1), await capped(desk, sms_per_day=1)
    case = await house.create_key(house.sms_owner, at=noon)

    with pytest.raises(SmsSuspended) as refused:
        await other.create_key(other.sms_owner, at=noon + minutes(1))

    assert refused.value.extra == {"retry_after": 12 * 3600 - 60}
    again = await case.send(ResendCode(), at=noon + minutes(2))
    assert (again.problem, again.extra) == ("sms-suspended", {"retry_after": 12 * 3600 - 120})
    await other.create_key(other.sms_owner, at=noon + timedelta(hours=12))


async def test_without_sms_left_on_the_day_mails_go_out(desk: Desk, noon: datetime) -> None:
    house = await capped(desk, sms_per_day=1)
    await house.create_key(house.sms_owner, at=noon)
    case = await house.create_key(at=noon)
    assert (await case.enter(case.authenticator(at=noon), at=noon)).problem is None

    async with house.desk.on_account(house.account_id, at=noon, actor=SYSTEM) as work:
        await require_sendable(work, Channel.EMAIL)
        assert not await is_held(house, noon)


async def test_the_last_sms_of_the_day_is_kept_for_whoever_was_told_that_it_is_there(
    desk: Desk, noon: datetime
) -> None:
    house, free = await capped(desk, sms_per_day=2), await capped(desk, sms_per_day=0)
    await house.create_key(house.sms_owner, at=noon)

    async with house.desk.on_account(house.account_id, at=noon, actor=SYSTEM) as work:
        await require_sendable(work, Channel.SMS)
        assert await is_held(house, noon)
    assert not await is_held(house, noon)
    async with free.desk.on_account(free.account_id, at=noon, actor=SYSTEM) as work:
        await require_sendable(work, Channel.SMS)
        assert not await is_held(free, noon)


async def test_the_log_tells_once_that_four_fifths_and_once_that_all_are_made(
    desk: Desk, noon: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    house = await capped(desk, sms_per_day=6)

    for _ in range(7):
        async with house.desk.on_account(house.account_id, at=noon, actor=SYSTEM) as work:
            await count_sms(work)

    assert caplog.record_tuples == [
        ("countersign.effects.sms", logging.WARNING, "5 of the day's 6 SMS are made"),
        (
            "countersign.effects.sms",
            logging.ERROR,
            "All 6 SMS of the day are made: no more are sent until midnight UTC",
        ),
    ]
