import re

import pytest

from countersign.domain.secrets import has_valid_checksum
from countersign.storage.database import scalar
from tests.support.cast import Cast
from tests.support.fix import (
    active_fix,
    all_mails,
    audit,
    credential_of,
    decide,
    decided,
    execute,
    mails,
    name_of,
    problem,
    queue,
    result_of,
    waiting_for_manager,
)


@pytest.mark.parametrize(("session_type", "marker"), [("trade", "T"), ("market_data", "MD")])
async def test_fix_credentials_of_either_type_are_active_once_the_account_manager_activates(
    cast: Cast, session_type: str, marker: str
) -> None:
    flow = await cast.owner.create_fix(session_type)

    await flow.to_secret()
    secret = (await flow.reveal()).json()
    await flow.save()
    await flow.choose("now")
    decided(await decide(cast.account_manager, secret["session_name"]))

    assert await flow.outcome() == "activated"
    assert await result_of(flow) == "activated"
    [fix] = (await cast.owner.get("/fix-credentials")).json()
    assert (fix["session_name"], fix["username"]) == (secret["session_name"], secret["username"])
    assert (fix["session_type"], fix["status"]) == (session_type, "active")
    assert fix["session_name"].startswith(f"CS-{marker}-")


async def test_an_unknown_session_type_is_refused(cast: Cast) -> None:
    assert problem(await cast.owner.post("/fix-credentials", {"session_type": "drop copy"})) == (422, "invalid-input")


async def test_a_creation_asks_for_no_code_of_an_owner_without_two_factor_but_stops(cast: Cast) -> None:
    response = await cast.bare_owner.post("/fix-credentials", {"session_type": "trade"})

    assert problem(response) == (403, "two-factor-not-enabled")
    assert (await cast.owner.get("/requests")).json() == []


async def test_a_creation_confirmed_by_sms_is_told_in_the_sms(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix("market_data")

    await flow.sent_codes("sms")

    [text] = cast.providers.texts_to(cast.sms_owner.phone)
    assert "create FIX credentials" in text
    assert await name_of(flow) in text
    assert "market data" in text


async def test_no_credential_exists_before_the_two_factor_code(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    assert (await cast.owner.get("/fix-credentials")).json() == []
    await flow.to_secret()
    [fix] = (await cast.owner.get("/fix-credentials")).json()
    assert fix["status"] == "inactive"


async def test_a_creation_by_sms_is_interrupted_when_its_code_runs_out_after_5_minutes(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()

    await flow.skip(minutes=4, seconds=58)
    assert await flow.step() == "two_factor_code"
    await flow.skip(seconds=3)

    assert await flow.outcome() == "expired"
    assert (await cast.owner.get("/fix-credentials")).json() == []
    assert await result_of(flow) == "expired"


async def test_a_creation_by_authenticator_is_interrupted_when_its_window_closes_after_5_minutes(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    await flow.skip(minutes=5, seconds=20)

    assert await flow.outcome() == "expired"
    assert problem(await flow.enter_code("123456")) == (409, "request-closed")


async def test_a_code_of_an_interrupted_creation_creates_nothing(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    [code] = await flow.sent_codes("sms")
    await flow.skip(minutes=5, seconds=20)

    assert problem(await flow.enter_code(code)) == (409, "request-closed")
    assert (await cast.owner.get("/fix-credentials")).json() == []


@pytest.mark.parametrize("who", ["sms_owner", "owner"])
async def test_a_resend_prolongs_a_creation_to_5_minutes_after_it(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_fix()
    first = (await flow.shown())["expires_at"]
    await flow.skip(minutes=4)

    response = await flow.post("/two-factor-code/resend")
    assert response.status_code == 200, response.text
    await flow.skip(minutes=4, seconds=50)

    shown = await flow.shown()
    assert (shown["step"], shown["expires_at"] > first) == ("two_factor_code", True)
    await flow.skip(seconds=15)
    assert await flow.outcome() == "expired"


async def test_the_newest_code_still_creates_after_the_first_window_has_passed(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    [first] = await flow.sent_codes("sms")
    await flow.skip(minutes=4)
    await flow.post("/two-factor-code/resend")
    newest = (await flow.sent_codes("sms"))[-1]
    await flow.skip(minutes=2)

    assert problem(await flow.enter_code(first)) == (422, "wrong-code")
    assert (await flow.enter_code(newest)).json()["step"] == "secret_saved"


async def test_five_wrong_codes_refuse_a_creation(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    [code] = await flow.sent_codes("sms")
    wrong = f"{(int(code) + 1) % 10**6:06}"

    answers = [(await flow.enter_code(wrong)).json()["attempts_left"] for _ in range(5)]

    assert answers == [4, 3, 2, 1, 0]
    assert await flow.outcome() == "refused"
    assert problem(await flow.enter_code(code)) == (409, "request-closed")


async def test_the_password_has_prefix_checksum_and_only_characters_that_fix_can_carry(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()

    secret = (await flow.reveal()).json()

    assert secret["password"].startswith("csp_")
    assert has_valid_checksum(secret["password"])
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", secret[each]) for each in ("session_name", "username", "password"))
    assert (secret["api_key"], secret["api_secret"]) == (None, None)


async def test_the_password_is_shown_to_nobody_without_the_verifier(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()

    assert problem(await flow.reveal("x" * 43)) == (403, "reveal-refused")
    theirs = await cast.second_owner.post(f"/requests/{flow.id}/secret", {"reveal_verifier": flow.verifier})
    assert problem(theirs) == (403, "not-the-requester")


async def test_the_password_is_shown_at_no_other_step_than_the_one_after_the_code(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    assert problem(await flow.reveal()) == (409, "not-at-this-step")

    await flow.to_choice()
    assert problem(await flow.reveal()) == (410, "secret-gone")
    await flow.choose("now")
    assert problem(await flow.reveal()) == (410, "secret-gone")


async def test_the_same_password_can_be_had_again_for_2_minutes_in_case_the_answer_was_lost(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    first = (await flow.reveal()).json()
    assert (await flow.reveal()).json() == first

    earlier = "UPDATE requests SET revealed_at = revealed_at - interval '2 minutes' WHERE id = %s"
    await execute(cast.core, earlier, flow.id)

    assert problem(await flow.reveal()) == (410, "secret-gone")


async def test_activate_and_activate_later_are_refused_before_the_password_is_saved(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    await flow.reveal()

    for when in ("now", "later"):
        assert problem(await flow.choose(when)) == (409, "not-at-this-step")


async def test_saved_is_refused_before_the_password_was_shown(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()

    assert problem(await flow.save()) == (409, "secret-not-shown")


async def test_a_password_never_acknowledged_is_discarded_after_30_minutes(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    await flow.reveal()

    await flow.skip(minutes=30, seconds=20)

    assert await flow.outcome() == "abandoned"
    assert (await cast.owner.get("/fix-credentials")).json() == []
    async with cast.core.database.connection() as connection:
        query = "SELECT count(*) FROM credentials WHERE account_id = %s AND password_mac IS NOT NULL"
        assert await scalar(connection, query, (cast.owner.account_id,)) == 0


async def test_the_password_is_kept_as_a_mac_alone(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    async with cast.core.database.connection() as connection:
        query = """SELECT (c.secret_sealed IS NULL AND r.reveal_sealed IS NULL AND octet_length(c.password_mac) = 32)
                   FROM requests r JOIN credentials c ON c.id = r.credential_id WHERE r.id = %s"""
        assert await scalar(connection, query, (flow.id,)) is True


async def test_activate_tells_the_session_name_to_quote_and_waits_for_the_account_manager(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    answer = (await flow.choose("now")).json()

    fix = await credential_of(flow)
    assert (answer["step"], answer["waiting_for"]) == ("account_manager", "account_manager")
    assert answer["name"] == fix["session_name"]
    assert (answer["expires_at"], fix["status"]) == (None, "awaiting_activation")


async def test_activate_asks_every_assigned_account_manager_by_mail_and_nobody_else(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    [body] = await mails(cast.account_manager, f"Activation asked for: {await name_of(flow)} (Home)")

    assert body.startswith("owner asked at ")
    assert await all_mails(cast.unassigned_manager) == []


async def test_activate_later_leaves_the_credentials_inactive_and_asks_nobody(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    assert fix["status"] == "inactive"
    assert await queue(cast.account_manager) == []
    assert await all_mails(cast.account_manager) == []


async def test_activate_later_comes_too_late_once_the_account_manager_was_asked(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    assert problem(await flow.choose("later")) == (409, "not-at-this-step")


async def test_no_choice_for_24_hours_leaves_the_credentials_inactive(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    await flow.skip(hours=24, seconds=20)

    assert await flow.outcome() == "left_inactive"
    assert (await credential_of(flow))["status"] == "inactive"


async def test_the_owners_are_told_once_that_credentials_were_created_and_activated(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    for person in (cast.owner, cast.second_owner):
        await mails(person, f"FIX credentials activated: {fix['session_name']}")
        subjects = sorted(await all_mails(person))
        assert subjects == [f"FIX credentials {what}: {fix['session_name']}" for what in ("activated", "created")]
    [body] = await mails(cast.owner, "FIX credentials activated")
    assert "Activated by account_manager" in body
    assert await all_mails(cast.member) == []


async def test_created_is_mailed_only_after_the_password_was_acknowledged(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    await flow.reveal()
    assert await all_mails(cast.owner) == []

    await flow.save()

    await mails(cast.owner, "FIX credentials created")


async def test_only_who_began_a_creation_enters_its_code_and_goes_on_with_it(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    body = {"code": cast.second_owner.authenticator_code(), "reveal_challenge": flow.challenge}
    theirs = await cast.second_owner.post(f"/requests/{flow.id}/two-factor-code", body)
    assert problem(theirs) == (403, "not-the-requester")

    await flow.to_choice()
    for path, form in (("/secret-saved", None), ("/activation", {"when": "now"})):
        theirs = await cast.second_owner.post(f"/requests/{flow.id}{path}", form)
        assert problem(theirs) == (403, "not-the-requester")
    assert await flow.step() == "activation_choice"


async def test_a_code_without_a_reveal_challenge_is_refused_and_not_counted(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    response = await flow.post("/two-factor-code", {"code": cast.owner.authenticator_code()})

    assert problem(response) == (422, "reveal-challenge-missing")
    assert (await flow.shown())["attempts_left"] == 5


async def test_a_creation_is_found_where_it_stands_by_any_owner_at_every_step(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    seen = []
    for go_on in (flow.to_secret, flow.to_choice, flow.to_account_manager):
        [elsewhere] = (await cast.second_owner.get("/requests?open=true")).json()
        seen.append((elsewhere["id"] == flow.id, elsewhere["step"], elsewhere["expires_at"] is not None))
        await go_on()
    seen.append((True, await flow.step(), (await flow.shown())["expires_at"] is not None))

    steps = ["two_factor_code", "secret_saved", "activation_choice", "account_manager"]
    assert seen == [(True, step, step != "account_manager") for step in steps]


async def test_session_names_differ_from_each_other(cast: Cast) -> None:
    flows = [await cast.owner.create_fix(), await cast.owner.create_fix(), await cast.outsider.create_fix()]

    assert len({await name_of(flow) for flow in flows}) == 3


async def test_an_owner_who_left_the_account_meanwhile_cannot_go_on(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    code = cast.owner.authenticator_code()
    await execute(cast.core, "DELETE FROM memberships WHERE user_id = %s", cast.owner.id)

    assert problem(await flow.enter_code(code)) == (403, "prime-liquidity-owner-required")
    assert (await cast.second_owner.get("/fix-credentials")).json() == []


async def test_an_account_that_has_as_many_credentials_as_it_may_creates_no_more(cast: Cast) -> None:
    await execute(
        cast.core,
        """INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, session_type, status,
               password_mac, created_by)
           SELECT gen_random_uuid(), %s, 'fix', 'CS-' || gen_random_uuid(), 'x', gen_random_uuid(), 'trade',
               'inactive', 'mac', %s FROM generate_series(1, 99)""",
        cast.owner.account_id,
        cast.owner.id,
    )
    await cast.owner.create_fix()

    response = await cast.owner.post("/fix-credentials", {"session_type": "trade"})

    assert problem(response) == (409, "too-many-credentials")


async def test_nothing_of_the_password_is_in_the_audit_trail(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    password = (await flow.reveal()).json()["password"]
    await flow.save()

    assert password not in str(await audit(cast.owner))
