"""Activation: by the mailed code or link, or by the account manager's signed decision."""

from datetime import timedelta
from uuid import uuid4

import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.adapters.statements import sign
from countersign.domain.messages import AccountManagerDecision, Activate, ActivateLater, ActivationCode, ResendCode
from countersign.domain.people import Role
from countersign.domain.requests import Outcome, Step
from countersign.storage import accounts
from tests.support.house import IP, NOW, TICK, Case, House, by, minutes

DAY = timedelta(hours=24)


async def status(case: Case) -> tuple[str, int]:
    """Return status and version of the case's credential."""
    query = "SELECT status, version FROM credentials WHERE id = %s"
    [(found, version)] = await case.house.select(query, (await case.request()).credential_id)
    return found, version


async def test_activate_mails_a_code_and_lets_the_key_await_it(house: House) -> None:
    case = await (await house.create_key()).to_choice()
    answer = await case.send(Activate(), at=NOW + minutes(1))
    assert answer.problem is None
    assert (answer.state.step, answer.state.deadline) == (Step.ACTIVATION_CODE, NOW + minutes(1) + DAY)
    assert answer.state.unsent
    assert (answer.state.unsent.number, answer.state.unsent.channel) == (1, "email")
    assert await status(case) == ("awaiting_activation", 1)
    assert ("activation:chosen", {"when": "now"}) in await house.events()


async def test_the_mailed_code_activates_and_the_owners_are_told(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent()), at=NOW + minutes(1)) is None
    assert (await case.request()).outcome is Outcome.ACTIVATED
    assert await status(case) == ("active", 2)
    changed = {"before": "awaiting_activation", "after": "active", "version": 2}
    assert ("credential:status", changed) in await house.events()
    assert {("credential_activated", house.owner), ("credential_activated", house.sms_owner)} <= await house.mails()
    query = "SELECT DISTINCT request_id FROM notices WHERE account_id = %s AND event = 'credential_activated'"
    assert await house.select(query, house.account_id) == [(case.id,)]


async def test_a_code_or_a_token_is_needed(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    assert await case.problem(ActivationCode()) == "invalid-input"
    assert await case.problem(ActivationCode(code=await case.wrong())) == "wrong-code"
    assert await case.problem(ActivationCode(link_token=await case.link())) is None


@pytest.mark.parametrize("kind", ["code", "link"])
async def test_a_day_after_the_choice_nothing_activates_any_more(house: House, kind: str) -> None:
    case = await (await house.create_key()).to_waiting()
    await case.send(ResendCode(), at=NOW + DAY - minutes(1))
    sent = {"code": await case.sent(2)} if kind == "code" else {"link_token": await case.link(2)}
    answer = await case.send(ActivationCode.model_validate(sent), at=NOW + DAY)
    assert (answer.problem, answer.extra) == ("request-closed", {"outcome": "left_inactive"})
    assert ((await case.request()).outcome, (await case.request()).reason) == (Outcome.LEFT_INACTIVE, "time ran out")
    assert (await status(case))[0] == "inactive"


@pytest.mark.parametrize("kind", ["code", "link"])
async def test_to_its_last_microsecond_it_does(house: House, kind: str) -> None:
    case = await (await house.create_key()).to_waiting()
    await case.send(ResendCode(), at=NOW + DAY - minutes(1))
    sent = {"code": await case.sent(2)} if kind == "code" else {"link_token": await case.link(2)}
    assert await case.problem(ActivationCode.model_validate(sent), at=NOW + DAY - TICK) is None


@pytest.mark.parametrize("step", ["to_choice", "to_waiting"])
async def test_later_leaves_the_key_inactive(house: House, step: str) -> None:
    case = await house.create_key()
    await getattr(case, step)()
    assert await case.problem(ActivateLater()) is None
    request = await case.request()
    assert (request.outcome, request.reason) == (Outcome.LEFT_INACTIVE, "activate later")
    assert (await status(case))[0] == "inactive"
    assert ("activation:chosen", {"when": "later"}) in await house.events()


async def test_a_frozen_account_and_one_without_codes_left_cannot_choose_now(house: House) -> None:
    case = await (await house.create_key()).to_choice()
    for _ in range(10):
        await house.create_key(house.sms_owner)
    assert await case.problem(Activate()) == "too-many-codes"
    await house.change("UPDATE accounts SET frozen_at = now() WHERE id = %s", house.account_id)
    assert await case.problem(Activate()) == "issuing-frozen"
    assert ("activation:chosen", {"when": "now"}) not in await house.events()
    assert await status(case) == ("inactive", 1)


async def test_the_account_managers_are_asked_about_fix_credentials_without_end(house: House) -> None:
    case = await (await house.create_fix()).to_choice()
    answer = await case.send(Activate(), at=NOW + minutes(1))
    assert answer.problem is None
    assert (answer.state.step, answer.state.deadline) == (Step.ACCOUNT_MANAGER, None)
    assert answer.state.remind_at == NOW + timedelta(hours=4, minutes=1)
    assert (await case.request()).asked_at == NOW + minutes(1)
    assert await status(case) == ("awaiting_activation", 1)
    assert (await house.events())[-1] == ("account-manager:asked", {})
    assert ("activation:chosen", {"when": "now"}) in await house.events()
    query = "SELECT user_id, request_id, context FROM notices WHERE account_id = %s AND event = 'activation_requested'"
    [(told, about, context)] = await house.select(query, house.account_id)
    assert (told, about) == (house.manager, case.id)
    assert (context["actor_name"], context["at"]) == ("owner", "2026-03-01 12:01 UTC")


async def test_a_manager_who_begins_by_name_is_not_mailed_about_it(house: House) -> None:
    fix = await (await house.create_fix()).left_inactive()
    case = await house.activate_fix((await fix.request()).credential_id, house.manager)
    assert (await case.request()).step is Step.ACCOUNT_MANAGER
    assert ("activation_requested", house.manager) not in await house.mails()
    assert (await case.decide(credential_version=(await status(case))[1])).problem is None


async def test_the_managers_decision_activates_in_the_managers_name(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide()).problem is None
    assert (await case.request()).outcome is Outcome.ACTIVATED
    assert await status(case) == ("active", 2)
    query = """SELECT event, actor_kind, actor_id, host(ip) FROM audit_events
               WHERE account_id = %s ORDER BY number DESC LIMIT 3"""
    by_manager = ["user", house.manager, IP]
    assert [list(row) for row in await house.select(query, house.account_id)] == [
        ["request:ended", *by_manager],
        ["credential:status", *by_manager],
        ["account-manager:decided", *by_manager],
    ]
    assert ("account-manager:decided", {"decision": "activate", "reason": "as agreed"}) in await house.events()
    assert ("credential_activated", house.owner) in await house.mails()


async def test_a_rejection_leaves_them_inactive_and_tells_the_owners_why(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide(decision="reject", reason="not known")).problem is None
    request = await case.request()
    assert (request.outcome, request.reason) == (Outcome.REJECTED, "not known")
    assert (await status(case))[0] == "inactive"
    assert ("account-manager:decided", {"decision": "reject", "reason": "not known"}) in await house.events()
    query = "SELECT user_id, request_id, context FROM notices WHERE account_id = %s AND event = 'activation_rejected'"
    rows = await house.select(query, house.account_id)
    assert {(user, about, context["reason"]) for user, about, context in rows} == {
        (owner, case.id, "not known") for owner in (house.owner, house.sms_owner)
    }


async def test_statements_of_nobody_assigned_or_of_a_member_are_refused_and_recorded(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide(manager=house.stranger)).problem == "forbidden"
    detail = "Only an account manager assigned to this account may decide."
    assert await house.last_event() == (
        "account-manager:decision-refused",
        {"problem": "forbidden", "detail": detail, "refused": 1},
    )
    async with house.desk.database.connection() as connection:
        await accounts.add_member(connection, account_id=house.account_id, user_id=house.manager, role=Role.MEMBER)
    assert (await case.decide()).problem == "forbidden"
    assert await status(case) == ("awaiting_activation", 1)


async def test_a_statement_is_good_once(house: House) -> None:
    one, two = uuid4().hex, uuid4().hex
    case, other = await (await house.create_fix()).to_waiting(), await (await house.create_fix()).to_waiting()
    assert (await case.decide(id=one, decision="reject")).problem is None
    again = await other.decide(id=one)
    assert (again.problem, again.extra) == ("invalid-statement", {"fault": "used"})
    assert await house.last_event() == (
        "account-manager:decision-refused",
        {"problem": "invalid-statement", "detail": again.detail, "refused": 1},
    )
    assert (await other.decide(id=two)).problem is None
    kept = await house.select(
        "SELECT id, request_id FROM used_statements WHERE request_id = ANY(%s)", [case.id, other.id]
    )
    assert set(kept) == {(one, case.id), (two, other.id)}


async def test_a_refused_statement_is_not_used_up(house: House) -> None:
    one = uuid4().hex
    case = await (await house.create_fix()).to_waiting()
    await house.change("UPDATE accounts SET frozen_at = now() WHERE id = %s", house.account_id)
    assert (await case.decide(id=one)).problem == "issuing-frozen"
    await house.change("UPDATE accounts SET frozen_at = NULL WHERE id = %s", house.account_id)
    assert (await case.decide(id=one)).problem is None


@pytest.mark.parametrize("version", [0, 2])
async def test_the_decision_is_about_the_version_that_was_shown(house: House, version: int) -> None:
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide(credential_version=version)).problem == "version-changed"
    assert (await house.last_event())[1]["problem"] == "version-changed"


async def test_a_statement_about_another_request_or_out_of_time_is_refused(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    foreign = await case.decide(request_id=uuid4())
    assert (foreign.problem, foreign.extra) == ("invalid-statement", {"fault": "request"})
    late = await case.decide(at=NOW + minutes(10))
    assert (late.problem, late.extra) == ("invalid-statement", {"fault": "expired"})
    assert (await case.decide(at=NOW + minutes(10) - TICK)).problem is None


async def test_a_forged_statement_is_refused_and_recorded(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    forged = sign(KeyRing.from_json(new_key_ring_json()), case.statement())
    answer = await case.send(AccountManagerDecision(statement=forged))
    assert (answer.problem, answer.extra) == ("invalid-statement", {"fault": "signature"})
    assert (await house.last_event())[0] == "account-manager:decision-refused"
    assert await case.problem(AccountManagerDecision(statement="nothing signed")) == "invalid-statement"


async def test_nothing_waits_for_a_decision_before_the_owner_asked(house: House) -> None:
    case = await (await house.create_fix()).to_choice()
    answer = await case.decide()
    assert (answer.problem, answer.extra) == ("nothing-waiting", {"step": "activation_choice"})


@pytest.mark.parametrize("what", ["no prime liquidity", "no owner", "frozen"])
async def test_only_a_rejection_is_possible_once_the_owner_may_not_ask_any_more(house: House, what: str) -> None:
    case = await (await house.create_fix()).to_waiting()
    if what == "no prime liquidity":
        await house.change("UPDATE accounts SET prime_liquidity = false WHERE id = %s", house.account_id)
    elif what == "no owner":
        await house.change("DELETE FROM memberships WHERE user_id = %s", house.owner)
    else:
        await house.change("UPDATE accounts SET frozen_at = now() WHERE id = %s", house.account_id)
    expected = "issuing-frozen" if what == "frozen" else "prime-liquidity-owner-required"
    assert (await case.decide()).problem == expected
    assert (await case.decide(decision="reject")).problem is None


async def test_a_managers_own_wish_needs_no_owner_but_prime_liquidity(house: House) -> None:
    fix = await (await house.create_fix()).left_inactive()
    case = await house.activate_fix((await fix.request()).credential_id, house.manager)
    await house.change("UPDATE accounts SET prime_liquidity = false WHERE id = %s", house.account_id)
    assert (await case.decide(credential_version=1)).problem == "prime-liquidity-owner-required"


async def test_a_two_factor_code_activates_an_inactive_key(house: House) -> None:
    key = await (await house.create_key()).left_inactive()
    case = await house.activate_key((await key.request()).credential_id)
    assert await case.problem(Activate()) == "not-at-this-step"
    assert (await case.enter(case.authenticator(steps=1))).problem is None
    assert (await status(case))[0] == "active"
    assert ("two-factor:passed", {"method": "authenticator"}) in await house.events()


async def test_only_the_requester_confirms(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent()), actor=by(house.sms_owner)) == "not-the-requester"
    assert await case.problem(ActivationCode(link_token=await case.link()), actor=by(house.sms_owner)) == (
        "not-the-requester"
    )


@pytest.mark.parametrize(("permissions", "is_stoppable"), [(("trade",), False), (("trade", "funds_wallet"), True)])
async def test_the_mail_about_an_active_key_can_stop_one_that_moves_funds(
    house: House, permissions: tuple[str, ...], *, is_stoppable: bool
) -> None:
    case = await (await house.create_key(permissions=permissions)).to_waiting()
    before = await status(case)
    assert await case.problem(ActivationCode(code=await case.sent())) is None

    rows = await house.select(
        """SELECT s.kind, s.credential_id, s.from_version, s.request_id
           FROM notices n JOIN stops s ON s.id = n.stop_id
           WHERE n.account_id = %s AND n.event = 'credential_activated'""",
        house.account_id,
    )

    about = ("credential", (await case.request()).credential_id, before[1], case.id)
    assert rows == [about] * (2 if is_stoppable else 0)


async def test_a_decision_at_another_step_is_told_in_the_trail(house: House) -> None:
    case = await house.create_fix()

    assert (await case.decide()).problem == "nothing-waiting"

    tag, details = await house.last_event()
    assert (tag, details["problem"]) == ("account-manager:decision-refused", "nothing-waiting")


async def test_the_trail_tells_of_the_first_ten_refused_decisions_and_then_of_fewer(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()

    for _ in range(12):
        assert (await case.decide(manager=house.stranger)).problem == "forbidden"

    told = [details["refused"] for tag, details in await house.events() if tag == "account-manager:decision-refused"]
    assert told == list(range(1, 11))
