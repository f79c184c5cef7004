"""Authenticators: one step of clocks that differ, and each step good once (RFC 6238)."""

from datetime import timedelta

import pytest

from countersign.domain.errors import RequestClosed
from countersign.domain.messages import ResendCode, TwoFactorCode
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import ChangeTo
from countersign.effects.security import enrolment
from countersign.storage import users
from tests.support.cast import challenge_of
from tests.support.house import NOW, VERIFIER, House, by, minutes


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_clock_may_be_one_step_slow_or_fast(house: House, steps: int) -> None:
    case = await house.create_key()
    assert (await case.enter(case.authenticator(steps=steps))).problem is None


@pytest.mark.parametrize("steps", [-2, 2])
async def test_two_steps_are_too_many(house: House, steps: int) -> None:
    case = await house.create_key()
    assert (await case.enter(case.authenticator(steps=steps))).problem == "wrong-code"


@pytest.mark.parametrize("seconds", [-15, 14])
async def test_a_step_has_its_whole_thirty_seconds(house: House, seconds: int) -> None:
    case = await house.create_key()
    at = NOW + minutes(1) + timedelta(seconds=seconds)
    assert (await case.enter(case.authenticator(at=NOW + minutes(1), steps=1), at=at)).problem is None
    other = await house.create_key()
    assert (await other.enter(other.authenticator(at=NOW + minutes(1), steps=-1), at=at)).problem == "code-already-used"
    assert ((await other.request()).wrong_codes, (await house.row()).wrong_codes_in_a_row) == (0, 0)


async def test_a_used_step_and_those_before_it_are_used_up_and_not_counted_as_wrong(house: House) -> None:
    case, other = await house.create_key(), await house.create_key()
    assert (await case.enter(case.authenticator())).problem is None
    await other.enter(await other.wrong())
    for steps in (0, -1):
        assert (await other.enter(other.authenticator(steps=steps))).problem == "code-already-used"
    assert ((await other.request()).wrong_codes, (await house.row()).wrong_codes_in_a_row) == (1, 1)
    assert (await other.enter(other.authenticator(steps=1))).problem is None
    [(last,)] = await house.select("SELECT totp_last_step FROM users WHERE id = %s", house.owner)
    assert last == int(NOW.timestamp()) // 30 + 1


async def test_a_new_authenticator_proves_itself_with_its_own_code_whatever_was_used_before(house: House) -> None:
    await house.change("UPDATE users SET totp_last_step = %s WHERE id = %s", 10**9, house.sms_owner)
    case = await house.change_two_factor(house.sms_owner, ChangeTo.AUTHENTICATOR)
    await case.enter(await case.sent())
    shown = await enrolment(house.desk, case.id, at=NOW, actor=by(house.sms_owner), verifier=VERIFIER)
    assert len(shown.secret) == 32
    house.seed = shown.secret

    assert (await case.enter(case.authenticator())).problem is None

    async with house.desk.database.connection() as connection:
        user = await users.get(connection, house.sms_owner)
    assert user
    assert user.two_factor_method is TwoFactorMethod.AUTHENTICATOR
    assert user.totp_last_step == int(NOW.timestamp()) // 30
    key = await house.create_key(house.sms_owner)
    assert (await key.enter(key.authenticator())).problem == "code-already-used"
    assert (await key.enter(key.authenticator(steps=1))).problem is None


async def test_two_enrolments_have_different_seeds_sealed_to_their_requests(house: House) -> None:
    seeds = set()
    for _ in range(2):
        case = await house.change_two_factor(house.sms_owner, ChangeTo.AUTHENTICATOR)
        await case.send(ResendCode(), at=NOW)
        await case.send(TwoFactorCode(code=await case.sent(), reveal_challenge=challenge_of(VERIFIER)))
        shown = await enrolment(house.desk, case.id, at=NOW, actor=by(house.sms_owner), verifier=VERIFIER)
        seeds.add(shown.secret)
        await case.cancel()
    assert len(seeds) == 2


async def test_past_its_deadline_a_change_shows_no_seed_and_says_that_it_ran_out(house: House) -> None:
    case = await house.change_two_factor(house.sms_owner, ChangeTo.AUTHENTICATOR)
    await case.enter(await case.sent())
    with pytest.raises(RequestClosed) as refusal:
        await enrolment(house.desk, case.id, at=NOW + minutes(30), actor=by(house.sms_owner), verifier=VERIFIER)
    assert refusal.value.extra == {"outcome": "expired"}
    await case.cancel()
    with pytest.raises(RequestClosed) as refusal:
        await enrolment(house.desk, case.id, at=NOW, actor=by(house.sms_owner), verifier=VERIFIER)
    assert refusal.value.extra == {"outcome": "cancelled"}
