"""What a thief of a session, another owner or a stranger would try on a change of two-factor authentication."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from countersign.adapters.keyring import Purpose
from countersign.domain.messages import TwoFactorCode
from countersign.storage import requests
from countersign.wiring import API_PURPOSES
from tests.support.answers import as_seen_by, problem
from tests.support.cast import Cast, Flow, challenge_of
from tests.support.fix import audit
from tests.support.histories import read_history
from tests.support.patience import eventually
from tests.support.rows import let_deadline_pass, select, take_ownership
from tests.support.security import (
    begin_change,
    changed,
    code_of,
    codes_sent_to,
    enrolment,
    enter_recovery_code,
    new_code,
    new_phone_of,
    ok,
    recovery_codes,
    standing,
)

VERIFIER = "y" * 43
ROUTES: dict[str, dict[str, Any]] = {
    "/two-factor-code": {"code": "123456", "reveal_challenge": "x" * 43},
    "/two-factor-code/resend": {},
    "/recovery-code": {"code": "0000-0000-0000-0000"},
    "/enrolment": {"reveal_verifier": VERIFIER},
    "/recovery-codes": {"reveal_verifier": VERIFIER},
}


async def at_new_authenticator(cast: Cast) -> Flow:
    flow = await begin_change(cast.owner, "authenticator")
    ok(await flow.enter_code())
    return flow


@pytest.mark.parametrize("path", ROUTES)
async def test_another_owner_of_the_account_can_do_nothing_with_it_but_cancel(cast: Cast, path: str) -> None:
    theirs = as_seen_by(cast.second_owner, await at_new_authenticator(cast))

    assert problem(await theirs.post(path, ROUTES[path])) == (403, "not-the-requester")
    assert (await theirs.shown())["attempts_left"] == 5
    ok(await theirs.cancel())


@pytest.mark.parametrize("path", ROUTES)
async def test_for_an_owner_of_another_account_it_is_not_there(cast: Cast, path: str) -> None:
    theirs = as_seen_by(cast.outsider, await at_new_authenticator(cast))

    assert problem(await theirs.post(path, ROUTES[path])) == (404, "not-found")


async def test_whoever_is_no_owner_any_more_changes_nothing(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")
    await take_ownership(cast.core, cast.owner)

    await flow.handle.signal("two_factor_code", TwoFactorCode(code=await _present_code(flow)))
    await flow.skip(seconds=1)

    assert await as_seen_by(cast.second_owner, flow).step() == "two_factor_code"


async def _present_code(flow: Flow) -> str:
    return code_of(flow.person.seed)


async def test_the_new_seed_is_not_shown_before_the_code_of_the_present_method(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "authenticator")

    assert problem(await flow.post("/enrolment", {"reveal_verifier": flow.verifier})) == (409, "not-at-this-step")


async def test_who_has_the_session_but_not_the_verifier_does_not_see_the_new_seed(cast: Cast) -> None:
    flow = await at_new_authenticator(cast)

    assert problem(await flow.post("/enrolment", {})) == (403, "reveal-refused")
    assert problem(await flow.post("/enrolment", {"reveal_verifier": VERIFIER})) == (403, "reveal-refused")
    assert (await enrolment(flow))["secret"]


async def test_where_no_code_comes_before_the_seed_the_beginning_needs_a_challenge(cast: Cast) -> None:
    answer = await cast.bare_owner.post("/security/changes", {"to": "authenticator"})

    assert problem(answer) == (422, "reveal-challenge-missing")
    assert (await standing(cast.bare_owner))["open_change"] is None


async def test_a_seed_that_no_code_comes_before_is_shown_to_who_has_the_verifier_and_to_nobody_else(cast: Cast) -> None:
    flow = await begin_change(cast.bare_owner, "authenticator")

    assert problem(await flow.post("/enrolment", {})) == (403, "reveal-refused")
    assert problem(await flow.post("/enrolment", {"reveal_verifier": VERIFIER})) == (403, "reveal-refused")
    assert "two-factor:seed-shown" not in [event["event"] for event in await audit(cast.bare_owner)]
    assert (await enrolment(flow))["secret"]


async def test_a_change_begun_twice_with_one_key_is_bound_to_the_verifier_that_came_first(cast: Cast) -> None:
    body = {"to": "authenticator", "reveal_challenge": challenge_of(VERIFIER)}
    other = body | {"reveal_challenge": challenge_of("z" * 43)}

    first, again, another = [
        await cast.bare_owner.post("/security/changes", each, key="k") for each in (body, body, other)
    ]

    assert first.json()["id"] == again.json()["id"]
    assert problem(another) == (422, "idempotency-key-reused")
    flow = Flow(cast.bare_owner, first.json()["id"], first.json()["workflow_id"], verifier=VERIFIER)
    await flow.until(lambda shown: shown["step"] == "new_factor_code")
    assert (await enrolment(flow))["secret"]


async def test_a_code_without_a_challenge_leaves_the_one_from_the_beginning(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "authenticator")
    ok(await flow.post("/two-factor-code", {"code": await flow.code()}))

    assert problem(await flow.post("/enrolment", {})) == (403, "reveal-refused")
    assert (await enrolment(flow))["secret"]


async def test_with_a_recovery_code_it_is_bound_to_its_verifier_too(cast: Cast) -> None:
    codes = await recovery_codes(await changed(cast.owner, "recovery_codes"))
    flow = await begin_change(cast.owner, "authenticator")
    ok(await enter_recovery_code(flow, codes[0]))

    assert problem(await flow.post("/enrolment", {"reveal_verifier": VERIFIER})) == (403, "reveal-refused")


async def test_the_same_seed_is_shown_as_long_as_its_code_is_awaited_and_never_after(cast: Cast) -> None:
    flow = await at_new_authenticator(cast)

    first = await enrolment(flow)
    async with cast.core.database.connection() as connection:
        # The chore that erases secrets which were shown has no business with it.
        await requests.erase_revealed(connection, before=(await _now(cast)))
    second = await enrolment(flow)
    ok(await flow.enter_code(await new_code(flow)))

    assert first == second
    assert problem(await flow.post("/enrolment", {"reveal_verifier": flow.verifier})) == (409, "request-closed")


async def _now(cast: Cast) -> Any:
    [[now]] = await select(cast.core, "SELECT now() + interval '1 hour'")
    return now


async def test_it_is_not_shown_past_the_deadline_although_the_request_was_not_closed_yet(cast: Cast) -> None:
    flow = await at_new_authenticator(cast)
    await let_deadline_pass(cast.core, flow.id)

    assert problem(await flow.post("/enrolment", {"reveal_verifier": flow.verifier})) == (409, "request-closed")


async def test_there_is_nothing_to_enrol_in_a_change_to_sms(cast: Cast) -> None:
    flow = await begin_change(cast.bare_owner, "sms")

    assert problem(await flow.post("/enrolment", {})) == (409, "not-at-this-step")


async def test_the_uri_holds_what_an_authenticator_asks_for(cast: Cast) -> None:
    shown = await enrolment(await begin_change(cast.bare_owner, "authenticator"))

    account = cast.bare_owner.email.replace("@", "%40")
    assert shown["otpauth_uri"] == f"otpauth://totp/Countersign:{account}?secret={shown['secret']}&issuer=Countersign"
    assert len(shown["secret"]) == 32


async def test_the_old_authenticators_code_does_not_prove_the_new_one(cast: Cast) -> None:
    flow = await at_new_authenticator(cast)

    assert problem(await flow.enter_code(code_of(cast.owner.seed))) == (422, "wrong-code")


async def test_the_code_to_the_old_number_does_not_prove_the_new_one(cast: Cast) -> None:
    flow = await begin_change(cast.sms_owner, "sms", phone=new_phone_of(cast.sms_owner))
    [old] = await codes_sent_to(flow, cast.sms_owner.phone)
    ok(await flow.enter_code(old))
    [new] = await codes_sent_to(flow, new_phone_of(cast.sms_owner))

    assert old != new
    assert problem(await flow.enter_code(old)) == (422, "wrong-code")


async def test_a_code_that_confirmed_a_key_turns_nothing_off(cast: Cast) -> None:
    creation = await cast.owner.create_api_key()
    code = await creation.code()
    ok(await creation.enter_code(code))

    flow = await begin_change(cast.owner, "off")

    assert problem(await flow.enter_code(code)) == (409, "code-already-used")


def test_the_api_holds_no_key_that_codes_are_checked_with() -> None:
    assert not API_PURPOSES & {Purpose.TOTP_SEED, Purpose.ONE_TIME_CODE}


async def test_of_many_changes_begun_at_once_one_is_opened(cast: Cast) -> None:
    answers = await asyncio.gather(*(cast.owner.post("/security/changes", {"to": "off"}) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 9]


async def test_of_many_right_codes_at_once_each_step_takes_one(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "authenticator")
    code = {"code": await flow.code(), "step": "two_factor_code", "reveal_challenge": flow.challenge}
    first = await asyncio.gather(*(flow.post("/two-factor-code", code) for _ in range(10)))
    code = {"code": await new_code(flow), "step": "new_factor_code", "reveal_challenge": flow.challenge}
    second = await asyncio.gather(*(flow.post("/two-factor-code", code) for _ in range(10)))

    for answers in (first, second):
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    events = [event["event"] for event in await audit(cast.owner)]
    assert [events.count(event) for event in ("user:changed", "code:wrong")] == [1, 0]


async def test_seed_number_and_recovery_codes_are_nowhere_but_where_their_person_meets_them(cast: Cast) -> None:
    flow = await changed(cast.bare_owner, "authenticator")
    seed, codes = cast.bare_owner.seed, await recovery_codes(flow)
    by_code = await begin_change(cast.bare_owner, "sms", phone=new_phone_of(cast.bare_owner))
    ok(await enter_recovery_code(by_code, codes[0]))
    [new] = await codes_sent_to(by_code, new_phone_of(cast.bare_owner))
    ok(await by_code.enter_code(new))
    await eventually(lambda: standing(cast.bare_owner), lambda shown: shown["two_factor_method"] == "sms")

    lines = [
        line
        for each in (flow, by_code)
        for line in await read_history(cast.core.client, cast.core.keys, each.workflow_id)
    ]
    messages = "".join(line.text for line in lines if line.is_message)
    others = "".join(line.text for line in lines if not line.is_message)

    assert codes[0] in messages
    assert [each for each in (seed, codes[1], new_phone_of(cast.bare_owner)) if each in messages + others] == []
    assert [each for each in (codes[0], new) if each in others] == []
    rows = [
        await select(cast.core, "SELECT r::text FROM requests r WHERE user_id = %s", cast.bare_owner.id),
        await select(cast.core, "SELECT c::text FROM recovery_codes c WHERE user_id = %s", cast.bare_owner.id),
        await select(cast.core, "SELECT v::text FROM message_verdicts v WHERE request_id = %s", UUID(by_code.id)),
        await select(cast.core, "SELECT n::text FROM notices n WHERE user_id = %s", cast.bare_owner.id),
    ]
    stored = str(rows)
    assert [each for each in (seed, *codes, new_phone_of(cast.bare_owner)) if each in stored] == []
