"""Codes: when they are good, how often they are sent, and what a wrong one costs."""

from datetime import timedelta
from uuid import uuid4

import pytest

from countersign.domain.errors import TooManyCodes
from countersign.domain.messages import ActivationCode, ResendCode, SecretSaved, TwoFactorCode
from countersign.domain.requests import Channel, Outcome, Step
from countersign.effects.codes import link_token, one_time_code
from tests.support.cast import challenge_of
from tests.support.house import NOW, TICK, VERIFIER, Case, House, minutes

HOUR = timedelta(hours=1)


async def refused(case: Case, count: int) -> list[object]:
    """Enter wrong codes; return how many were left after each."""
    code = await case.wrong()
    return [(await case.enter(code)).extra.get("attempts_left") for _ in range(count)]


async def test_a_texted_code_is_the_hotp_value_of_its_challenge_and_send(house: House) -> None:
    case = await house.create_key(house.sms_owner)
    request = await case.request()
    assert request.challenge_id
    assert (request.channel, request.send_number, request.delivery) == ("sms", 1, "sending")
    keys = house.desk.keys
    assert one_time_code(keys, request.challenge_id, 1, key_id=request.key_id) == await case.sent()
    assert link_token(keys, request.challenge_id, 2, key_id=request.key_id) == await case.link(2)
    assert request.key_id == keys.current


async def test_a_code_is_good_until_the_last_microsecond_of_its_five_minutes(house: House) -> None:
    case, late = await house.create_key(house.sms_owner), await house.create_key(house.sms_owner)
    assert (await case.enter(await case.sent(), at=NOW + minutes(5) - TICK)).problem is None
    assert (await late.enter(await late.sent(), at=NOW + minutes(5))).problem == "code-expired"
    assert (await late.request()).wrong_codes == 0


async def test_earlier_codes_stay_good_and_later_ones_too_after_a_resend(house: House) -> None:
    first, second = await house.create_key(house.sms_owner), await house.create_key(house.sms_owner)
    for case in (first, second):
        assert await case.problem(ResendCode(), at=NOW + minutes(2)) is None
    assert (await first.enter(await first.sent(1), at=NOW + minutes(3))).problem is None
    assert (await second.enter(await second.sent(1), at=NOW + minutes(5))).problem == "wrong-code"
    assert (await second.enter(await second.sent(2), at=NOW + minutes(7) - TICK)).problem is None


async def test_a_new_code_can_be_had_two_minutes_after_the_newest_and_not_a_moment_sooner(house: House) -> None:
    case = await house.create_key(house.sms_owner)
    early = await case.send(ResendCode(), at=NOW + minutes(2) - TICK)
    assert (early.problem, early.extra) == ("resend-too-early", {"retry_after": 1})
    sooner = await case.send(ResendCode(), at=NOW + minutes(0.5))
    assert sooner.extra == {"retry_after": 90}

    done = await case.send(ResendCode(), at=NOW + minutes(2))

    assert done.problem is None
    assert done.state.unsent
    assert (done.state.unsent.number, done.state.unsent.channel) == (2, Channel.SMS)
    assert done.state.unsent.expires_at == NOW + minutes(7)
    assert await house.last_event() == ("code:requested", {"step": "two_factor_code", "number": 2})
    assert await case.problem(ResendCode(), at=NOW + minutes(4) - TICK) == "resend-too-early"
    again = await case.send(ResendCode(), at=NOW + minutes(4))
    assert again.state.unsent
    assert again.state.unsent.number == 3


async def test_an_authenticators_window_is_opened_again_and_nothing_is_sent(house: House) -> None:
    case = await house.create_key()
    later = NOW + minutes(6)
    assert (await case.enter(case.authenticator(at=later), at=later)).problem == "code-expired"
    assert (await case.send(ResendCode(), at=later)).state.unsent is None
    assert (await case.enter(case.authenticator(at=later), at=later)).problem is None


async def test_a_key_waits_half_an_hour_from_the_newest_code_on(house: House) -> None:
    case = await house.create_key()
    assert (await case.request()).deadline == NOW + minutes(30)
    await case.send(ResendCode(), at=NOW + minutes(10))
    assert (await case.request()).deadline == NOW + minutes(40)


async def test_a_fix_creation_waits_as_long_as_its_newest_code_is_good(house: House) -> None:
    case = await house.create_fix()
    assert (await case.request()).deadline == NOW + minutes(5)
    assert await case.problem(ResendCode(), at=NOW + minutes(5) - TICK) is None
    assert (await case.request()).deadline == NOW + minutes(10) - TICK


async def test_a_fix_creation_whose_newest_code_ran_out_gets_no_other(house: House) -> None:
    fix, key = await house.create_fix(), await house.create_key()
    assert await fix.problem(ResendCode(), at=NOW + minutes(5)) == "code-expired"
    assert await key.problem(ResendCode(), at=NOW + minutes(31)) is None


async def test_the_mailed_code_may_be_asked_for_anew_without_more_time_for_the_step(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    assert ((await case.request()).channel, (await case.request()).deadline) == ("email", NOW + timedelta(hours=24))
    assert await case.problem(ResendCode(), at=NOW + minutes(2)) is None
    assert (await case.request()).deadline == NOW + timedelta(hours=24)


@pytest.mark.parametrize("step", ["to_secret", "to_choice"])
async def test_where_no_code_is_asked_for_none_can_be_had(house: House, step: str) -> None:
    case = await house.create_key()
    await getattr(case, step)()
    answer = await case.send(ResendCode(), at=NOW + minutes(2))
    assert (answer.problem, answer.extra) == ("not-at-this-step", {"step": str((await case.request()).step)})


async def test_an_account_gets_ten_codes_an_hour_and_is_told_when_the_next_can_be_had(house: House) -> None:
    cases = [await house.create_key(house.sms_owner, at=NOW + minutes(number)) for number in range(10)]
    answer = await cases[0].send(ResendCode(), at=NOW + minutes(50))
    assert (answer.problem, answer.extra) == ("too-many-codes", {"retry_after": 600})
    assert await cases[0].problem(ResendCode(), at=NOW + minutes(60) - TICK) == "too-many-codes"
    assert await cases[0].problem(ResendCode(), at=NOW + minutes(60)) is None
    assert await cases[1].problem(ResendCode(), at=NOW + minutes(60)) == "too-many-codes"


async def test_the_tenth_code_of_the_hour_is_still_sent(house: House) -> None:
    cases = [await house.create_key(house.sms_owner) for _ in range(9)]
    assert await cases[0].problem(ResendCode(), at=NOW + minutes(2)) is None
    assert await cases[1].problem(ResendCode(), at=NOW + minutes(2)) == "too-many-codes"


async def test_codes_about_to_be_sent_count_too(house: House) -> None:
    case = await house.create_key(house.sms_owner)
    for _ in range(9):
        await house.start_key(house.sms_owner)
    await house.start_key(house.owner)
    answer = await case.send(ResendCode(), at=NOW + minutes(2))
    assert (answer.problem, answer.extra) == ("too-many-codes", {"retry_after": 58 * 60})


async def test_with_every_code_of_the_hour_about_to_be_sent_a_minute_is_to_be_waited(house: House) -> None:
    for _ in range(10):
        await house.start_key(house.sms_owner)
    with pytest.raises(TooManyCodes) as refusal:
        await house.start_key(house.sms_owner)
    assert refusal.value.extra == {"retry_after": 60}


async def test_an_authenticators_windows_are_not_limited(house: House) -> None:
    for _ in range(10):
        await house.create_key(house.sms_owner)
    case = await house.create_key()
    assert await case.problem(ResendCode(), at=NOW + minutes(2)) is None


@pytest.mark.parametrize("text", ["12345", "1234567", "", "abcdef"])
async def test_what_is_no_code_is_not_counted(house: House, text: str) -> None:
    case = await house.create_key()
    assert (await case.enter(text)).problem == "invalid-input"
    assert ((await case.request()).wrong_codes, (await house.row()).wrong_codes_in_a_row) == (0, 0)


async def test_each_wrong_code_is_counted_and_told_and_the_fifth_ends_the_request(house: House) -> None:
    case = await house.create_key()
    assert await refused(case, 4) == [4, 3, 2, 1]
    assert ((await case.request()).wrong_codes, (await house.row()).wrong_codes_in_a_row) == (4, 4)
    assert await house.last_event() == ("code:wrong", {"step": "two_factor_code", "attempts_left": 1})
    assert await refused(case, 1) == [0]
    request = await case.request()
    assert (request.outcome, request.reason) == (Outcome.REFUSED, "too many wrong codes")
    assert (await house.events())[-2] == ("code:wrong", {"step": "two_factor_code", "attempts_left": 0})
    assert (await case.enter(case.authenticator())).problem == "request-closed"


async def test_a_right_code_ends_the_row_of_wrong_ones_and_is_counted_as_none(house: House) -> None:
    case = await house.create_key()
    await refused(case, 4)
    assert (await case.enter(case.authenticator())).problem is None
    assert (await house.row()).wrong_codes_in_a_row == 0
    [(wrong, solved)] = await house.select(
        "SELECT wrong_codes, solved_at FROM challenges WHERE request_id = %s", case.id
    )
    assert (wrong, solved) == (4, NOW)
    other = await house.create_key(house.sms_owner)
    assert (await other.enter(await other.sent())).problem is None
    assert await house.select("SELECT wrong_codes FROM challenges WHERE request_id = %s", other.id) == [(0,)]


async def test_the_fifth_wrong_mailed_code_leaves_the_key_inactive(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    wrong = await case.wrong()
    left = [(await case.send(ActivationCode(code=wrong))).extra["attempts_left"] for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    assert (await case.request()).outcome is Outcome.LEFT_INACTIVE


async def test_twenty_wrong_codes_an_hour_are_enough_for_an_account(house: House) -> None:
    for number in range(4):
        await refused(await house.create_key(at=NOW), 5)
        if number < 3:
            assert (await house.row()).wrong_codes_in_a_row == 5 * (number + 1)
    case = await house.create_key()
    answer = await case.enter(case.authenticator(), at=NOW + minutes(4))
    assert (answer.problem, answer.extra) == ("too-many-wrong-codes", {"retry_after": 56 * 60})
    later = await house.create_key(at=NOW + HOUR - minutes(1))
    good = later.authenticator(at=NOW + HOUR)
    assert (await later.enter(good, at=NOW + HOUR - TICK)).problem == "too-many-wrong-codes"
    assert (await later.enter(good, at=NOW + HOUR)).problem is None


async def test_the_twentieth_wrong_code_of_the_hour_is_still_looked_at(house: House) -> None:
    for _ in range(3):
        await refused(await house.create_key(), 5)
    case = await house.create_key()
    assert await refused(case, 4) == [4, 3, 2, 1]
    assert (await case.enter(case.authenticator())).problem is None


async def test_fifty_wrong_codes_in_a_row_freeze_issuing_and_the_owners_are_mailed(house: House) -> None:
    await house.change("UPDATE accounts SET wrong_codes_in_a_row = 48 WHERE id = %s", house.account_id)
    case, other = await house.create_key(), await house.create_key()
    await refused(case, 1)
    assert (await house.row()).frozen_at is None
    assert await house.mails() == set()
    await refused(case, 1)
    assert ((await house.row()).frozen_at, (await house.row()).wrong_codes_in_a_row) == (NOW, 0)
    assert (await house.last_event())[0] == "account:issuing-frozen"
    assert await house.mails() == {("issuing_frozen", house.owner), ("issuing_frozen", house.sms_owner)}
    [(told,)] = await house.select("SELECT DISTINCT request_id FROM notices WHERE account_id = %s", house.account_id)
    assert told == case.id
    assert (await other.enter(other.authenticator())).problem == "issuing-frozen"
    assert await other.problem(ResendCode(), at=NOW + minutes(2)) == "issuing-frozen"
    assert (await other.request()).wrong_codes == 0


async def test_a_link_is_good_however_long_ago_it_was_sent_and_is_its_own_steps_alone(house: House) -> None:
    case, other = await (await house.create_key()).to_waiting(), await (await house.create_key()).to_waiting()
    await case.send(ResendCode(), at=NOW + minutes(2))
    for token in [await other.link(), await case.link(3), "", "x" * 43, (await case.link())[:-1]]:
        answer = await case.send(ActivationCode(link_token=token), at=NOW + minutes(60))
        assert answer.problem == "invalid-link"
    assert (await case.request()).wrong_codes == 0
    assert await case.problem(ActivationCode(link_token=await case.link(1)), at=NOW + minutes(60)) is None
    [(step, solved)] = await house.select(
        "SELECT step, solved_at FROM challenges WHERE request_id = %s AND solved_at > %s", case.id, NOW
    )
    assert (step, solved) == ("activation_code", NOW + minutes(60))
    assert await other.problem(ActivationCode(link_token=await other.link())) is None


async def test_a_link_opens_nothing_while_issuing_is_frozen(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    await house.change("UPDATE accounts SET frozen_at = now() WHERE id = %s", house.account_id)
    assert await case.problem(ActivationCode(link_token=await case.link())) == "issuing-frozen"


async def test_a_code_is_checked_under_the_key_it_was_made_with(house: House) -> None:
    case = await house.create_key(house.sms_owner)
    other = uuid4()
    keys = house.desk.keys
    assert one_time_code(keys, other, 1, key_id=keys.current) != await case.sent()
    assert link_token(keys, other, 1, key_id=keys.current) != link_token(keys, other, 2, key_id=keys.current)


async def test_the_same_message_again_gets_the_same_verdict_and_counts_once(house: House) -> None:
    case = await house.create_key()
    message = TwoFactorCode(code=await case.wrong(), reveal_challenge=challenge_of(VERIFIER))
    first = await case.send(message, key="one")
    again = await case.send(message, key="one")
    assert (again.problem, again.extra, again.detail) == (first.problem, first.extra, first.detail)
    assert (await case.request()).wrong_codes == 1
    assert (await case.send(SecretSaved(), key="two")).problem == "not-at-this-step"
    assert (await case.request()).step is Step.TWO_FACTOR_CODE
