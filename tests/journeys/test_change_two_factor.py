"""Changing how a person confirms: each way there is, and that each asks for what it must."""

from datetime import UTC, datetime

import pytest

from countersign.domain.messages import Actor, ActorKind
from countersign.effects.people import UserChange, change_user
from countersign.storage import users
from countersign.storage.users import User
from tests.support.answers import enter_wrong_codes, problem, retry_after
from tests.support.cast import Cast, Person
from tests.support.fix import audit, mails, result_of, tags
from tests.support.rows import change, let_deadline_pass, select
from tests.support.security import (
    acting_for,
    also_owner_of,
    begin_change,
    changed,
    code_of,
    codes_sent_to,
    enter_recovery_code,
    new_code,
    new_phone_of,
    ok,
    standing,
)


async def stored(person: Person) -> User:
    async with person.core.database.connection() as connection:
        found = await users.get(connection, person.id)
    assert found
    return found


async def test_an_authenticator_is_turned_on_by_its_first_code(cast: Cast) -> None:
    nora = cast.bare_owner
    flow = await begin_change(nora, "authenticator")

    assert await flow.step() == "new_factor_code"
    answer = ok(await flow.enter_code(await new_code(flow)))

    assert (answer["step"], answer["outcome"]) == ("closed", "changed")
    assert await result_of(flow) == "changed"
    assert (await standing(nora))["two_factor_method"] == "authenticator"
    await (await nora.create_api_key()).to_secret()


async def test_sms_are_turned_on_by_a_code_sent_to_the_new_number(cast: Cast) -> None:
    nora = cast.bare_owner
    phone = new_phone_of(nora)
    flow = await begin_change(nora, "sms", phone=phone)

    [code] = await codes_sent_to(flow, phone)
    ok(await flow.enter_code(code))

    assert (await standing(nora))["two_factor_method"] == "sms"
    assert (await stored(nora)).phone == phone
    assert cast.providers.texts_to(nora.phone) == []


async def test_without_a_number_sms_go_to_the_one_on_file(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "sms")
    ok(await flow.enter_code())

    [code] = await codes_sent_to(flow, cast.owner.phone)
    ok(await flow.enter_code(code))

    assert (await stored(cast.owner)).two_factor_method == "sms"


async def test_another_number_needs_a_code_from_the_old_one_and_then_from_the_new_one(cast: Cast) -> None:
    sam, phone = cast.sms_owner, new_phone_of(cast.sms_owner)
    flow = await begin_change(sam, "sms", phone=phone)
    [old] = await codes_sent_to(flow, sam.phone)
    assert cast.providers.texts_to(phone) == []

    assert ok(await flow.enter_code(old))["step"] == "new_factor_code"
    [new] = await codes_sent_to(flow, phone)
    ok(await flow.enter_code(new))

    assert len(cast.providers.texts_to(sam.phone)) == 1
    assert (await stored(sam)).phone == phone


async def test_another_authenticator_needs_a_code_of_each_and_the_old_one_is_forgotten(cast: Cast) -> None:
    old = cast.owner.seed
    await changed(cast.owner, "authenticator")

    assert cast.owner.seed != old
    flow = await cast.owner.create_api_key()
    assert problem(await flow.enter_code(code_of(old))) == (422, "wrong-code")
    await flow.to_secret()


async def test_turning_it_off_needs_one_code_of_the_present_method(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    assert ok(await flow.enter_code())["outcome"] == "changed"

    assert await result_of(flow) == "changed"
    assert ((await stored(cast.owner)).two_factor_method, (await stored(cast.owner)).totp_seed) == ("none", None)
    assert problem(await cast.owner.post("/api-keys", {"name": "bot"})) == (403, "two-factor-not-enabled")


async def test_the_text_messages_say_what_they_approve(cast: Cast) -> None:
    sam, phone = cast.sms_owner, new_phone_of(cast.sms_owner)
    flow = await begin_change(sam, "sms", phone=phone)
    ok(await flow.enter_code(await flow.code()))
    await codes_sent_to(flow, phone)

    [old], [new] = cast.providers.texts_to(sam.phone), cast.providers.texts_to(phone)

    assert "code to change two-factor authentication to SMS" in old
    assert "code to use this number for two-factor codes" in new


async def test_the_first_code_of_the_new_authenticator_is_used_up_by_the_change(cast: Cast) -> None:
    flow = await begin_change(cast.bare_owner, "authenticator")
    code = await new_code(flow)
    ok(await flow.enter_code(code))

    creation = await cast.bare_owner.create_api_key()

    assert problem(await creation.enter_code(code)) == (409, "code-already-used")


async def test_the_request_tells_where_it_leads_and_that_it_is_about_no_credential(cast: Cast) -> None:
    shown = await (await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))).shown()

    assert (shown["journey"], shown["change_to"], shown["waiting_for"]) == ("change-two-factor", "sms", "owner")
    assert (shown["credential_id"], shown["credential_kind"]) == (None, None)
    assert shown["name"] == f"Two-factor by SMS •••{new_phone_of(cast.owner)[-2:]}"
    assert shown["attempts_left"] == 5


async def test_it_is_among_the_requests_of_the_account_and_in_the_standing(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    assert [each["id"] for each in (await cast.owner.get("/requests?open=true")).json()] == [flow.id]
    assert (await standing(cast.owner))["open_change"] == flow.id
    assert (await standing(cast.second_owner))["open_change"] is None


async def test_the_standing_is_masked(cast: Cast) -> None:
    shown = await standing(cast.sms_owner)

    assert shown == {
        "two_factor_method": "sms",
        "phone": f"•••{cast.sms_owner.phone[-2:]}",
        "email": "s•••@example.com",
        "recovery_codes_left": 0,
        "open_change": None,
    }


@pytest.mark.parametrize(
    ("who", "form", "answer"),
    [
        ("bare_owner", {"to": "off"}, (422, "nothing-changed")),
        ("bare_owner", {"to": "recovery_codes"}, (403, "two-factor-not-enabled")),
        ("sms_owner", {"to": "sms"}, (422, "nothing-changed")),
        ("owner", {"to": "sms", "phone": "call me"}, (422, "invalid-input")),
        ("owner", {"to": "off", "phone": "+442079460123"}, (422, "invalid-input")),
        ("owner", {"to": "none"}, (422, "invalid-input")),
        ("member", {"to": "off"}, (403, "prime-liquidity-owner-required")),
        ("plain_owner", {"to": "off"}, (403, "prime-liquidity-owner-required")),
    ],
)
async def test_what_cannot_be_stops_before_it_starts(
    cast: Cast, who: str, form: dict[str, str], answer: tuple[int, str]
) -> None:
    assert problem(await getattr(cast, who).post("/security/changes", form)) == answer


async def test_sms_need_a_number(cast: Cast) -> None:
    await change(cast.core, "UPDATE users SET phone = NULL WHERE id = %s", cast.bare_owner.id)

    assert problem(await cast.bare_owner.post("/security/changes", {"to": "sms"})) == (422, "invalid-input")


async def test_one_change_is_open_at_a_time_and_the_second_tells_of_the_first(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    second = await cast.owner.post("/security/changes", {"to": "authenticator"})

    assert problem(second) == (409, "request-open")
    assert second.json()["request_id"] == flow.id
    await begin_change(cast.second_owner, "off")


async def test_a_change_past_its_deadline_does_not_stand_in_the_way_of_another(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")
    await let_deadline_pass(cast.core, flow.id)

    await begin_change(cast.owner, "authenticator")

    assert await flow.outcome() == "expired"


async def test_one_change_is_open_at_a_time_in_all_accounts_of_a_person(cast: Cast) -> None:
    here = await begin_change(cast.owner, "off")
    away = await also_owner_of(cast.owner, cast.outsider)

    with acting_for(cast.owner, away):
        assert problem(await cast.owner.post("/security/changes", {"to": "off"})) == (409, "request-open")
        await let_deadline_pass(cast.core, here.id)
        there = await begin_change(cast.owner, "off")
        assert await there.step() == "two_factor_code"

    assert (await tags(cast.owner, here.id))[-1] == "request:ended"


async def test_the_same_idempotency_key_gives_the_same_change(cast: Cast) -> None:
    first, second = [await cast.owner.post("/security/changes", {"to": "off"}, key="mine") for _ in range(2)]

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]


async def test_a_change_cancels_what_the_person_has_under_way_in_every_account(cast: Cast) -> None:
    here = await cast.owner.create_api_key()
    others = await cast.second_owner.create_api_key("other")
    away = await also_owner_of(cast.owner, cast.outsider)
    with acting_for(cast.owner, away):
        there = await cast.owner.create_fix()

    await changed(cast.owner, "authenticator")

    assert await here.outcome() == "cancelled"
    assert await others.step() == "two_factor_code"
    with acting_for(cast.owner, away):
        assert await there.outcome() == "cancelled"
        assert (await tags(cast.owner))[-2:] == ["user:changed", "request:ended"]
    [mail] = await mails(cast.owner, "Two-factor authentication changed")
    assert "Account: Home" in mail


async def test_the_trail_tells_each_step_and_no_number_address_or_seed(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    ok(await flow.enter_code())
    ok(await flow.enter_code(await new_code(flow)))

    events = await audit(cast.owner)

    assert [event["event"] for event in events] == [
        "request:opened",
        "two-factor:passed",
        "two-factor:new-factor-passed",
        "request:ended",
        "user:changed",
    ]
    assert events[-1]["details"]["two_factor_method"] == {"before": "authenticator", "after": "sms"}
    assert {event["actor_id"] for event in events} == {str(cast.owner.id)}
    assert {event["request_id"] for event in events} == {flow.id}
    assert {event["credential_id"] for event in events} == {None}
    for hidden in (new_phone_of(cast.owner), cast.owner.phone, cast.owner.email, cast.owner.seed):
        assert hidden not in str(events)


async def test_a_replaced_authenticator_is_in_the_trail_too(cast: Cast) -> None:
    await changed(cast.owner, "authenticator")

    assert (await audit(cast.owner))[-1]["details"] == {"user_id": str(cast.owner.id), "authenticator": "replaced"}


@pytest.mark.parametrize(
    ("who", "to", "subject", "fact"),
    [
        ("bare_owner", "authenticator", "Two-factor authentication turned on", "with codes from an authenticator"),
        ("owner", "sms", "Two-factor authentication changed", "with codes by SMS to •••"),
        ("owner", "authenticator", "Two-factor authentication changed", "with codes from an authenticator"),
        ("sms_owner", "off", "Two-factor authentication turned off", "was turned off at 20"),
    ],
)
async def test_the_person_is_mailed_and_nobody_else(cast: Cast, who: str, to: str, subject: str, fact: str) -> None:
    person: Person = getattr(cast, who)
    form = {"phone": new_phone_of(person)} if to == "sms" else {}
    await changed(person, to, **form)

    [mail] = await mails(person, subject)

    assert fact in mail
    assert f"By: {person.name}" in mail
    assert "From: 127.0.0.1" in mail
    assert person.phone not in mail
    assert cast.providers.subjects_to(cast.second_owner.email) == []


async def test_five_wrong_codes_of_the_present_method_end_it_and_nothing_is_changed(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")

    await enter_wrong_codes(flow, 5)

    assert await result_of(flow) == "refused"
    assert (await standing(cast.owner))["two_factor_method"] == "authenticator"


async def test_the_new_factor_has_five_tries_of_its_own(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    await enter_wrong_codes(flow, 4)
    ok(await flow.enter_code())
    [code] = await codes_sent_to(flow, new_phone_of(cast.owner))

    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    answers = [await flow.enter_code(wrong) for _ in range(5)]

    assert [answer.json()["attempts_left"] for answer in answers] == [4, 3, 2, 1, 0]
    assert await result_of(flow) == "refused"
    assert ((await stored(cast.owner)).two_factor_method, (await stored(cast.owner)).phone) == (
        "authenticator",
        cast.owner.phone,
    )


@pytest.mark.parametrize("to", ["authenticator", "sms"])
async def test_a_click_too_many_on_the_first_code_is_no_wrong_code_at_the_second_step(cast: Cast, to: str) -> None:
    flow = await begin_change(cast.sms_owner, to, **({"phone": new_phone_of(cast.sms_owner)} if to == "sms" else {}))
    body = {"code": await flow.code(), "step": "two_factor_code"}

    first, second = [await flow.post("/two-factor-code", body) for _ in range(2)]

    assert (first.status_code, problem(second)) == (200, (409, "not-at-this-step"))
    assert (await flow.shown())["attempts_left"] == 5


async def test_resend_opens_each_steps_window_anew(cast: Cast) -> None:
    phone = new_phone_of(cast.sms_owner)
    flow = await begin_change(cast.sms_owner, "sms", phone=phone)
    await flow.skip(minutes=2)
    ok(await flow.post("/two-factor-code/resend"))
    ok(await flow.enter_code((await codes_sent_to(flow, cast.sms_owner.phone))[-1]))

    early = await flow.post("/two-factor-code/resend")
    await flow.skip(seconds=retry_after(early))
    ok(await flow.post("/two-factor-code/resend"))

    codes = await codes_sent_to(flow, phone)
    assert len(codes) == 2
    ok(await flow.enter_code(codes[0]))


async def test_the_new_factors_step_runs_out_after_half_an_hour_and_its_seed_is_erased(cast: Cast) -> None:
    flow = await begin_change(cast.bare_owner, "authenticator")
    code = await new_code(flow)
    await flow.skip(minutes=5)
    assert problem(await flow.enter_code(code)) == (422, "code-expired")

    await flow.skip(minutes=25)

    assert await result_of(flow) == "expired"
    assert await erased(cast, flow.id)
    assert (await standing(cast.bare_owner))["two_factor_method"] == "none"


async def test_cancelling_erases_the_seed_and_the_number_and_changes_nothing(cast: Cast) -> None:
    for to in ("authenticator", "sms"):
        flow = await begin_change(cast.bare_owner, to)
        assert not await erased(cast, flow.id)

        ok(await flow.cancel())

        assert await result_of(flow) == "cancelled"
        assert await erased(cast, flow.id)
    assert (await standing(cast.bare_owner))["two_factor_method"] == "none"


async def test_after_the_change_nothing_of_it_is_kept_with_the_request(cast: Cast) -> None:
    flow = await changed(cast.bare_owner, "sms", phone=new_phone_of(cast.bare_owner))

    assert await erased(cast, flow.id)


async def test_a_contact_that_ops_change_cancels_an_open_change(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "authenticator")
    ok(await flow.enter_code())
    code = await new_code(flow)

    moved = UserChange(phone=new_phone_of(cast.owner))
    await change_user(cast.core.desk, cast.owner.id, moved, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))

    assert problem(await flow.enter_code(code)) == (409, "request-closed")
    assert await result_of(flow) == "cancelled"
    assert await erased(cast, flow.id)


async def test_a_new_window_keeps_the_new_factors_step_open_for_another_half_hour(cast: Cast) -> None:
    flow = await begin_change(cast.bare_owner, "authenticator")
    await flow.skip(minutes=29)
    ok(await flow.post("/two-factor-code/resend"))
    await flow.skip(minutes=29)
    ok(await flow.post("/two-factor-code/resend"))

    ok(await flow.enter_code(await new_code(flow)))


async def test_while_issuing_is_frozen_nothing_is_changed(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")
    await change(cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", cast.owner.account_id)

    assert problem(await flow.enter_code()) == (403, "issuing-frozen")
    assert problem(await cast.sms_owner.post("/security/changes", {"to": "off"})) == (403, "issuing-frozen")


async def test_codes_by_sms_count_among_the_ten_of_the_hour_before_a_code_is_used_up(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    sends = """INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
               SELECT c.id, n + 1, c.account_id, 'sms', now(), now(), 'sent'
               FROM challenges c, generate_series(1, 10) n WHERE c.request_id = %s"""
    await change(cast.core, sends, flow.id)
    code = await flow.code()

    assert problem(await flow.enter_code(code)) == (429, "too-many-codes")
    assert problem(await enter_recovery_code(flow, "0000-0000-0000-0000")) == (429, "too-many-codes")

    await change(
        cast.core,
        "UPDATE code_sends SET channel = 'authenticator' WHERE number > 1 AND account_id = %s",
        cast.owner.account_id,
    )
    ok(await flow.enter_code(code))


async def test_a_change_that_is_starting_counts_the_sms_that_it_will_send(cast: Cast) -> None:
    await change(
        cast.core,
        """INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, name,
               name_key, two_factor_method, change_to, new_phone)
           SELECT gen_random_uuid(), %s, %s, gen_random_uuid(), 1, 'change-two-factor', 'starting', 'x', 'x', 'none',
                  'sms', '+442079460123' FROM generate_series(1, 10)""",
        cast.owner.account_id,
        cast.owner.id,
    )

    answer = await cast.sms_owner.post("/fix-credentials", {"session_type": "trade"})
    await change(
        cast.core,
        "UPDATE requests SET step = 'closed', outcome = 'cancelled', new_phone = NULL WHERE account_id = %s",
        cast.owner.account_id,
    )

    assert problem(answer) == (429, "too-many-codes")


async def erased(cast: Cast, request_id: str) -> bool:
    query = "SELECT 1 FROM requests WHERE id = %s AND reveal_sealed IS NULL AND new_phone IS NULL"
    return bool(await select(cast.core, query, request_id))
