"""Recovery codes: shown once, good once, and for nothing but replacing a factor that is lost."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from countersign.domain.messages import Actor, ActorKind, RecoveryCode
from countersign.domain.people import TwoFactorMethod
from countersign.effects.people import UserChange, change_user
from tests.support.answers import as_seen_by, problem
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import audit, mails, result_of
from tests.support.patience import eventually
from tests.support.rows import change, let_deadline_pass, select
from tests.support.security import (
    begin_change,
    changed,
    enter_recovery_code,
    new_code,
    new_phone_of,
    ok,
    recovery_codes,
    standing,
)

UNKNOWN = "0000-0000-0000-0000"


async def codes_of(person: Person) -> list[str]:
    """Return new recovery codes of the person."""
    return await recovery_codes(await changed(person, "recovery_codes"))


async def show(flow: Flow, verifier: str | None = None) -> tuple[int, str]:
    return problem(await flow.post("/recovery-codes", {"reveal_verifier": verifier or flow.verifier}))


@pytest.mark.parametrize("to", ["authenticator", "sms"])
async def test_turning_two_factor_on_brings_ten_codes(cast: Cast, to: str) -> None:
    form = {"phone": new_phone_of(cast.bare_owner)} if to == "sms" else {}
    codes = await recovery_codes(await changed(cast.bare_owner, to, **form))

    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert (await standing(cast.bare_owner))["recovery_codes_left"] == 10


async def test_new_ones_can_be_asked_for_with_a_code_and_replace_the_old_ones(cast: Cast) -> None:
    old = await codes_of(cast.owner)
    new = await codes_of(cast.owner)

    flow = await begin_change(cast.owner, "off")
    assert problem(await enter_recovery_code(flow, old[0])) == (422, "wrong-code")
    assert ok(await enter_recovery_code(flow, new[0]))["outcome"] == "changed"


async def test_a_lost_answer_is_no_loss_showing_again_makes_new_ones(cast: Cast) -> None:
    flow = await changed(cast.owner, "recovery_codes")

    lost, had = await recovery_codes(flow), await recovery_codes(flow)

    assert not set(lost) & set(had)
    assert (await standing(cast.owner))["recovery_codes_left"] == 10
    off = await begin_change(cast.owner, "off")
    assert problem(await enter_recovery_code(off, lost[0])) == (422, "wrong-code")
    ok(await enter_recovery_code(off, had[0]))


async def test_asking_for_new_ones_leaves_the_method_and_what_is_under_way_alone(cast: Cast) -> None:
    creation = await cast.owner.create_api_key()

    await codes_of(cast.owner)

    assert await creation.step() == "two_factor_code"
    assert (await standing(cast.owner))["two_factor_method"] == "authenticator"
    assert "user:changed" not in {event["event"] for event in await audit(cast.owner)}


async def test_a_lost_authenticator_is_replaced_with_a_recovery_code(cast: Cast) -> None:
    codes = await codes_of(cast.owner)
    flow = await begin_change(cast.owner, "authenticator")

    assert ok(await enter_recovery_code(flow, codes[3]))["step"] == "new_factor_code"
    ok(await flow.enter_code(await new_code(flow)))

    assert await result_of(flow) == "changed"
    assert (await standing(cast.owner))["recovery_codes_left"] == 9
    await (await cast.owner.create_api_key()).to_secret()


async def test_a_code_is_taken_as_people_type_it(cast: Cast) -> None:
    code = (await codes_of(cast.owner))[0]
    typed = code.replace("-", " ").replace("0", "o").replace("1", "l").lower()

    ok(await enter_recovery_code(await begin_change(cast.owner, "off"), typed))


async def test_it_needs_no_window_and_is_good_as_long_as_the_step(cast: Cast) -> None:
    first, second, *_ = await codes_of(cast.sms_owner)
    flow = await begin_change(cast.sms_owner, "authenticator")
    await flow.skip(minutes=29)
    ok(await enter_recovery_code(flow, first))
    ok(await flow.cancel())

    late = await begin_change(cast.sms_owner, "off")
    await let_deadline_pass(cast.core, late.id)

    assert problem(await enter_recovery_code(late, second)) == (409, "request-closed")


async def test_past_the_deadline_it_is_refused_although_the_request_was_not_closed_yet(cast: Cast) -> None:
    code = (await codes_of(cast.owner))[0]
    flow = await begin_change(cast.owner, "off")
    await let_deadline_pass(cast.core, flow.id)

    await flow.handle.signal("recovery_code", RecoveryCode(code=code))

    assert await result_of(flow) == "expired"
    assert (await standing(cast.owner))["recovery_codes_left"] == 10


async def test_a_code_is_good_once(cast: Cast) -> None:
    code = (await codes_of(cast.owner))[0]
    flow = await begin_change(cast.owner, "authenticator")
    ok(await enter_recovery_code(flow, code))
    await flow.cancel()

    again = await begin_change(cast.owner, "authenticator")

    assert problem(await enter_recovery_code(again, code)) == (422, "wrong-code")


async def test_of_many_at_once_one_is_taken_and_one_code_is_used(cast: Cast) -> None:
    codes = await codes_of(cast.owner)
    flow = await begin_change(cast.owner, "authenticator")

    answers = await asyncio.gather(*(enter_recovery_code(flow, code) for code in codes))

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    assert (await standing(cast.owner))["recovery_codes_left"] == 9
    assert (await flow.shown())["attempts_left"] == 5


async def test_five_wrong_ones_end_the_change_and_count_as_wrong_codes_of_the_account(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    answers = [await enter_recovery_code(flow, UNKNOWN) for _ in range(5)]

    assert [answer.json()["attempts_left"] for answer in answers] == [4, 3, 2, 1, 0]
    assert await result_of(flow) == "refused"
    [[wrong]] = await select(
        cast.core, "SELECT wrong_codes_in_a_row FROM accounts WHERE id = %s", cast.owner.account_id
    )
    assert wrong == 5


async def test_what_cannot_be_one_is_refused_and_not_counted(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    assert problem(await enter_recovery_code(flow, "UUUU-UUUU-UUUU-UUUU")) == (422, "invalid-input")
    assert (await flow.shown())["attempts_left"] == 5


async def test_another_persons_code_is_wrong(cast: Cast) -> None:
    theirs = (await codes_of(cast.second_owner))[0]

    answer = await enter_recovery_code(await begin_change(cast.owner, "off"), theirs)

    assert problem(answer) == (422, "wrong-code")
    assert (await standing(cast.second_owner))["recovery_codes_left"] == 10


async def test_it_creates_no_key(cast: Cast) -> None:
    code = (await codes_of(cast.owner))[0]
    creation = await cast.owner.create_api_key()

    assert problem(await enter_recovery_code(creation, code)) == (409, "not-at-this-step")
    assert (await standing(cast.owner))["recovery_codes_left"] == 10


async def test_it_does_not_stand_in_for_the_new_factor(cast: Cast) -> None:
    first, second, *_ = await codes_of(cast.owner)
    flow = await begin_change(cast.owner, "authenticator")
    ok(await enter_recovery_code(flow, first))

    assert problem(await enter_recovery_code(flow, second)) == (409, "not-at-this-step")


async def test_while_issuing_is_frozen_none_is_checked(cast: Cast) -> None:
    code = (await codes_of(cast.owner))[0]
    flow = await begin_change(cast.owner, "off")
    await change(cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", cast.owner.account_id)

    assert problem(await enter_recovery_code(flow, code)) == (403, "issuing-frozen")


async def test_codes_whose_key_is_gone_from_the_ring_are_wrong_and_hold_nothing_up(cast: Cast) -> None:
    first, *_ = await codes_of(cast.owner)
    await change(cast.core, "UPDATE recovery_codes SET key_id = 'retired' WHERE user_id = %s", cast.owner.id)

    answer = await enter_recovery_code(await begin_change(cast.owner, "off"), first)

    assert problem(answer) == (422, "wrong-code")


async def test_turning_two_factor_off_deletes_them(cast: Cast) -> None:
    await codes_of(cast.owner)

    await changed(cast.owner, "off")

    assert await select(cast.core, "SELECT 1 FROM recovery_codes WHERE user_id = %s", cast.owner.id) == []


async def test_ops_turning_it_off_deletes_them_too_and_the_person_is_mailed(cast: Cast) -> None:
    await codes_of(cast.owner)

    off = UserChange(two_factor=TwoFactorMethod.NONE)
    await change_user(cast.core.desk, cast.owner.id, off, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))

    assert (await standing(cast.owner))["recovery_codes_left"] == 0
    [mail] = await mails(cast.owner, "Two-factor authentication turned off")
    assert "By: The exchange's operations team" in mail


async def test_they_are_shown_to_whoever_entered_the_code_and_to_nobody_else(cast: Cast) -> None:
    flow = await changed(cast.owner, "recovery_codes")

    assert await show(flow, "x" * 43) == (403, "reveal-refused")
    assert await show(as_seen_by(cast.second_owner, flow)) == (403, "not-the-requester")
    assert await show(as_seen_by(cast.outsider, flow)) == (404, "not-found")
    assert (await standing(cast.owner))["recovery_codes_left"] == 0


async def test_they_are_shown_for_half_an_hour(cast: Cast) -> None:
    flow = await changed(cast.owner, "recovery_codes")
    await recovery_codes(flow)

    age = "UPDATE requests SET closed_at = closed_at - interval '30 minutes' WHERE id = %s"
    await change(cast.core, age, flow.id)

    assert await show(flow) == (410, "secret-gone")
    assert (await standing(cast.owner))["recovery_codes_left"] == 10


async def test_they_are_not_shown_before_the_change_is_done_nor_after_it_came_to_nothing(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "recovery_codes")

    assert await show(flow) == (409, "not-at-this-step")
    await flow.cancel()
    assert await show(flow) == (409, "request-closed")


async def test_they_are_not_shown_once_two_factor_was_turned_off_again(cast: Cast) -> None:
    flow = await changed(cast.bare_owner, "authenticator")
    await changed(cast.bare_owner, "off")

    assert await show(flow) == (410, "secret-gone")


async def test_a_change_from_one_method_to_another_brings_none_and_keeps_those_there_are(cast: Cast) -> None:
    await codes_of(cast.owner)
    flow = await changed(cast.owner, "sms", phone=new_phone_of(cast.owner))

    assert await show(flow) == (409, "not-at-this-step")
    assert (await standing(cast.owner))["recovery_codes_left"] == 10


async def test_a_creation_brings_none(cast: Cast) -> None:
    assert await show(await (await cast.owner.create_api_key()).to_secret()) == (409, "not-at-this-step")


@pytest.mark.parametrize(("who", "to"), [("bare_owner", "authenticator"), ("owner", "recovery_codes")])
async def test_the_code_must_come_with_a_challenge_or_they_could_never_be_shown(cast: Cast, who: str, to: str) -> None:
    flow = await begin_change(getattr(cast, who), to)

    answer = await flow.post("/two-factor-code", {"code": "123456"})

    assert problem(answer) == (422, "reveal-challenge-missing")
    assert (await flow.shown())["attempts_left"] == 5


async def test_showing_and_using_them_is_audited_and_mailed_without_any_code(cast: Cast) -> None:
    codes = await codes_of(cast.owner)
    ok(await enter_recovery_code(await begin_change(cast.owner, "off"), codes[0]))

    [shown] = await mails(cast.owner, "New recovery codes")
    [used] = await mails(cast.owner, "Recovery code used")
    events = {event["event"]: event["details"] for event in await audit(cast.owner)}

    assert "10 new recovery codes were shown" in shown
    assert "You have 9 left." in used
    assert events["two-factor:recovery-codes-shown"] == {"codes": 10}
    assert events["two-factor:recovery-code-used"] == {"codes_left": 9}
    everything = str(events) + str(cast.providers.mails_to(cast.owner.email))
    assert [code for code in codes if code in everything or code.replace("-", "") in everything] == []


async def test_a_signal_takes_one_too(cast: Cast) -> None:
    codes = await codes_of(cast.owner)
    flow = await begin_change(cast.owner, "off")

    await flow.handle.signal("recovery_code", RecoveryCode(code=codes[0]))

    await eventually(flow.shown, lambda shown: shown["outcome"] == "changed")
